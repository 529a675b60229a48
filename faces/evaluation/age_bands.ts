/** How far off ages are, by true age. */
import {
  type Interval,
  meanIntervalOfEnough,
} from "../../packages/statistics/confidence_intervals.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";

/** How well the ages of people of about one age are predicted. */
export interface AgeBand {
  /** First and last age of the band. */
  from: number;
  to: number;
  /** Pictures whose true age is in the band. */
  count: number;
  /** Mean absolute error, years; its interval is left out where there are too few to tell. */
  mae: number;
  interval?: Interval;
  /** Mean of prediction - truth, years: above 0, people are taken for older than they are. */
  bias: number;
  biasInterval?: Interval;
  /** The mean absolute error of guessing the same age for all, years. */
  guessMae: number;
}

/**
 * The error in bands of true ages, `width` years each, from the lowest that anybody is in. A band
 * with nobody in it is left out.
 * @param guess the one age that the guess says for all
 * @param people who is in each picture; none means that all are different
 */
export function errorByAgeBand(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  guess: number,
  people?: readonly unknown[],
  width = 10,
): AgeBand[] {
  const bands = Map.groupBy(
    Array.from(truth, (_, i) => i),
    (i) => Math.floor(truth[i] / width) * width,
  );
  return [...bands].sort(([a], [b]) => a - b).map(([from, members]) => {
    const signed = members.map((i) => prediction[i] - truth[i]);
    const errors = signed.map(Math.abs);
    const who = people && members.map((i) => people[i]);
    const interval = meanIntervalOfEnough(errors, who);
    const biasInterval = meanIntervalOfEnough(signed, who);
    return {
      from,
      to: from + width - 1,
      count: members.length,
      mae: mean(errors),
      ...(interval && { interval }),
      bias: mean(signed),
      ...(biasInterval && { biasInterval }),
      guessMae: mean(members.map((i) => Math.abs(guess - truth[i]))),
    };
  });
}
