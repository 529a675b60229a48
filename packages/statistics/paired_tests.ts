/**
 * Paired significance tests of two models, or of two settings with several models each, on the same
 * images. They have more power than comparing two confidence intervals.
 */
import { random } from "@reproducible/random/random";
import {
  bootstrapMeans,
  groupsOf,
  type Interval,
  percentileInterval,
  samplingOf,
  SEED,
  type Statistic,
} from "./confidence_intervals.ts";
import { mean, recalls, signedErrors } from "./prediction_metrics.ts";

/** Result of a paired test of two models, a and b. */
export interface PairedTest {
  /** Number of images in both test sets. */
  readonly pictures: number;
  /** Sampling unit, assumed independent. */
  readonly unit: Interval["unit"];
  /** Metric of a minus metric of b. */
  readonly difference: number;
  /** 95 % interval of the difference: of settings by t, else a bootstrap over images or people. */
  readonly interval: { readonly low: number; readonly high: number };
  readonly test: "mcnemar" | "bootstrap" | "t";
  /** Two-sided p-value. */
  readonly p: number;
  /** Ages only: p-value of the Wilcoxon signed-rank test. */
  readonly wilcoxon?: number;
}

/**
 * Compares two classifiers.
 * @param a 1 for each correct prediction of a, else 0
 * @param b 1 for each correct prediction of b, else 0
 * @param people person of each image; without it, all are distinct
 * @throws {RangeError} without values, or if one is NaN, which resamples may lack
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const { difference, p, test } = compareHits([1, 1, 1, 0], [1, 0, 0, 0]);
 * assert.deepEqual([difference, p, test], [0.5, 0.5, "mcnemar"]);
 * ```
 */
export function compareHits(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  people?: readonly unknown[],
): PairedTest {
  const test = comparePairs(a, b, people);
  // McNemar's test assumes independent images, which images of one person are not.
  return test.unit === "person" ? test : { ...test, test: "mcnemar", p: mcnemar(a, b) };
}

/**
 * Compares two age models by their absolute errors in years.
 * @param people person of each image; without it, all are distinct
 * @throws {RangeError} without values, or if one is NaN, which resamples may lack
 */
export function compareErrors(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  people?: readonly unknown[],
): PairedTest {
  const test = comparePairs(a, b, people);
  if (test.unit === "person") return test;
  // Rounded to 1e-9 years, so that equal differences tie despite rounding errors.
  const differences = signedErrors(b, a).map((value) => Math.round(value * 1e9) / 1e9);
  return { ...test, wilcoxon: wilcoxon(differences) };
}

/**
 * Compares two models by any statistic of their predictions, by a paired percentile bootstrap.
 * Returns undefined with fewer than five images or people, for too small `groups`, and for NaN.
 * @param n number of images
 * @param a computes the statistic of model a from indices of images, which may repeat; b likewise
 * @param people person of each image; without it, all are distinct
 * @param groups class or group of each image, of a mean over these; see `statisticInterval`
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const of = (errors: number[]) => (rows: ArrayLike<number>) =>
 *   Math.max(...Array.from(rows, (i) => errors[i]));
 * const test = compareStatistics(5, of([3, 1, 4, 1, 5]), of([1, 0, 2, 0, 2]));
 * assert.deepEqual([test!.difference, test!.interval.high], [3, 3]);
 * ```
 */
export function compareStatistics(
  n: number,
  a: Statistic,
  b: Statistic,
  people?: readonly unknown[],
  groups?: ArrayLike<unknown>,
): PairedTest | undefined {
  const sampling = samplingOf(n, people, groups);
  const statistic: Statistic = (rows) => a(rows) - b(rows);
  const difference = sampling ? statistic(sampling.rows) : NaN;
  if (!sampling || Number.isNaN(difference)) return undefined;
  return paired(difference, sampling.resample(statistic), sampling.units.length, n);
}

/**
 * Returns the balanced accuracy of a classifier, if it is significantly better than that of a constant
 * prediction: 1 / classes, of those that occur.
 * @param people person of each image; without it, all are distinct
 */
export function betterBalanced(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  people?: readonly unknown[],
): { value: number; baseline: number } | undefined {
  const of = (rows?: ArrayLike<number>) => recalls(truth, prediction, rows);
  const constant = (rows?: ArrayLike<number>) => 1 / of(rows).length;
  const test = compareStatistics(truth.length, (rows) => mean(of(rows)), constant, people);
  return significantSign(test) > 0 ? { value: mean(of()), baseline: constant() } : undefined;
}

