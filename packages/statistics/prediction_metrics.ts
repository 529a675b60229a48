/**
 * What a model's predictions are worth, computed from numbers alone. Classes are numbers from 0,
 * ages are years; `truth[i]` and `prediction[i]` belong to the same picture.
 */

/** Share of the predictions that are right, 0 to 1. */
export function accuracy(truth: ArrayLike<number>, prediction: ArrayLike<number>): number {
  return mean(isCorrect(truth, prediction));
}

/** Mean of |prediction - truth|. */
export function meanAbsoluteError(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
): number {
  return mean(absoluteErrors(truth, prediction));
}

/** 1 for each right prediction, 0 for each wrong one. */
export function isCorrect(truth: ArrayLike<number>, prediction: ArrayLike<number>): Float64Array {
  return pairwise(truth, prediction, (t, p) => t === p ? 1 : 0);
}

/** How far off each prediction is, whichever way. */
export function absoluteErrors(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
): Float64Array {
  return pairwise(truth, prediction, (t, p) => Math.abs(p - t));
}

/**
 * Mean of -log of the probability that was given to the truth: the loss of a classifier, without
 * any L2 penalty. A probability too small for float32 counts as the smallest that is not.
 * @param probabilities for each picture, one number a class
 */
export function crossEntropy(
  truth: ArrayLike<number>,
  probabilities: readonly ArrayLike<number>[],
): number {
  const smallest = 2 ** -126;
  return mean(
    Float64Array.from(probabilities, (row, i) => -Math.log(Math.max(row[truth[i]], smallest))),
  );
}

/** How often class `truth` (first index) was taken for class `prediction` (second index). */
export function confusionMatrix(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  classes: number,
): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  pairwise(truth, prediction, (t, p) => ++counts[t][p]);
  return counts;
}

/** How well one class is told from the others. */
export interface ClassScores {
  /** Pictures whose true class it is. */
  count: number;
  /** Of the pictures that were taken for the class, the share whose class it is; 0 of none. */
  precision: number;
  /** Of the pictures whose class it is, the share that was taken for it; 0 of none. */
  recall: number;
  /** Harmonic mean of both. */
  f1: number;
}

/** Precision, recall and F1 of each class. @param confusion see `confusionMatrix` */
export function classScores(confusion: readonly (readonly number[])[]): ClassScores[] {
  return confusion.map((row, c) => {
    const right = row[c];
    const count = row.reduce((a, b) => a + b, 0);
    const said = confusion.reduce((sum, other) => sum + other[c], 0);
    const share = (n: number, of: number) => of === 0 ? 0 : n / of;
    const f1 = share(2 * right, count + said);
    return { count, precision: share(right, said), recall: share(right, count), f1 };
  });
}

/** prediction - truth of each picture. */
export function signedErrors(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
): Float64Array {
  return pairwise(truth, prediction, (t, p) => p - t);
}

/** The most frequent class; the lowest of them if several are. */
export function majorityClass(truth: ArrayLike<number>, classes: number): number {
  const counts = new Array<number>(classes).fill(0);
  for (let i = 0; i < truth.length; i++) counts[truth[i]]++;
  return counts.indexOf(Math.max(...counts));
}

/** The middle value, or the mean of the two in the middle. It minimises the mean absolute error. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The arithmetic mean; NaN of nothing. */
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
        `each picture needs one of both.`,
    );
  }
  const result = new Float64Array(truth.length);
  for (let i = 0; i < result.length; i++) result[i] = compare(truth[i], prediction[i]);
  return result;
}
