/** The paired tests against SciPy's and statsmodels': see paired.py. */
import assert from "node:assert/strict";
import {
  compareErrors,
  compareHits,
  compareStatistics,
  holm,
  mcnemar,
  twoSided,
  wilcoxon,
} from "../../../packages/statistics/paired_tests.ts";
import { furtherMetrics, selectRows } from "../../../faces/training/further_metrics.ts";
import { close } from "./close.ts";
import expected from "./paired.json" with { type: "json" };

/** Equal but for rounding, however small both are. */
function relatively(actual: number, wanted: number, digits = 1e-9): void {
  assert.ok(Math.abs(actual - wanted) <= digits * Math.abs(wanted), `${actual} is not ${wanted}`);
}

Deno.test("mcnemar() agrees with statsmodels", () => {
  for (const { a, b, mcnemar: p } of expected.hits) relatively(mcnemar(a, b), p);
  for (const { onlyA, onlyB, mcnemar: p } of expected.counts) {
    const n = onlyA + onlyB;
    const a = Array.from({ length: n }, (_, i) => i < onlyA ? 1 : 0);
    relatively(mcnemar(a, a.map((hit) => 1 - hit)), p, 1e-7);
  }
  assert.equal(mcnemar([1, 0], [1, 0]), 1);
});

Deno.test("wilcoxon() agrees with SciPy, ties and zeros included", () => {
  for (const { differences, wilcoxon: p } of expected.errors) relatively(wilcoxon(differences), p);
  assert.equal(wilcoxon([0, 0]), 1);
});

Deno.test("twoSided() agrees with SciPy's normal distribution far into its tail", () => {
  for (const [z, p] of expected.normal) {
    relatively(twoSided(z!), p!);
    assert.equal(twoSided(-z!), twoSided(z!));
  }
});

Deno.test("holm() agrees with statsmodels", () => {
  for (const { p, corrected } of expected.holm) {
    holm(p).forEach((value, i) => relatively(value, corrected[i]!));
  }
});

Deno.test("compareErrors() finds the difference and SciPy's bootstrap interval of it", () => {
  for (const { a, b, difference, interval: [low, high], wilcoxon } of expected.errors) {
    const test = compareErrors(a, b);
    close(test.difference, difference, 1e-9);
    // 2,000 resamples against 100,000: the ends waver by some percent of the width.
    const width = high! - low!;
    close(test.interval.low, low!, 0.07 * width);
    close(test.interval.high, high!, 0.07 * width);
    assert.deepEqual([test.test, test.unit, test.pictures], ["bootstrap", "image", a.length]);
    relatively(test.wilcoxon!, wilcoxon);
    // The two ways of asking agree: the interval holds no 0 just where p is below 0.05.
    assert.equal(test.interval.low > 0 || test.interval.high < 0, test.p < 0.05);
  }
});

Deno.test("compareHits() takes McNemar's test, but resamples people where they repeat", () => {
  const [{ a, b, mcnemar: p }] = expected.hits as [typeof expected.hits[0]];
  const alone = compareHits(a, b);
  assert.deepEqual([alone.test, alone.unit], ["mcnemar", "image"]);
  relatively(alone.p, p);
  // Ten copies of each picture say no more than one of each does.
  const copies = <T>(values: readonly T[]) => Array.from({ length: 10 }, () => values).flat();
  const people = copies(a.map((_, i) => `person ${i}`));
  const copied = compareHits(copies(a), copies(b), people);
  assert.deepEqual([copied.test, copied.unit], ["bootstrap", "person"]);
  close(copied.difference, alone.difference, 1e-12);
  close(copied.interval.low, alone.interval.low, 1e-12);
  const fooled = compareHits(copies(a), copies(b));
  assert.ok(fooled.p < copied.p, `${fooled.p} is not below ${copied.p}`);
});

Deno.test("two models that say the same do not differ", () => {
  const same = compareHits([1, 0, 1], [1, 0, 1]);
  assert.deepEqual([same.difference, same.p, same.interval], [0, 1, { low: 0, high: 0 }]);
  assert.throws(() => compareHits([1], [1, 0]), /Cannot pair 1 values with 2/);
});

/*
 * Differences by NumPy 2 and scikit-learn 1, intervals of 20,000 resamples:
 * i = np.arange(300); truth = i * 7 % 10 % 2
 * a = (i * 37 % 101 / 101 + truth) / 2; b = (i * 53 % 103 / 103 + truth * 0.8) / 1.8
 * of = {"auc": lambda r, s: roc_auc_score(truth[r], s[r]),
 *       "f1": lambda r, s: f1_score(truth[r], s[r] > 0.5, average="macro"),
 *       "rmse": lambda r, s: np.sqrt(np.mean((s[r] - truth[r]) ** 2))}
 * draws = [rng.integers(0, 300, 300) for _ in range(20000)]
 * f(i, a) - f(i, b), np.percentile([f(r, a) - f(r, b) for r in draws], [2.5, 97.5])
 */
const SKLEARN = {
  auc: [0.017111111111111077, 0.00862, 0.02818],
  f1: [0.09333437038189318, 0.06013, 0.13001],
  rmse: [-0.020431981068229743, -0.04234, 0.00141],
};

Deno.test("compareStatistics() agrees with scikit-learn and NumPy, over people as well", () => {
  const all = Array.from({ length: 300 }, (_, i) => i);
  const truth = all.map((i) => i * 7 % 10 % 2);
  const models = [
    all.map((i) => ((i * 37 % 101) / 101 + truth[i]!) / 2),
    all.map((i) => ((i * 53 % 103) / 103 + truth[i]! * 0.8) / 1.8),
  ];
  const predictions = (scores: readonly number[], classes: number | undefined) => ({
    truth,
    classes,
    gender: truth,
    age: truth,
    prediction: classes ? scores.map((score) => Number(score > 0.5)) : scores,
    probabilities: scores.map((score) => [1 - score, score]),
  });
  for (const [name, [difference, low, high]] of Object.entries(SKLEARN)) {
    const { of, compute } = furtherMetrics.find((metric) => metric.name === name)!;
    const [a, b] = models.map((scores) => {
      const scored = predictions(scores, of === "classes" ? 2 : undefined);
      return (rows: ArrayLike<number>) => compute(selectRows(scored, rows), {});
    });
    const found = compareStatistics(300, a!, b!)!;
    close(found.difference, difference!, 1e-12);
    const width = high! - low!;
    close(found.interval.low, low!, 0.08 * width);
    close(found.interval.high, high!, 0.08 * width);
    assert.equal(found.p < 0.05, low! * high! > 0);
    assert.deepEqual(compareStatistics(300, a!, b!), found);
    const people = all.map((i) => `person ${i % 60}`);
    assert.equal(compareStatistics(300, a!, b!, people)!.unit, "person");
    assert.equal(compareStatistics(300, a!, b!, all.map((i) => i % 4)), undefined);
  }
});