/** Significance level of `significantSign`. */
export const ALPHA = 0.05;

/** Returns 1 or -1, the sign of a significant difference (p < 0.05); 0 if it is not, or is undefined. */
export function significantSign(test: Pick<PairedTest, "difference" | "p"> | undefined): number {
  return test && test.p < ALPHA ? Math.sign(test.difference) : 0;
}

/**
 * Compares two settings, each trained with two or more seeds. Seeds and images are random samples, as
 * readers and cases are in radiology, where this t test is usual: S. L. Hillis (2014), A marginal-mean
 * ANOVA approach for analyzing multireader multicase radiological imaging data. Its variance is that
 * between seeds, plus that between images beyond the noise of single predictions, which is in both;
 * degrees of freedom are Welch's. Tests of single models omit the first: X. Bouthillier et al. (2021),
 * Accounting for variance in machine learning benchmarks. A bootstrap of 3 seeds has 2/3 of their
 * variance, and no t distribution: its intervals are too narrow.
 * @param samples for each setting, for each seed, the score of each image; NaN where it is in no
 *   test set of the seed. A single sample holds differences of pairs of models
 * @param people person of each image; without it, all are distinct
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const a = [[1, 1, 1, 0, 1], [1, 1, 1, 1, 0]], b = [[0, 1, 0, 0, 1], [0, 0, 1, 0, 1]];
 * const { difference, p } = compareSettings([a, b]);
 * assert.deepEqual([difference.toFixed(1), p.toFixed(2)], ["0.4", "0.10"]);
 * ```
 */
export function compareSettings(
  samples: readonly (readonly ArrayLike<number>[])[],
  people?: readonly unknown[],
): PairedTest {
  const pictures = samples[0][0].length, groups = groupsOf(pictures, people);
  const parts = samples.map((seeds) =>
    seeds.map((scores) => {
      const known = Array.from(scores).filter((score) => !Number.isNaN(score)), value = mean(known);
      const influences = groups.map((group) =>
        group.reduce((sum, i) => sum + (scores[i] - value || 0), 0) / known.length
      );
      return { value, influences };
    })
  );
  return crossed(parts, groups.length, pictures);
}

/** Blocks of images at most that are left out in turn. */
const MAX_BLOCKS = 100;

/**
 * Compares two settings by any statistic of predictions, as `compareSettings`, with the variance between
 * images by the jackknife: blocks of images, or of people, are left out in turn. Returns undefined as
 * `compareStatistics`, and where a block has all of a group.
 * @param n number of images
 * @param samples for each setting, for each seed, computes the statistic from indices of images
 * @param people person of each image; without it, all are distinct
 * @param groups class or group of each image, of a mean over these; see `statisticInterval`
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const scores = [[[1, 1, 1, 0, 1], [1, 1, 1, 1, 0]], [[0, 1, 0, 0, 1], [0, 0, 1, 0, 1]]];
 * const shares = scores.map((seeds) =>
 *   seeds.map((hits) => (rows: ArrayLike<number>) =>
 *     Array.from(rows, (i) => hits[i]).reduce((a, b) => a + b) / rows.length
 *   )
 * );
 * const { p } = compareSettingStatistics(5, shares)!;
 * assert.equal(p.toFixed(9), compareSettings(scores).p.toFixed(9));
 * ```
 */
export function compareSettingStatistics(
  n: number,
  samples: readonly (readonly Statistic[])[],
  people?: readonly unknown[],
  groups?: ArrayLike<unknown>,
): PairedTest | undefined {
  const sampling = samplingOf(n, people, groups);
  if (!sampling) return undefined;
  const { units, rows: all, complete } = sampling;
  const order = random(SEED, "jackknife").shuffle([...units.keys()]);
  const blocks = Map.groupBy(order, (_, i) => i % MAX_BLOCKS).values().map((own) => {
    const left = new Set(own.flatMap((unit) => units[unit]));
    return all.filter((i) => !left.has(i));
  }).toArray();
  const parts = samples.map((seeds) =>
    seeds.map(complete).map((statistic) => {
      const value = statistic(all);
      const influences = blocks.map((rows) => (value - statistic(rows)) * rows.length / n);
      return { value, influences };
    })
  );
  const test = crossed(parts, units.length, n);
  return Number.isNaN(test.p) ? undefined : test;
}

