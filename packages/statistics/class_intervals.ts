/** Intervals of how well one class is told from the others. */
import { accuracyInterval, type Interval } from "./confidence_intervals.ts";

/** Each is left out where there is nothing that it is a share of. */
export interface ClassIntervals {
  precision?: Interval;
  recall?: Interval;
  f1?: Interval;
}

/**
 * Intervals of a class's precision, recall and F1.
 * @param people who is in each picture; none means that all are different
 */
export function classIntervals(
  of: number,
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  people?: readonly unknown[],
): ClassIntervals {
  const all = Array.from(truth, (_, i) => i);
  /** Of the share of those who are of the class, and were taken for it, among some pictures. */
  const shareOf = (among: (i: number) => boolean): Interval | undefined => {
    const some = all.filter(among);
    if (some.length === 0) return undefined;
    const right = some.map((i) => truth[i] === of && prediction[i] === of ? 1 : 0);
    return accuracyInterval(right, people && some.map((i) => people[i]));
  };
  const precision = shareOf((i) => prediction[i] === of);
  const recall = shareOf((i) => truth[i] === of);
  // F1 is no share, but rises with one: with Jaccard's index J, of all that are of the class or were
  // taken for it, F1 is 2J / (1 + J).
  const jaccard = shareOf((i) => truth[i] === of || prediction[i] === of);
  const f1 = (share: number) => 2 * share / (1 + share);
  return {
    ...(precision && { precision }),
    ...(recall && { recall }),
    ...(jaccard && { f1: { ...jaccard, low: f1(jaccard.low), high: f1(jaccard.high) } }),
  };
}
