/** Ranks labels by how well out-of-fold predictions support them. */
import { mean, median } from "./prediction_metrics.ts";

/**
 * Returns the normalized margin of each label, from 0 (surely wrong) to 1: half of 1 + its probability
 * minus the largest of the other classes. C. Northcutt et al. (2021), Confident learning: estimating
 * uncertainty in dataset labels; as Cleanlab's `normalized_margin`. Without other classes, it is 1.
 * @param labels class of each image
 * @param probabilities of the classes, for each image, by a model that was not trained on it
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual([...normalizedMargins([0, 0], [[0.75, 0.25], [0.25, 0.75]])], [0.75, 0.25]);
 * ```
 */
export function normalizedMargins(
  labels: ArrayLike<number>,
  probabilities: readonly ArrayLike<number>[],
): Float64Array {
  return Float64Array.from(labels, (label, i) => {
    const others = Array.from(probabilities[i]).filter((_, c) => c !== label);
    return (1 + probabilities[i][label] - Math.max(0, ...others)) / 2;
  });
}

/** Images of similar predictions on each side that a number is compared with. */
const NEIGHBORS = 100;

/**
 * Returns the robust z-score of each number among the labels of images with similar predictions: its
 * distance from their median, in standard deviations by their median absolute deviation; by their mean
 * one where most labels are equal, as B. Iglewicz, D. Hoaglin (1993), How to detect and handle outliers.
 * It follows a bias and a spread that differ by prediction, as of ages.
 * @param predictions by a model that was not trained on the image
 */
export function residualScores(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
): Float64Array {
  const order = Array.from(predictions, (_, i) => i).sort((a, b) =>
    predictions[a] - predictions[b]
  );
  const scores = new Float64Array(order.length);
  order.forEach((i, at) => {
    const near = order.slice(Math.max(0, at - NEIGHBORS), at + NEIGHBORS + 1).map((j) => labels[j]);
    const center = median(near);
    const distances = near.map((label) => Math.abs(label - center));
    const spread = 1.4826 * median(distances) || 1.253314 * mean(distances);
    scores[i] = Math.abs(labels[i] - center) / (spread || 1);
  });
  return scores;
}