/** @param parts of each setting, of each seed, the value and what each sampling unit adds to it */
function crossed(
  parts: readonly (readonly { value: number; influences: readonly number[] }[])[],
  units: number,
  pictures: number,
): PairedTest {
  /** Variance of a mean, of what each unit adds to its deviation. */
  const variance = (influences: readonly number[]) =>
    influences.reduce((sum, value) => sum + value * value, 0) * influences.length /
    (influences.length - 1);
  const all = parts.map((seeds, i) => {
    const freedom = seeds.length - 1, average = mean(seeds.map(({ value }) => value));
    const joint = seeds[0].influences.map((_, g) => mean(seeds.map((one) => one.influences[g])));
    const between = seeds.reduce((sum, { value }) => sum + (value - average) ** 2, 0) / freedom;
    const own = mean(seeds.map(({ influences }) => variance(influences)));
    const noise = (own - variance(joint)) / freedom, sign = i === 0 ? 1 : -1;
    return { sign, average, joint, freedom, noise, between: between / seeds.length };
  });
  const total = (of: (part: typeof all[0]) => number) =>
    all.reduce((sum, part) => sum + of(part), 0);
  const difference = total(({ sign, average }) => sign * average);
  const images = variance(all[0].joint.map((_, g) => total(({ sign, joint }) => sign * joint[g])));
  const seeds = total(({ between }) => between);
  const both = seeds + Math.max(0, images - total(({ noise }) => noise));
  // Few seeds may have equally many hits: without their variance, that of images remains.
  const whole = seeds > 1e-9 * images ? both : images;
  const freedom = whole ** 2 / total(({ between, freedom }) => between ** 2 / freedom);
  const deviation = Math.sqrt(whole), half = deviation === 0 ? 0 : deviation * criticalT(freedom);
  return {
    pictures,
    difference,
    test: "t",
    unit: units === pictures ? "image" : "person",
    interval: { low: difference - half, high: difference + half },
    p: deviation === 0 ? Number(difference === 0) : twoSided(difference / deviation, freedom),
  };
}

/**
 * Returns the t whose two-sided p-value is 0.05, by the secant method on its logarithm, which is concave.
 * @param freedom 1 or more
 */
function criticalT(freedom: number): number {
  const excess = (t: number) => Math.log(twoSided(t, freedom) / 0.05);
  let before = 13, t = 1.9, last = excess(before);
  while (Math.abs(t - before) > 1e-12 * t) {
    const now = excess(t);
    [before, t] = [t, now === last ? t : t - now * (t - before) / (now - last)];
    last = now;
  }
  return t;
}

/** Computes the mean difference of pairs, its bootstrap interval and its bootstrap p-value. */
function comparePairs(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  people?: readonly unknown[],
): PairedTest {
  if (a.length !== b.length) throw new Error(`Cannot pair ${a.length} values with ${b.length}`);
  const differences = signedErrors(b, a), difference = mean(differences), n = a.length;
  if (Number.isNaN(difference)) {
    throw new RangeError(`Cannot compare ${n} values: their mean is NaN`);
  }
  const groups = groupsOf(n, people);
  return paired(difference, bootstrapMeans(differences, groups), groups.length, n);
}

/** Number of sampling units below which the p-value is at least that of a t test. */
const FEW = 20;

/** @param resampled sorted differences of resamples */
function paired(
  difference: number,
  resampled: Float64Array,
  units: number,
  pictures: number,
): PairedTest {
  const below = resampled.filter((value) => value <= 0).length;
  const above = resampled.filter((value) => value >= 0).length;
  // Plus one, counting the data as a resample: p is never 0.
  const p = Math.min(1, 2 * (Math.min(below, above) + 1) / (resampled.length + 1));
  const center = mean(resampled), squares = resampled.map((value) => (value - center) ** 2);
  // Where no resample is on the other side of 0, the t distribution extends the tail of the bootstrap:
  // Holm's correction of 50 tests and more could find no difference otherwise. Resamples that are equal
  // but for rounding have no tail.
  const t = difference / Math.sqrt(mean(squares));
  const extended = Math.min(below, above) === 0 && Math.abs(t) < 1e6;
  // Resamples of few vary too little: of two equal models, one would be better in 18 % of tests on five
  // images. One has no variance at all.
  const least = units === 1
    ? 1
    : units < FEW && Math.abs(t) < 1e6
    ? twoSided(t * Math.sqrt(1 - 1 / units), units - 1)
    : 0;
  return {
    pictures,
    difference,
    test: "bootstrap",
    unit: units === pictures ? "image" : "person",
    interval: percentileInterval(resampled),
    p: Math.max(least, extended ? Math.min(p, twoSided(t, units - 1)) : p),
  };
}

