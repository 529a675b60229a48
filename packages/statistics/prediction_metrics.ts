/**
 * Metrics of predictions. Classes are indices from 0, ages are years; `truth[i]` and `prediction[i]`
 * belong to the same image.
 */

/**
 * Computes the accuracy, 0 to 1.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(accuracy([0, 1, 1, 0], [0, 1, 0, 0]), 0.75);
 * ```
 */
export function accuracy(truth: ArrayLike<number>, prediction: ArrayLike<number>): number {
  return mean(isCorrect(truth, prediction));
}

/**
 * Computes the MAE, the mean of |prediction - truth|.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(meanAbsoluteError([30, 40], [32, 39]), 1.5);
 * ```
 */
export function meanAbsoluteError(truth: ArrayLike<number>, prediction: ArrayLike<number>): number {
  return mean(absoluteErrors(truth, prediction));
}

/** Returns 1 for each correct prediction, else 0. */
export function isCorrect(truth: ArrayLike<number>, prediction: ArrayLike<number>): Float64Array {
  return pairwise(truth, prediction, (t, p) => t === p ? 1 : 0);
}

/** Returns |prediction - truth| of each image. */
export function absoluteErrors(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
): Float64Array {
  return signedErrors(truth, prediction).map(Math.abs);
}

/**
 * Computes the cross-entropy, the mean of -log of the true class's probability, without L2 penalty.
 * Probabilities below the smallest normal float32 are clipped to it.
 * @param probabilities class probabilities of each image
 */
export function crossEntropy(
  truth: ArrayLike<number>,
  probabilities: readonly ArrayLike<number>[],
): number {
  return mean(
    Float64Array.from(probabilities, (row, i) => -Math.log(Math.max(row[truth[i]], 2 ** -126))),
  );
}

/**
 * Computes the confusion matrix. Rows: true class, columns: predicted class.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(confusionMatrix([0, 1, 1], [0, 1, 0], 2), [[1, 0], [1, 1]]);
 * ```
 */
export function confusionMatrix(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  classes: number,
): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  pairwise(truth, prediction, (t, p) => ++counts[t][p]);
  return counts;
}

/** Precision, recall and F1 of one class. */
export interface ClassScores {
  /** Support: number of images of the class. */
  count: number;
  /** TP / (TP + FP); 0 if the class is never predicted. */
  precision: number;
  /** TP / (TP + FN); 0 without images of the class. */
  recall: number;
  /** Harmonic mean of both. */
  f1: number;
}

/** Computes precision, recall and F1 of each class. @param confusion result of `confusionMatrix` */
export function classScores(confusion: readonly (readonly number[])[]): ClassScores[] {
  return confusion.map((row, c) => {
    const hits = row[c];
    const count = row.reduce((a, b) => a + b, 0);
    const predicted = confusion.reduce((sum, other) => sum + other[c], 0);
    const share = (n: number, of: number) => of === 0 ? 0 : n / of;
    const f1 = share(2 * hits, count + predicted);
    return { count, precision: share(hits, predicted), recall: share(hits, count), f1 };
  });
}

/**
 * Returns the recall of each class that occurs, whose mean is the balanced accuracy.
 * @param rows indices of images, which may repeat. Default: all
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(recalls([0, 2, 2, 0], [0, 2, 0, 0]), [1, 0.5]);
 * ```
 */
export function recalls(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  rows: ArrayLike<number> = Array.from(truth, (_, i) => i),
): number[] {
  const counts: number[] = [], hits: number[] = [];
  for (let i = 0; i < rows.length; i++) {
    const label = truth[rows[i]], hit = Number(prediction[rows[i]] === label);
    counts[label] = (counts[label] ?? 0) + 1;
    hits[label] = (hits[label] ?? 0) + hit;
  }
  return counts.flatMap((n, label) => hits[label] / n);
}

/** Returns prediction - truth of each image. */
export function signedErrors(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
): Float64Array {
  return pairwise(truth, prediction, (t, p) => p - t);
}

/** Returns the most frequent class; the lowest one on a tie. */
export function majorityClass(truth: ArrayLike<number>, classes: number): number {
  const counts = new Array<number>(classes).fill(0);
  for (let i = 0; i < truth.length; i++) counts[truth[i]]++;
  return counts.indexOf(Math.max(...counts));
}

/**
 * Returns the median, which minimizes the MAE; the mean of the middle two for an even count.
 * @throws {RangeError} without values
 */
export function median(values: ArrayLike<number>): number {
  if (values.length === 0) throw new RangeError("Cannot take the median of no values.");
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Returns the arithmetic mean; NaN for no values. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

function pairwise(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  compare: (truth: number, prediction: number) => number,
): Float64Array {
  if (truth.length !== prediction.length) {
    throw new RangeError(
      `Cannot compare ${prediction.length} predictions with ${truth.length} true values: ` +
        `each image needs one of both.`,
    );
  }
  const result = new Float64Array(truth.length);
  for (let i = 0; i < result.length; i++) result[i] = compare(truth[i], prediction[i]);
  return result;
}
