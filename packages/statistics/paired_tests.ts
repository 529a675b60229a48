/**
 * Whether one of two models is better, or chance alone may have made the difference: tests on the
 * same pictures, each paired with itself, which see far smaller differences than two intervals do.
 */
import {
  bootstrapMeans,
  groupsOf,
  type Interval,
  percentileInterval,
} from "./confidence_intervals.ts";
import { mean } from "./prediction_metrics.ts";

/** What a paired test says of two models, a and b. */
export interface PairedTest {
  /** Pictures in both test sets. */
  readonly pictures: number;
  /** What was taken as drawn independently. */
  readonly unit: Interval["unit"];
  /** The metric of a less that of b. */
  readonly difference: number;
  /** Its 95 % interval: a bootstrap over the pictures, or over the people where they repeat. */
  readonly interval: { readonly low: number; readonly high: number };
  readonly test: "mcnemar" | "bootstrap";
  /** How often chance alone makes a difference as large as this. */
  readonly p: number;
  /** Of ages, another opinion: the Wilcoxon signed-rank test's p, which looks at ranks, not sizes. */
  readonly wilcoxon?: number;
}

/**
 * Compares two classifiers.
 * @param a 1 for each picture that a gets right, 0 for each other
 * @param b the same of b
 * @param people who is in each picture; none means that all are different
 */
export function compareHits(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  people?: readonly unknown[],
): PairedTest {
  const { p, ...paired } = comparePairs(a, b, people);
  // Pictures of one person go right and wrong together, which McNemar's test does not know.
  return paired.unit === "person"
    ? { ...paired, test: "bootstrap", p }
    : { ...paired, test: "mcnemar", p: mcnemar(a, b) };
}

/**
 * Compares two models of ages by their absolute errors in years.
 * @param people who is in each picture; none means that all are different
 */
export function compareErrors(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  people?: readonly unknown[],
): PairedTest {
  const paired = comparePairs(a, b, people);
  if (paired.unit === "person") return { ...paired, test: "bootstrap" };
  // To a billionth of a year, so that equal ones tie however they were rounded.
  const differences = Float64Array.from(a, (value, i) => Math.round((value - b[i]) * 1e9) / 1e9);
  return { ...paired, test: "bootstrap", wilcoxon: wilcoxon(differences) };
}

/** The mean difference of pairs, its bootstrap interval, and how often a resample has the other sign. */
function comparePairs(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  people?: readonly unknown[],
): Omit<PairedTest, "test"> {
  if (a.length !== b.length) throw new Error(`pairs of ${a.length} and ${b.length} values`);
  const differences = Float64Array.from(a, (value, i) => value - b[i]);
  const groups = groupsOf(differences.length, people);
  const means = bootstrapMeans(differences, groups);
  const below = means.filter((value) => value <= 0).length;
  const above = means.filter((value) => value >= 0).length;
  return {
    pictures: differences.length,
    unit: groups.length === differences.length ? "image" : "person",
    difference: mean(differences),
    interval: percentileInterval(means),
    // With one added, as if the data themselves were one of the resamples: never quite 0.
    p: Math.min(1, 2 * (Math.min(below, above) + 1) / (means.length + 1)),
  };
}

/**
 * McNemar's exact test: of the pictures that only one of the two gets right, is either's share other
 * than a half? Q. McNemar (1947), Note on the sampling error of the difference between correlated
 * proportions; here with the binomial distribution instead of its approximation.
 * @returns the two-sided p
 */
export function mcnemar(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let onlyA = 0;
  let onlyB = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] > b[i]) onlyA++;
    else if (b[i] > a[i]) onlyB++;
  }
  const n = onlyA + onlyB;
  const fewer = Math.min(onlyA, onlyB);
  // log of C(n, k) / 2^n for k = 0, 1, ...: the numbers themselves would vanish.
  let term = -n * Math.LN2;
  const terms = [term];
  for (let k = 1; k <= fewer; k++) terms.push(term += Math.log((n - k + 1) / k));
  // They grow up to k = n / 2.
  const largest = term;
  const tail = terms.reduce((sum, value) => sum + Math.exp(value - largest), 0);
  return Math.min(1, 2 * Math.exp(largest) * tail);
}

/**
 * The Wilcoxon signed-rank test of differences around 0, by its normal approximation with the
 * correction for ties; differences of 0 are left out. F. Wilcoxon (1945), Individual comparisons by
 * ranking methods. It is good from some twenty differences on.
 * @returns the two-sided p; 1 when nothing differs
 */
export function wilcoxon(differences: ArrayLike<number>): number {
  const values = Array.from(differences).filter((value) => value !== 0);
  values.sort((x, y) => Math.abs(x) - Math.abs(y));
  const n = values.length;
  if (n === 0) return 1;
  let positive = 0;
  let ties = 0;
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

/** How often a normal value is as far from 0 as z: erfc(|z| / √2). */
export function twoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  if (x > 27) return 0;
  if (x < 2) {
    // erf's power series. M. Abramowitz, I. Stegun (1964), 7.1.6.
    let term = x;
    let sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 1 - 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }
  // erfc's continued fraction, from its tail. Abramowitz and Stegun, 7.1.14.
  let fraction = x;
  for (let k = 80; k > 0; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

/**
 * Holm's correction: what each p of several tests comes to when all are asked at once.
 * S. Holm (1979), A simple sequentially rejective multiple test procedure.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, i) => i).sort((i, j) => ps[i] - ps[j]);
  const corrected = new Array<number>(ps.length);
  let largest = 0;
  order.forEach((i, rank) => {
    largest = Math.max(largest, Math.min(1, (ps.length - rank) * ps[i]));
    corrected[i] = largest;
  });
  return corrected;
}