/**
 * McNemar's exact test on the images that exactly one of two classifiers predicts correctly.
 * Q. McNemar (1947), Note on the sampling error of the difference between correlated proportions;
 * here with the exact binomial distribution.
 * @throws {RangeError} if there are more values of one than of the other
 * @returns the two-sided p-value
 */
export function mcnemar(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const signs = signedErrors(b, a).map(Math.sign);
  const [onlyA, onlyB] = [1, -1].map((sign) => signs.filter((one) => one === sign).length);
  const n = onlyA + onlyB, fewer = Math.min(onlyA, onlyB);
  // log of C(n, k) / 2^n for k = 0, 1, ..., because the numbers themselves would underflow.
  let term = -n * Math.LN2;
  const terms = [term];
  for (let k = 1; k <= fewer; k++) terms.push(term += Math.log((n - k + 1) / k));
  // The terms increase up to k = n / 2, so the last one is the largest.
  const tail = terms.reduce((sum, value) => sum + Math.exp(value - term), 0);
  return Math.min(1, 2 * Math.exp(term) * tail);
}

/**
 * Wilcoxon signed-rank test of differences around 0, by normal approximation with tie correction,
 * for about twenty differences or more. Omits zero differences. F. Wilcoxon (1945), Individual
 * comparisons by ranking methods.
 * @returns the two-sided p-value; 1 if all differences are 0, NaN if one is NaN
 */
export function wilcoxon(differences: ArrayLike<number>): number {
  const values = Array.from(differences).filter((value) => value !== 0);
  values.sort((x, y) => Math.abs(x) - Math.abs(y));
  const n = values.length;
  if (n === 0) return 1;
  if (values.some(Number.isNaN)) return NaN;
  let positive = 0, ties = 0;
  for (let start = 0; start < n;) {
    let end = start;
    while (end < n && Math.abs(values[end]) === Math.abs(values[start])) end++;
    const size = end - start;
    const rank = (start + 1 + end) / 2;
    for (const value of values.slice(start, end)) if (value > 0) positive += rank;
    ties += size ** 3 - size;
    start = end;
  }
  const expected = n * (n + 1) / 4;
  const deviation = Math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - ties / 48);
  return deviation === 0 ? 1 : twoSided((positive - expected) / deviation);
}

/**
 * Returns the two-sided p-value of a standard normal z, or of Student's t: by Simpson's rule, from a
 * density of cosh(u)^-freedom with t = √freedom sinh(u).
 */
export function twoSided(z: number, freedom = Infinity): number {
  const STEPS = 2000, normal = freedom > 1e6;
  const exponent = (u: number) => normal ? u * u / 2 : freedom * Math.log(Math.cosh(u));
  const tail = (from: number) => {
    // What follows is below e^-25 of the first value.
    const end = normal
      ? Math.hypot(from, 7.1)
      : Math.acosh(Math.cosh(from) * Math.exp(25 / freedom));
    const step = (end - from) / STEPS;
    let sum = 0;
    for (let i = 0; i <= STEPS; i++) {
      const weight = i === 0 || i === STEPS ? 1 : i % 2 === 0 ? 2 : 4;
      sum += weight * Math.exp(-exponent(from + i * step));
    }
    return sum * step / 3;
  };
  const x = Math.abs(z);
  return tail(normal ? x : Math.asinh(x / Math.sqrt(freedom))) / tail(0);
}

/**
 * Adjusts p-values for multiple comparisons by Holm's method.
 * S. Holm (1979), A simple sequentially rejective multiple test procedure. NaN stays, and is no test.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
 * ```
 */
export function holm(ps: readonly number[]): number[] {
  const order = [...ps.keys()].filter((i) => !Number.isNaN(ps[i])).sort((i, j) => ps[i] - ps[j]);
  const corrected = new Array<number>(ps.length).fill(NaN);
  let largest = 0;
  order.forEach((i, rank) => {
    largest = Math.max(largest, Math.min(1, (order.length - rank) * ps[i]));
    corrected[i] = largest;
  });
  return corrected;
}
