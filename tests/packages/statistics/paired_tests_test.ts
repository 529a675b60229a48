/** The paired tests against SciPy's and statsmodels': see paired.py. */
import assert from "node:assert/strict";
import {
  compareErrors,
  compareHits,
  compareSettings,
  compareSettingStatistics,
  compareStatistics,
  holm,
  mcnemar,
  twoSided,
  wilcoxon,
} from "../../../packages/statistics/paired_tests.ts";
import { furtherMetrics, selectRows } from "../../../faces/training/further_metrics.ts";
import { mean } from "../../../packages/statistics/prediction_metrics.ts";
import { random } from "../../../packages/random/random.ts";
import { rounds } from "../../rounds.ts";
import { rejects } from "../../settings_rates.ts";
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

Deno.test("twoSided() agrees with SciPy's Student distribution", () => {
  for (const [t, freedom, p] of expected.student) relatively(twoSided(t!, freedom), p!, 1e-6);
});

Deno.test("compareSettings() agrees with the covariances of Obuchowski and Rockette", () => {
  for (const { a, b, people, difference, interval, p, welch } of expected.settings) {
    const test = compareSettings([a, b], people ?? undefined);
    close(test.difference, difference);
    close(test.interval.low, interval[0]!, 1e-7);
    close(test.interval.high, interval[1]!, 1e-7);
    relatively(test.p, p, 1e-7);
    if (welch !== null) relatively(test.p, welch, 1e-7);
    const unit = people ? "person" : "image";
    assert.deepEqual([test.test, test.unit, test.pictures], ["t", unit, a[0]!.length]);
    // Either order of settings is one test.
    relatively(compareSettings([b, a], people ?? undefined).p, test.p, 1e-7);
  }
});

Deno.test("compareSettingStatistics() of a mean is compareSettings(), by person as well", () => {
  for (const { a, b, people } of expected.settings) {
    const shares = [a, b].map((seeds) =>
      seeds.map((scores) => (rows: ArrayLike<number>) =>
        mean(Array.from(rows, (row) => scores[row]!))
      )
    );
    const test = compareSettings([a, b], people ?? undefined);
    const same = compareSettingStatistics(a[0]!.length, shares, people ?? undefined)!;
    relatively(same.p, test.p, 1e-7);
    close(same.interval.low, test.interval.low, 1e-9);
    assert.deepEqual([same.unit, same.pictures], [test.unit, test.pictures]);
  }
  const none = [[() => NaN, () => 1], [() => 1, () => 1]];
  assert.equal(compareSettingStatistics(20, none), undefined);
});

Deno.test("tests of equal settings reject at their level, and find a difference", () => {
  const one = { seeds: [3, 3], images: 100, deviation: [0.05, 0.05] } as const;
  for (const test of ["t test of hits", "t test of AUC", "t test of median error"] as const) {
    const draws = rounds(120), rate = rejects(test, one, draws);
    assert.ok(rate < 0.05 + 4 * Math.sqrt(0.05 * 0.95 / draws), `${test} ${rate}`);
    assert.ok(rejects(test, { ...one, gain: 1 }, 20) > rate);
  }
});

Deno.test("compareSettings() takes differences of seeds with test sets of their own", () => {
  const [{ a, b }] = expected.settings as [typeof expected.settings[0]];
  const n = a[0]!.length, gap = NaN;
  const differences = a.map((scores, s) => scores.map((score, i) => score - b[s]![i]!));
  // A paired t test over seeds: the means of disjoint test sets vary as their images do.
  const disjoint = differences.map((
    one,
    s,
  ) => [...Array<number>(s * n).fill(gap), ...one, ...Array<number>((2 - s) * n).fill(gap)]);
  const apart = compareSettings([disjoint]);
  close(apart.difference, compareSettings([differences]).difference);
  assert.equal(apart.pictures, 3 * n);
  const means = differences.map((one) => one.reduce((x, y) => x + y) / n);
  const spread = Math.hypot(...means.map((one) => one - apart.difference)) / Math.sqrt(6);
  relatively(apart.p, twoSided(apart.difference / spread, 2), 1e-3);
});

