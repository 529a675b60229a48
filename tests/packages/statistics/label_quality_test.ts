/**
 * Ranks of labels against Cleanlab 2.9.0 and NumPy 2, computed once with
 *
 *     labels = np.array([0, 1, 2, 2, 0, 1])
 *     p = np.array([[.7,.2,.1],[.6,.3,.1],[.1,.2,.7],[.5,.3,.2],[.34,.33,.33],[.05,.9,.05]])
 *     print(cleanlab.rank.get_label_quality_scores(labels, p, method="normalized_margin"))
 *     i = np.arange(300)
 *     pred = i * 7 % 61 + 10.0 + i / 1000
 *     lab = pred + i * i % 13 - 6; lab[17] += 40
 *     order = np.argsort(pred, kind="stable"); z = np.zeros(300)
 *     for at, k in enumerate(order):
 *         near = lab[order[max(0, at - 100):at + 101]]
 *         c = np.median(near); z[k] = abs(lab[k] - c) / (1.4826 * np.median(abs(near - c)))
 *     print(z[[0, 17, 100, 299]], z.argmax())
 */
import assert from "node:assert/strict";
import { normalizedMargins, residualScores } from "../../../packages/statistics/label_quality.ts";
import { close } from "./close.ts";

Deno.test("normalizedMargins() agrees with Cleanlab", () => {
  const probabilities = [
    ...[[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.5, 0.3, 0.2]],
    ...[[0.34, 0.33, 0.33], [0.05, 0.9, 0.05]],
  ];
  const scores = normalizedMargins([0, 1, 2, 2, 0, 1], probabilities);
  [0.75, 0.35, 0.75, 0.35, 0.505, 0.925].forEach((score, i) => close(scores[i], score, 1e-9));
});

Deno.test("normalizedMargins() of a single class are 1", () => {
  assert.deepEqual([...normalizedMargins([0, 0], [[1], [1]])], [1, 1]);
});

Deno.test("residualScores() takes the mean deviation where most labels are equal", () => {
  // d / (1.253314 * np.abs(lab - 30).mean()), as the median deviation is 0.
  const labels = [30, 30, 30, 30, 31, 30, 30, 30, 30, 30, 50];
  const scores = residualScores(labels, labels.map((_, i) => i));
  const spread = 1.253314 * 21 / 11;
  assert.deepEqual([scores[0], scores[4], scores[10]], [0, 1 / spread, 20 / spread]);
  assert.deepEqual([...residualScores([30, 30], [1, 2])], [0, 0]);
});

Deno.test("residualScores() agrees with NumPy and finds the moved label", () => {
  const all = Array.from({ length: 300 }, (_, i) => i);
  const predictions = all.map((i) => i * 7 % 61 + 10 + i / 1000);
  const labels = predictions.map((age, i) => age + i * i % 13 - 6 + (i === 17 ? 40 : 0));
  const scores = residualScores(labels, predictions);
  const expected = { 0: 2.6204, 17: 6.26181, 100: 0.12393, 299: 0.398296 };
  for (const [i, score] of Object.entries(expected)) close(scores[+i], score, 1e-5);
  assert.equal(scores.indexOf(Math.max(...scores)), 17);
});
