/**
 * Paired significance tests of two models on the same images. They have more power than comparing
 * two confidence intervals.
 */
import {
  bootstrapMeans,
  bootstrapRows,
  groupsOf,
  type Interval,
  MIN_COUNT,
  percentileInterval,
} from "./confidence_intervals.ts";
import { mean, signedErrors } from "./prediction_metrics.ts";

/** Result of a paired test of two models, a and b. */
export interface PairedTest {
  /** Number of images in both test sets. */
  readonly pictures: number;
  /** Sampling unit, assumed independent. */
  readonly unit: Interval["unit"];
  /** Metric of a minus metric of b. */
  readonly difference: number;
  /** 95 % bootstrap interval of the difference, over images, or over people if they repeat. */
  readonly interval: { readonly low: number; readonly high: number };
  readonly test: "mcnemar" | "bootstrap";
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
 * Returns undefined with fewer than five images or people, and for NaN.
 * @param n number of images
 * @param a computes the statistic of model a from indices of images, which may repeat; b likewise
 * @param people person of each image; without it, all are distinct
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
  a: (rows: ArrayLike<number>) => number,
  b: (rows: ArrayLike<number>) => number,
  people?: readonly unknown[],
): PairedTest | undefined {
  const groups = groupsOf(n, people);
  const statistic = (rows: ArrayLike<number>) => a(rows) - b(rows);
  const difference = statistic(Int32Array.from({ length: n }, (_, i) => i));
  if (groups.length < MIN_COUNT || Number.isNaN(difference)) return undefined;
  return paired(difference, bootstrapRows(n, groups, statistic), groups.length, n);
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

/** @param resampled sorted differences of resamples */
function paired(
  difference: number,
  resampled: Float64Array,
  units: number,
  pictures: number,
): PairedTest {
  const below = resampled.filter((value) => value <= 0).length;
  const above = resampled.filter((value) => value >= 0).length;
  return {
    pictures,
    difference,
    test: "bootstrap",
    unit: units === pictures ? "image" : "person",
    interval: percentileInterval(resampled),
    // Plus one, counting the data as a resample: p is never 0.
    p: Math.min(1, 2 * (Math.min(below, above) + 1) / (resampled.length + 1)),
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

/** Returns the two-sided p-value of a standard normal z: erfc(|z| / √2). */
export function twoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  if (x < 2) {
    // Power series of erf. M. Abramowitz, I. Stegun (1964), 7.1.6.
    let term = x, sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 1 - 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }
  // Continued fraction of erfc, from its tail. Abramowitz and Stegun, 7.1.14.
  let fraction = x;
  for (let k = 80; k > 0; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
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
