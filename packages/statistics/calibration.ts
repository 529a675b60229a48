/** Whether probabilities mean what they say: of all that are told with 80 %, 80 % should be so. */
import { accuracyInterval, type Interval, meanInterval } from "./confidence_intervals.ts";
import { mean } from "./prediction_metrics.ts";

export interface CalibrationBin {
  /** The bin holds probabilities above `from` and up to `to`; the first holds 0 as well. */
  from: number;
  to: number;
  count: number;
  /** Mean of the probabilities in it, and how often what they speak of is so; null without any. */
  said: number | null;
  true: number | null;
  /** Of `true`. */
  interval?: Interval;
}

export interface Calibration {
  /** Mean squared difference of probability and truth: 0 is perfect, 0.25 is always saying 1/2. */
  brier: number;
  brierInterval: Interval;
  /**
   * Expected calibration error: mean of |said - true| of the bins, each with its count as weight.
   * It has no interval: chance makes it larger, never smaller. What it is made of has: the bins.
   */
  ece: number;
  bins: CalibrationBin[];
}

/**
 * Reliability of probabilities, in bins of equal width.
 * G. Brier (1950); M. Naeini et al. (2015), Obtaining well calibrated probabilities using Bayesian
 * binning, (3).
 * @param truth 1 for each event that is so, 0 for each that is not
 * @param probabilities that it is so, 0 to 1
 * @param people who is in each picture; none means that all are different
 */
export function calibration(
  truth: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  people?: readonly unknown[],
  width = 0.1,
): Calibration {
  const count = Math.round(1 / width);
  const inBins = Array.from({ length: count }, (): number[] => []);
  for (let i = 0; i < truth.length; i++) {
    // The bin whose upper border is the first that is not below.
    inBins[Math.max(0, Math.min(count - 1, Math.ceil(probabilities[i] * count) - 1))].push(i);
  }
  const bins = inBins.map((members, i): CalibrationBin => {
    const place = { from: i / count, to: (i + 1) / count, count: members.length };
    if (members.length === 0) return { ...place, said: null, true: null };
    const so = members.map((i) => truth[i]);
    return {
      ...place,
      said: mean(members.map((i) => probabilities[i])),
      true: mean(so),
      interval: accuracyInterval(so, people && members.map((i) => people[i])),
    };
  });
  const squares = Float64Array.from(probabilities, (p, i) => (p - truth[i]) ** 2);
  const brierInterval = meanInterval(squares, people);
  const ece = bins.reduce(
    (sum, { count, said, true: so }) => count === 0 ? sum : sum + count * Math.abs(said! - so!),
    0,
  ) / truth.length;
  return { brier: mean(squares), brierInterval, ece, bins };
}
