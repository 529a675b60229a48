/** Calibration of probabilities: reliability bins, Brier score, expected calibration error. */
import { accuracyInterval, type Interval, meanInterval } from "./confidence_intervals.ts";
import { mean, signedErrors } from "./prediction_metrics.ts";

/** One bin of a reliability diagram. */
export interface CalibrationBin {
  /** The bin covers probabilities in (from, to]; the first also includes 0. */
  from: number;
  to: number;
  count: number;
  /** Mean predicted probability, and observed frequency; null if the bin is empty. */
  said: number | null;
  true: number | null;
  /** Confidence interval of `true`. */
  interval?: Interval;
}

const BINS = 10;

/** Calibration metrics. */
export interface Calibration {
  /** Brier score: mean squared error of the probabilities. A constant 0.5 scores 0.25. */
  brier: number;
  brierInterval?: Interval | undefined;
  /**
   * Expected calibration error: mean of |predicted - observed| over the bins, weighted by count. It has no
   * interval, because sampling error biases it upwards; the bins have intervals.
   */
  ece: number;
  bins: CalibrationBin[];
}

/**
 * Computes the calibration of probabilities, in ten bins of equal width.
 * G. Brier (1950); M. Naeini et al. (2015), Obtaining well calibrated probabilities using Bayesian
 * binning, (3).
 * @param truth 1 for positives, 0 for negatives
 * @param probabilities predicted probabilities of a positive
 * @param people person of each image; without it, all are distinct
 * @throws {RangeError} if a probability is NaN, or there are more of one than of the other
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const { brier } = calibration([1, 0, 1, 0], [0.9, 0.2, 0.8, 0.1]);
 * assert.equal(brier.toFixed(3), "0.025");
 * ```
 */
export function calibration(
  truth: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  people?: readonly unknown[],
): Calibration {
  const squares = signedErrors(truth, probabilities).map((gap) => gap ** 2);
  if (squares.some(Number.isNaN)) throw new RangeError("Cannot bin probabilities that are NaN.");
  const inBins = Array.from({ length: BINS }, (): number[] => []);
  for (let i = 0; i < truth.length; i++) {
    // The first bin whose upper edge is not below the probability.
    inBins[Math.max(0, Math.min(BINS - 1, Math.ceil(probabilities[i] * BINS) - 1))].push(i);
  }
  const bins = inBins.map((members, i): CalibrationBin => {
    const place = { from: i / BINS, to: (i + 1) / BINS, count: members.length };
    if (members.length === 0) return { ...place, said: null, true: null };
    const labels = members.map((i) => truth[i]);
    return {
      ...place,
      said: mean(members.map((i) => probabilities[i])),
      true: mean(labels),
      interval: accuracyInterval(labels, people && members.map((i) => people[i])),
    };
  });
  const brierInterval = meanInterval(squares, people);
  // Empty bins count nothing.
  const gaps = bins.map(({ count, said, true: observed }) => count * Math.abs(said! - observed!));
  const ece = gaps.reduce((a, b) => a + b) / truth.length;
  return { brier: mean(squares), brierInterval, ece, bins };
}
