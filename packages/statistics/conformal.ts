/** Conformal prediction: intervals that contain the truth with a stated probability. */

/**
 * Returns the split-conformal quantile of n scores: the ⌈(n + 1) level⌉-th smallest. The score of a new
 * exchangeable observation is at most this with a probability of at least `level`. Vovk et al.,
 * "Algorithmic Learning in a Random World" (2005).
 * @returns Infinity with too few scores
 */
export function conformalQuantile(scores: ArrayLike<number>, level: number): number {
  // Rounding errors of the product do not raise the rank.
  const rank = Math.ceil((scores.length + 1) * level - 1e-9);
  return rank > scores.length ? Infinity : Float64Array.from(scores).sort()[rank - 1]!;
}

/** Accuracy if predictions of a lower confidence are withheld. */
export interface RiskPoint {
  /** Lowest confidence that is kept. */
  readonly confidence: number;
  /** Share of predictions that is kept. */
  readonly coverage: number;
  /** Share of the kept ones that is wrong. */
  readonly risk: number;
}

/**
 * Returns the risk-coverage curve, from the most confident prediction on, and the area under it: the
 * mean risk over all coverages. Equal confidences are withheld together. Geifman and El-Yaniv,
 * "Selective classification for deep neural networks" (2017).
 */
export function riskCoverage(
  confidences: ArrayLike<number>,
  wrong: ArrayLike<number>,
): { points: RiskPoint[]; aurc: number } {
  const order = Array.from(confidences, (_, i) => i)
    .sort((a, b) => confidences[b]! - confidences[a]!);
  const n = order.length, points: RiskPoint[] = [];
  let errors = 0, area = 0, from = 0;
  for (const [k, i] of order.entries()) {
    errors += wrong[i]!;
    const confidence = confidences[i]!;
    if (k + 1 < n && confidences[order[k + 1]!] === confidence) continue;
    const risk = errors / (k + 1);
    points.push({ confidence, coverage: (k + 1) / n, risk });
    area += risk * (k + 1 - from);
    from = k + 1;
  }
  return { points, aurc: area / n };
}

/**
 * Returns the lowest confidence from which on at most a share of the predictions is wrong, with one wrong
 * prediction added to those seen, as in conformal risk control (Angelopoulos et al. 2022). Choosing among
 * all confidences makes it no guarantee: measure the share on other data.
 * @returns Infinity if there is none
 */
export function abstentionThreshold(
  confidences: ArrayLike<number>,
  wrong: ArrayLike<number>,
  share: number,
): number {
  return riskCoverage(confidences, wrong).points.findLast(({ coverage, risk }) => {
    const kept = coverage * confidences.length;
    return risk * kept + 1 <= share * (kept + 1) + 1e-9;
  })?.confidence ?? Infinity;
}
