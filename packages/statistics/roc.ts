/** ROC curve and AUC. */
import {
  areFew,
  bootstrap,
  groupsOf,
  type Interval,
  MIN_COUNT,
  percentileInterval,
  toInterval,
  wilson,
} from "./confidence_intervals.ts";
import { mean } from "./prediction_metrics.ts";

/** An ROC curve with its area. */
export interface Roc {
  /**
   * False and true positive rate at every threshold, from [0, 0] to [1, 1]; equal scores share a
   * threshold.
   */
  points: [falsePositives: number, truePositives: number][];
  /** Area under the curve: probability that a positive scores higher than a negative; ties count 1/2. */
  auc: number;
}

/**
 * Computes the ROC curve. T. Fawcett (2006), An introduction to ROC analysis, algorithms 1 and 2.
 * @param truth 1 for positives, 0 for negatives; without either, rates and area are NaN
 * @param scores higher for positives; with a NaN, the area is NaN
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const { auc } = rocCurve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]);
 * assert.equal(auc, 0.75);
 * ```
 */
export function rocCurve(truth: ArrayLike<number>, scores: ArrayLike<number>): Roc {
  const of = (positive: boolean) =>
    Float64Array.from(scores).filter((_, i) => (truth[i] === 1) === positive).sort().reverse();
  const positives = of(true), negatives = of(false);
  const points: Roc["points"] = [[0, 0]];
  const known = truth.length > 0 && !Array.from(scores).some(Number.isNaN);
  let [hits, alarms, auc] = [0, 0, known ? 0 : NaN];
  while (hits < positives.length || alarms < negatives.length) {
    const score = Math.max(positives[hits] ?? -Infinity, negatives[alarms] ?? -Infinity);
    // Negated: NaN passes.
    while (hits < positives.length && !(positives[hits] < score)) hits++;
    while (alarms < negatives.length && !(negatives[alarms] < score)) alarms++;
    const [x, y] = points.at(-1)!;
    const point: [number, number] = [alarms / negatives.length, hits / positives.length];
    auc += (point[0] - x) * (point[1] + y) / 2;
    points.push(point);
  }
  return { points, auc };
}

/**
 * Computes the interval of the AUC, by a bootstrap over people if they repeat, else over images; of 0,
 * 1 or few pairs of a positive and a negative Wilson's. Undefined with fewer than `MIN_COUNT` units,
 * and where the area is NaN.
 * @param truth 1 for positives, 0 for negatives
 * @param scores higher for positives
 * @param people person of each image; without it, all are distinct
 */
export function aucInterval(
  truth: ArrayLike<number>,
  scores: ArrayLike<number>,
  people?: readonly unknown[],
): Interval | undefined {
  const groups = groupsOf(truth.length, people);
  const { auc } = rocCurve(truth, scores), pairs = pairsOf(truth, groups);
  if (groups.length < MIN_COUNT || Number.isNaN(auc)) return undefined;
  // A bootstrap of one positive would vary by the negatives alone.
  return auc === 0 || auc === 1 || pairs < MIN_COUNT
    ? toInterval("wilson", wilson(auc, pairs), groups.length, truth.length)
    : bootstrapAuc([resampledAuc(truth, scores, groups)], groups.length, truth.length);
}

/**
 * Computes the interval of the mean AUC of several classes, each against the rest, as `aucInterval`, but
 * Wilson's only for 0 and 1. Undefined where a class has too few units; a resample that lacks one is
 * drawn again.
 * @param truth class index of each image
 * @param probabilities of the classes, for each image
 */
export function meanAucInterval(
  truth: ArrayLike<number>,
  probabilities: readonly ArrayLike<number>[],
  classes: number,
  people?: readonly unknown[],
): Interval | undefined {
  const groups = groupsOf(truth.length, people);
  const scores = Array.from({ length: classes }, (_, c) => probabilities.map((row) => row[c]));
  if (groups.length < MIN_COUNT || scores.flat().some(Number.isNaN)) return undefined;
  const present = [...scores.keys()].filter((c) => Array.from(truth).includes(c));
  const labels = present.map((c) => Array.from(truth, (label) => Number(label === c)));
  const areas = present.map((c, i) => resampledAuc(labels[i], scores[c], groups));
  const counts = labels.map((own) => pairsOf(own, groups));
  const once = new Int32Array(groups.length).fill(1), value = mean(areas.map((area) => area(once)));
  if (value === 0 || value === 1) {
    return toInterval("wilson", wilson(value, Math.min(...counts)), groups.length, truth.length);
  }
  if (areFew(counts, groups.length)) return undefined;
  return bootstrapAuc(areas, groups.length, truth.length);
}

/**
 * Returns the number of disjoint pairs of a positive and a negative. An AUC of 0 or 1, or of few pairs,
 * is a share of them, with a Wilson interval: its resamples would be equal, or nearly so.
 */
function pairsOf(truth: ArrayLike<number>, groups: readonly (readonly number[])[]): number {
  return Math.min(
    ...[0, 1].map((one) => groups.filter((group) => group.some((i) => truth[i] === one)).length),
  );
}

/** Computes the interval of the mean of areas, over resamples of the sampling units of n images. */
function bootstrapAuc(
  areas: readonly ((times: Int32Array) => number)[],
  units: number,
  n: number,
): Interval {
  const times = new Int32Array(units);
  const means = bootstrap(units, (drawn) => {
    times.fill(0);
    for (const unit of drawn) times[unit]++;
    return mean(areas.map((area) => area(times)));
  });
  return toInterval("bootstrap", percentileInterval(means), units, n);
}

/** Returns the AUC as a function of how often each group occurs. */
function resampledAuc(
  truth: ArrayLike<number>,
  scores: ArrayLike<number>,
  groups: readonly (readonly number[])[],
): (times: Int32Array) => number {
  const groupOf = new Int32Array(truth.length);
  groups.forEach((group, g) => group.forEach((i) => groupOf[i] = g));
  const order = Array.from(truth, (_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const owner = Int32Array.from(order, (i) => groupOf[i]);
  const positive = Uint8Array.from(order, (i) => Number(truth[i] === 1));
  // Equal scores end here; NaN is not equal to itself.
  const ties = order.map((_, at) => at + 1)
    .filter((end) => scores[order[end - 1]] !== scores[order[end]]);
  const none = ties.map((end, tie) => !positive.subarray(ties[tie - 1] ?? 0, end).includes(1));
  // Negatives without a positive between them are counted at once.
  const ends = ties.filter((_, tie) => !none[tie] || !none[tie + 1]);
  return (times) => {
    // Counts the pairs in which the positive scores higher, and half of the ties.
    let [at, above, hits, alarms, area] = [0, 0, 0, 0, 0];
    for (const end of ends) {
      let negatives = 0;
      for (; at < end; at++) {
        const weight = times[owner[at]];
        if (positive[at]) hits += weight;
        else negatives += weight;
      }
      area += negatives * (above + hits) / 2;
      above = hits;
      alarms += negatives;
    }
    return area / (hits * alarms);
  };
}
