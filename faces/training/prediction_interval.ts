/**
 * Intervals of predicted numbers, by split-conformal prediction from the calibration set: of the age
 * distribution, if the network has one, else of absolute errors; and the probability below which
 * predicted classes are uncertain. Independent of TensorFlow.js.
 */
import { abstentionThreshold, conformalQuantile } from "../../packages/statistics/conformal.ts";
import { ageBins } from "./network_options.ts";

/** Computation of a model's intervals, in training.json. */
export interface PredictionInterval {
  /** Share of truths that are inside. */
  readonly level: number;
  /**
   * error: prediction ± margin. distribution: quantiles of the age distribution, widened by the margin
   * on both sides (Romano et al., "Conformalized quantile regression", 2019).
   */
  readonly of: "error" | "distribution";
  readonly margin: number;
  readonly images: number;
}

/** Probability of a predicted class below which it is uncertain, in training.json. */
export interface AbstentionThreshold {
  /** Maximum share of wrong predictions among the others. */
  readonly error: number;
  /** null: all are uncertain, as no probability kept the share. */
  readonly confidence: number | null;
  readonly images: number;
}

/** Chooses the threshold of predicted classes. @param probabilities of the classes, row by row */
export function chooseThreshold(
  probabilities: readonly ArrayLike<number>[],
  truth: readonly number[],
  error: number,
): AbstentionThreshold {
  const best = probabilities.map((row) => Math.max(...Array.from(row)));
  // The first of equal probabilities is predicted.
  const wrong = probabilities.map((row, i) =>
    Number(Array.from(row).indexOf(best[i]) !== truth[i])
  );
  const confidence = abstentionThreshold(best, wrong, error);
  return { error, confidence: confidence < Infinity ? confidence : null, images: truth.length };
}

/** Returns true if a class of this probability is uncertain. */
export function isUncertain({ confidence }: AbstentionThreshold, probability: number): boolean {
  return confidence === null || probability < confidence;
}

/** Probability of all intervals. */
const LEVEL = 0.9;

export interface Bounds {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Reads a prediction and its interval.
 * @param outputs the prediction, followed by the age distribution if the interval is of it
 */
export function boundsOf(
  { of, level, margin }: Pick<PredictionInterval, "of" | "level" | "margin">,
  outputs: ArrayLike<number>,
): Bounds {
  const value = outputs[0], [low, high] = rangeOf(outputs, of, level);
  // A negative margin may leave the prediction outside.
  return { value, low: Math.min(value, low - margin), high: Math.max(value, high + margin) };
}

/** Returns an interval without its margin: the prediction, or quantiles of the distribution. */
function rangeOf(
  outputs: ArrayLike<number>,
  of: PredictionInterval["of"],
  level: number,
): [low: number, high: number] {
  if (of === "error") return [outputs[0], outputs[0]];
  const shares = Array.from(outputs).slice(1);
  return [ageQuantile(shares, (1 - level) / 2), ageQuantile(shares, (1 + level) / 2)];
}

/** Returns a quantile of a distribution over the age bins, linear within a bin. */
function ageQuantile(shares: readonly number[], share: number): number {
  const step = ageBins[1] - ageBins[0];
  let below = 0;
  for (const [bin, part] of shares.entries()) {
    if (below + part >= share && part > 0) {
      return ageBins[bin] + step * ((share - below) / part - 0.5);
    }
    below += part;
  }
  return ageBins.at(-1)! + step / 2;
}

/**
 * Calibrates intervals.
 * @param outputs of the calibration set, row by row, as `boundsOf` reads them
 * @returns undefined with too few images
 */
export function calibrate(
  outputs: readonly ArrayLike<number>[],
  truth: readonly number[],
): PredictionInterval | undefined {
  const of = outputs[0]?.length > 1 ? "distribution" : "error";
  // Distance of the truth to the interval without a margin, negative inside.
  const scores = outputs.map((row, i) => {
    const [low, high] = rangeOf(row, of, LEVEL);
    return Math.max(low - truth[i], truth[i] - high);
  });
  const margin = conformalQuantile(scores, LEVEL);
  return Number.isFinite(margin) ? { level: LEVEL, of, margin, images: truth.length } : undefined;
}

export function rowsOf(outputs: Float32Array, rows: number): Float32Array[] {
  const each = outputs.length / rows;
  return Array.from({ length: rows }, (_, i) => outputs.subarray(i * each, (i + 1) * each));
}