Deno.test("compareSettings() takes the variance of images where seeds have equally many hits", () => {
  const hits = (wrong: number) => Array.from({ length: 30 }, (_, i) => i === wrong ? 0 : 1);
  const test = compareSettings([[hits(1), hits(2), hits(3)], [hits(30), hits(30), hits(30)]]);
  assert.ok(test.p > 0.05 && test.interval.low < 0 && test.interval.high > 0, JSON.stringify(test));
  const same = compareSettings([[[1, 1], [1, 1]], [[1, 1], [1, 1]]]);
  assert.deepEqual([same.difference, same.p, same.interval], [0, 1, { low: 0, high: 0 }]);
  const apart = compareSettings([[[1, 1], [1, 1]], [[0, 0], [0, 0]]]);
  assert.deepEqual([apart.difference, apart.p], [1, 0]);
});

Deno.test("compareSettings() rejects equal settings at its level, unlike tests of single models", () => {
  const rng = random(7, "settings");
  const trials = rounds(400);
  let rejected = 0, single = 0;
  for (let trial = 0; trial < trials; trial++) {
    const faces = Array.from({ length: 100 }, () => 1 + rng.normal());
    const seeds = () => {
      const skill = rng.normal() * 0.2;
      return faces.map((face) => Number(face + skill + 0.5 * rng.normal() > 0));
    };
    const [a, b] = [0, 1].map(() => Array.from({ length: 3 }, seeds)) as [number[][], number[][]];
    if (compareSettings([a, b]).p < 0.05) rejected++;
    if (mcnemar(a[0]!, b[0]!) < 0.05) single++;
  }
  const [level, alone] = [rejected / trials, single / trials];
  assert.ok(level < 0.1 && alone > level, `${level}, single models ${alone}`);
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

Deno.test("a plain difference has the p-value of a paired t test, far below that of one resample", () => {
  const rng = random(3, "plain"), n = 400;
  const a = Array.from({ length: n }, () => 5 + rng.next() * 4), b = a.map((value) => value - 1);
  const c = b.map((value) => value + (rng.next() - 0.5) * 6);
  const differences = a.map((value, i) => value - c[i]!), center = mean(differences);
  const squares = differences.map((value) => (value - center) ** 2);
  const deviation = Math.sqrt(squares.reduce((sum, one) => sum + one) / (n - 1) / n);
  const { p } = compareErrors(a, c), student = twoSided(center / deviation, n - 1);
  assert.ok(
    student < 1e-20 && Math.abs(Math.log(p) / Math.log(student) - 1) < 0.1,
    `${p} ${student}`,
  );
  // Differences that are all equal have no deviation.
  assert.equal(compareErrors(a, b).p, 2 / 2001);
});

Deno.test("p-values of few images are those of SciPy's t test, and of one image there is none", () => {
  const zeros = (n: number) => new Array<number>(n).fill(0);
  // ttest_1samp(..., 0)
  for (
    const [errors, p] of [[[2, 3, 1, 4, 2], 0.00926], [[3, -1, 2, 4, 1, 0, 2, 5], 0.02546]] as const
  ) {
    relatively(compareErrors(errors, zeros(errors.length)).p, p, 0.15);
  }
  assert.equal(compareErrors([9], [1]).p, 1);
  const rng = random(5, "few"), trials = rounds(400);
  const errors = () => Array.from({ length: 5 }, () => Math.abs(20 * rng.normal()));
  const rejected = Array.from({ length: trials }, () => compareErrors(errors(), errors()).p)
    .filter((p) => p < 0.05).length;
  assert.ok(rejected / trials < 0.05 + 4 * Math.sqrt(0.05 * 0.95 / trials), `${rejected}`);
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

Deno.test("tests of means over groups take resamples with all of them, and none of few images", () => {
  // 13 % of plain resamples lack one of 20 groups of five.
  const groups = Array.from({ length: 100 }, (_, i) => i % 20), few = groups.with(0, 1);
  const size = (rows: ArrayLike<number>) => new Set(Array.from(rows, (i) => groups[i])).size;
  const none = () => 0;
  assert.equal(compareStatistics(100, size, none)!.interval.low, 19);
  assert.equal(compareStatistics(100, size, none, undefined, groups)!.interval.low, 20);
  assert.equal(compareStatistics(100, size, none, undefined, few), undefined);
  const seeds = [[size, size, size], [none, none, none]];
  assert.equal(compareSettingStatistics(100, seeds, undefined, groups)!.difference, 20);
  assert.equal(compareSettingStatistics(100, seeds, undefined, few), undefined);
});

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
