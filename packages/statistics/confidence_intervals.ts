/**
 * How far chance alone could have moved a metric: 95 % confidence intervals.
 *
 * The pictures of a test set are a sample. Several pictures of one person resemble each other and
 * tell less than as many of different people, so where people repeat, people are what is sampled.
 */
import { random } from "../random/random.ts";
import { mean } from "./prediction_metrics.ts";

export interface Interval {
  low: number;
  high: number;
  /** 0.95: so often such an interval holds the true value. */
  level: number;
  /** Wilson's score interval of a share, or percentiles of a bootstrap. */
  method: "wilson" | "bootstrap";
  /** What was taken as drawn independently. */
  unit: "image" | "person";
}

export const LEVEL = 0.95;
/** The 0.975 quantile of the normal distribution. */
const Z = 1.959963984540054;
const RESAMPLES = 2000;
/** With fewer to draw from, a bootstrap says little but that they are few. */
export const MIN_COUNT = 5;
/** Fixed: the same predictions have the same interval, whatever the pipeline's seed. */
const SEED = 20210;

/**
 * Interval of an accuracy.
 * @param hits 1 for each right prediction, 0 for each wrong one
 * @param people who is in each picture; none means that all are different
 */
export function accuracyInterval(
  hits: ArrayLike<number>,
  people?: readonly unknown[],
): Interval {
  const groups = groupsOf(hits.length, people);
  const share = mean(hits);
  const unit = groups.length === hits.length ? "image" : "person";
  // With nothing to resample but ones (or zeros), or hardly anybody, a bootstrap would claim to be
  // certain.
  if (unit === "image" || share === 0 || share === 1 || groups.length < MIN_COUNT) {
    return { ...wilson(share, groups.length), level: LEVEL, method: "wilson", unit };
  }
  return { ...bootstrapMean(hits, groups), level: LEVEL, method: "bootstrap", unit };
}

/**
 * Interval of a mean, such as the mean absolute error.
 * @param values one a picture
 * @param people who is in each picture; none means that all are different
 */
export function meanInterval(values: ArrayLike<number>, people?: readonly unknown[]): Interval {
  const groups = groupsOf(values.length, people);
  const unit = groups.length === values.length ? "image" : "person";
  return { ...bootstrapMean(values, groups), level: LEVEL, method: "bootstrap", unit };
}

/** Interval of a mean, or undefined where there are too few pictures, or people, to tell. */
export function meanIntervalOfEnough(
  values: ArrayLike<number>,
  people?: readonly unknown[],
): Interval | undefined {
  return groupsOf(values.length, people).length < MIN_COUNT
    ? undefined
    : meanInterval(values, people);
}

/**
 * Wilson's score interval of a share observed in n trials. Near 0 and 1 and for small n it holds
 * what it promises, unlike share ± 2 standard errors.
 * E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, (4).
 */
export function wilson(share: number, n: number): { low: number; high: number } {
  const z2 = Z * Z;
  const centre = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z / (1 + z2 / n)) * Math.sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  // At shares of 0 and 1 the bound is exact, but for the rounding.
  return {
    low: share === 0 ? 0 : Math.max(0, centre - half),
    high: share === 1 ? 1 : Math.min(1, centre + half),
  };
}

/** The 95 % interval of a mean by resampling groups; see `bootstrapMeans`. */
export function bootstrapMean(
  values: ArrayLike<number>,
  groups: readonly (readonly number[])[],
): { low: number; high: number } {
  return percentileInterval(bootstrapMeans(values, groups));
}

/** The 2.5th and 97.5th percentile of sorted values. */
export function percentileInterval(sorted: Float64Array): { low: number; high: number } {
  return { low: quantile(sorted, (1 - LEVEL) / 2), high: quantile(sorted, (1 + LEVEL) / 2) };
}

/**
 * Means over samples of groups, drawn with replacement, sorted.
 * @param groups indices into `values`
 */
export function bootstrapMeans(
  values: ArrayLike<number>,
  groups: readonly (readonly number[])[],
): Float64Array {
  const sums = groups.map((group) => group.reduce((sum, i) => sum + values[i], 0));
  const counts = groups.map((group) => group.length);
  return bootstrap(groups.length, (drawn) => {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < drawn.length; i++) {
      sum += sums[drawn[i]];
      count += counts[drawn[i]];
    }
    return sum / count;
  });
}

/**
 * A statistic of samples of n groups, drawn with replacement, sorted.
 * B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, 13.3; groups as in
 * A. Davison, D. Hinkley (1997), Bootstrap Methods and their Application, 3.8.
 * @param statistic of a sample: numbers of groups, some of them repeatedly. NaN, where a sample has
 *   none, has another one drawn
 */
export function bootstrap(n: number, statistic: (drawn: Int32Array) => number): Float64Array {
  const rng = random(SEED, "bootstrap");
  const found = new Float64Array(RESAMPLES);
  const drawn = new Int32Array(n);
  for (let resample = 0; resample < RESAMPLES;) {
    for (let i = 0; i < n; i++) drawn[i] = Math.floor(rng.next() * n);
    const value = statistic(drawn);
    if (!Number.isNaN(value)) found[resample++] = value;
  }
  return found.sort();
}

/** Indices of the same person together. Somebody unknown (null or "") is nobody else. */
export function groupsOf(n: number, people?: readonly unknown[]): number[][] {
  const groups = new Map<unknown, number[]>();
  for (let i = 0; i < n; i++) {
    const person = people?.[i];
    const known = person !== undefined && person !== null && person !== "";
    const key = known ? person : Symbol();
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  }
  return [...groups.values()];
}

/** Between the two nearest sorted values, as NumPy's default does. */
function quantile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
}
