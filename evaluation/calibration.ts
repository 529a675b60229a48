/** Whether probabilities mean what they say: of all that are told with 80 %, 80 % should be so. */

export interface CalibrationBin {
  /** The bin holds probabilities above `from` and up to `to`; the first holds 0 as well. */
  from: number;
  to: number;
  count: number;
  /** Mean of the probabilities in it, and how often what they speak of is so; null without any. */
  said: number | null;
  true: number | null;
}

export interface Calibration {
  /** Mean squared difference of probability and truth: 0 is perfect, 0.25 is always saying 1/2. */
  brier: number;
  /** Expected calibration error: mean of |said - true| of the bins, each with its count as weight. */
  ece: number;
  bins: CalibrationBin[];
}

/**
 * Reliability of probabilities, in bins of equal width.
 * G. Brier (1950); M. Naeini et al. (2015), Obtaining well calibrated probabilities using Bayesian
 * binning, (3).
 * @param truth 1 for each event that is so, 0 for each that is not
 * @param probabilities that it is so, 0 to 1
 */
export function calibration(
  truth: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  width = 0.1,
): Calibration {
  const count = Math.round(1 / width);
  const sums = Array.from({ length: count }, () => ({ count: 0, said: 0, true: 0 }));
  let squares = 0;
  for (let i = 0; i < truth.length; i++) {
    const p = probabilities[i];
    // The bin whose upper border is the first that is not below p.
    const bin = sums[Math.max(0, Math.min(count - 1, Math.ceil(p * count) - 1))];
    bin.count++;
    bin.said += p;
    bin.true += truth[i];
    squares += (p - truth[i]) ** 2;
  }
  const bins = sums.map((bin, i): CalibrationBin => ({
    from: i / count,
    to: (i + 1) / count,
    count: bin.count,
    said: bin.count === 0 ? null : bin.said / bin.count,
    true: bin.count === 0 ? null : bin.true / bin.count,
  }));
  const ece = sums.reduce((sum, bin) => sum + Math.abs(bin.said - bin.true), 0) / truth.length;
  return { brier: squares / truth.length, ece, bins };
}
