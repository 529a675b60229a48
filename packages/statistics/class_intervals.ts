/** Confidence intervals of precision, recall and F1. */
import { accuracyInterval, type Interval } from "./confidence_intervals.ts";

/** Intervals of one class; undefined where the denominator is zero. */
export interface ClassIntervals {
  precision?: Interval;
  recall?: Interval;
  f1?: Interval;
}

/**
 * Computes intervals of a class's precision, recall and F1.
 * @param of index of the class
 * @param people person of each image; without it, all are distinct
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const { precision, recall } = classIntervals(1, [1, 1, 0], [1, 0, 0]);
 * assert.ok(precision!.high === 1 && recall!.low < 0.5);
 * ```
 */
export function classIntervals(
  of: number,
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  people?: readonly unknown[],
): ClassIntervals {
  const all = Array.from(truth, (_, i) => i);
  /** Computes the interval of the share of true positives among some images. */
  const shareOf = (among: (i: number) => boolean): Interval | undefined => {
    const some = all.filter(among);
    if (some.length === 0) return undefined;
    const hits = some.map((i) => truth[i] === of && prediction[i] === of ? 1 : 0);
    return accuracyInterval(hits, people && some.map((i) => people[i]));
  };
  const precision = shareOf((i) => prediction[i] === of);
  const recall = shareOf((i) => truth[i] === of);
  // F1 is not a share, but increases with one: with the Jaccard index J = TP / (TP + FP + FN),
  // F1 = 2J / (1 + J).
  const jaccard = shareOf((i) => truth[i] === of || prediction[i] === of);
  const f1 = (share: number) => 2 * share / (1 + share);
  return {
    ...(precision && { precision }),
    ...(recall && { recall }),
    ...(jaccard && { f1: { ...jaccard, low: f1(jaccard.low), high: f1(jaccard.high) } }),
  };
}
