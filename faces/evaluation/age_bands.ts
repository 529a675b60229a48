/** Errors of predicted ages by age band. */
import {
  type Interval,
  meanIntervalOfEnough,
} from "../../packages/statistics/confidence_intervals.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";

/** Errors in one band of true ages. */
export interface AgeBand {
  /** First and last age of the band. */
  from: number;
  to: number;
  /** Number of images whose true age is in the band. */
  count: number;
  /** MAE, years. Its interval is undefined where there are too few images or people. */
  mae: number;
  interval?: Interval;
  /** Mean of prediction - truth, years: positive values overestimate. */
  bias: number;
  biasInterval?: Interval;
  /** MAE of the constant baseline, years. */
  guessMae: number;
}

/**
 * Computes errors in bands of true ages, each `width` years wide. Omits empty bands.
 * @param baseline age that the constant baseline predicts
 * @param people person of each image; without it, all are distinct
 */
export function errorByAgeBand(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  baseline: number,
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
    const identities = people && members.map((i) => people[i]);
    const interval = meanIntervalOfEnough(errors, identities);
    const biasInterval = meanIntervalOfEnough(signed, identities);
    return {
      from,
      to: from + width - 1,
      count: members.length,
      mae: mean(errors),
      ...(interval && { interval }),
      bias: mean(signed),
      ...(biasInterval && { biasInterval }),
      guessMae: mean(members.map((i) => Math.abs(baseline - truth[i]))),
    };
  });
}
