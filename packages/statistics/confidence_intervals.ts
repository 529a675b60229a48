/**
 * 95 % confidence intervals of metrics.
 *
 * Images of one person are correlated. If people repeat, the bootstrap resamples people (cluster
 * bootstrap), else images.
 */
import { random } from "@reproducible/random/random";
import { mean } from "./prediction_metrics.ts";

/** A confidence interval. */
export interface Interval {
  low: number;
  high: number;
  /** Confidence level, 0.95. */
  level: number;
  /** Wilson score interval, or percentile bootstrap. */
  method: "wilson" | "bootstrap";
  /** Sampling unit, assumed independent. */
  unit: "image" | "person";
}

/** A function that computes a statistic from indices of images, which may repeat. */
export type Statistic = (rows: ArrayLike<number>) => number;

/** Confidence level. */
const LEVEL = 0.95;
/** The 0.975 quantile of the normal distribution. */
const Z = 1.959963984540054;
const RESAMPLES = 2000;
/** Minimum number of sampling units for a bootstrap. */
export const MIN_COUNT = 5;
/** Fixed, so equal data and predictions have equal samples, intervals and p-values with any seed. */
export const SEED = 20210;

/**
 * Computes the interval of an accuracy: Wilson's, or where people repeat mostly a bootstrap over them.
 * @param hits 1 for each correct prediction, else 0
 * @param people person of each image; without it, all are distinct
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const { low, high } = accuracyInterval([1, 1, 1, 0]);
 * assert.ok(low > 0.3 && high < 0.96);
 * ```
 */
export function accuracyInterval(hits: ArrayLike<number>, people?: readonly unknown[]): Interval {
  const n = hits.length, units = groupsOf(n, people).length, share = mean(hits);
  // A bootstrap of constant values, or of very few people, would have zero width.
  const few = units === n || share === 0 || share === 1;
  return (few ? undefined : meanInterval(hits, people)) ??
    toInterval("wilson", wilson(share, units), units, n);
}

/**
 * Computes the interval of a mean, such as the MAE; undefined with fewer than `MIN_COUNT` images or
 * people, and for NaN.
 * @param values one value per image
 * @param people person of each image; without it, all are distinct
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const { low, high, method } = meanInterval([3, 1, 4, 1, 5, 9, 2, 6])!;
 * assert.ok(low < 3.875 && 3.875 < high && method === "bootstrap");
 * ```
 */
export function meanInterval(
  values: ArrayLike<number>,
  people?: readonly unknown[],
): Interval | undefined {
  const groups = groupsOf(values.length, people);
  if (groups.length < MIN_COUNT || Number.isNaN(mean(values))) return undefined;
  const ends = percentileInterval(bootstrapMeans(values, groups));
  return toInterval("bootstrap", ends, groups.length, values.length);
}

/**
 * Computes the interval of any statistic of n images by the percentile bootstrap. Returns undefined
 * with fewer than `MIN_COUNT` images or people, for too small `groups`, and for NaN.
 * @param statistic computes the statistic from indices of images, which may repeat
 * @param share true for a share: if all resamples are equal, a Wilson interval is returned
 * @param people person of each image; without it, all are distinct
 * @param groups class or group of each image, if the statistic is a mean over these; undefined: in none.
 *   A resample that lacks one, whose mean would be of others, is drawn again
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const errors = [3, 1, 4, 1, 5, 9, 2, 6];
 * const largest = (rows: ArrayLike<number>) => Math.max(...Array.from(rows, (i) => errors[i]));
 * assert.equal(statisticInterval(8, largest)!.high, 9);
 * ```
 */
export function statisticInterval(
  n: number,
  statistic: Statistic,
  { share = false, people, groups }: {
    share?: boolean;
    people?: readonly unknown[];
    groups?: ArrayLike<unknown>;
  } = {},
): Interval | undefined {
  const sampling = samplingOf(n, people, groups);
  if (!sampling || Number.isNaN(statistic(sampling.rows))) return undefined;
  const { units, resample } = sampling;
  const ends = percentileInterval(resample(statistic)), { low, high } = ends;
  return share && low === high && low >= 0 && low <= 1
    ? toInterval("wilson", wilson(low, units.length), units.length, n)
    : toInterval("bootstrap", ends, units.length, n);
}

/** Images, of which each resample has all groups. */
export interface Sampling {
  /** Indices of all images. */
  readonly rows: Int32Array;
  /** Sampling units, as indices of their images. */
  readonly units: readonly (readonly number[])[];
  /** Makes a statistic NaN of rows that lack a group. */
  complete(statistic: Statistic): Statistic;
  /** Returns a statistic of resamples, sorted; see `bootstrap`. */
  resample(statistic: Statistic): Float64Array;
}

/**
 * Returns the sampling of n images; undefined with fewer than `MIN_COUNT` units, or too small groups.
 * @param people person of each image; without it, all are distinct
 * @param groups see `statisticInterval`
 */
export function samplingOf(
  n: number,
  people?: readonly unknown[],
  groups: ArrayLike<unknown> = [],
): Sampling | undefined {
  const units = groupsOf(n, people);
  const present = units.flatMap((unit) => [...new Set(unit.map((i) => groups[i]))]);
  const sizes = Map.groupBy(present, (group) => group);
  sizes.delete(undefined);
  if (areFew(Array.from(sizes.values(), ({ length }) => length), units.length)) return undefined;
  const complete = (statistic: Statistic): Statistic => (rows) => {
    const missing = new Set(sizes.keys());
    for (let i = 0; missing.size > 0 && i < rows.length; i++) missing.delete(groups[rows[i]]);
    return missing.size > 0 ? NaN : statistic(rows);
  };
  const resample = (statistic: Statistic): Float64Array => {
    const of = complete(statistic);
    if (units.length === n) return bootstrap(n, of); // most often a unit is one image
    return bootstrap(units.length, (drawn) => of(Array.from(drawn, (unit) => units[unit]).flat()));
  };
  return { rows: Int32Array.from({ length: n }, (_, i) => i), units, complete, resample };
}

/**
 * Returns true if a bootstrap over units cannot give the interval of a mean over groups: one has fewer
 * than `MIN_COUNT`, or a resample lacks more than one on average, as of 150 groups of five.
 * @param sizes number of units of each group
 */
export function areFew(sizes: readonly number[], units: number): boolean {
  const lacking = sizes.reduce((sum, size) => sum + (1 - size / units) ** units, 0);
  return Math.min(units, ...sizes) < MIN_COUNT || lacking > 1;
}

/** Completes an interval. @param units sampling units of n images: fewer where people repeat */
export function toInterval(
  method: Interval["method"],
  ends: { low: number; high: number },
  units: number,
  n: number,
): Interval {
  return { ...ends, level: LEVEL, method, unit: units === n ? "image" : "person" };
}

/**
 * Computes the Wilson score interval of a share of n trials. Unlike share ± 2 standard errors, its
 * coverage holds near 0 and 1 and for small n.
 * E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, (4).
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const { low, high } = wilson(0.95, 80);
 * assert.deepEqual([low.toFixed(3), high.toFixed(3)], ["0.878", "0.980"]);
 * ```
 */
export function wilson(share: number, n: number): { low: number; high: number } {
  const z2 = Z * Z;
  const center = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z / (1 + z2 / n)) * Math.sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  // Avoids rounding errors at shares of 0 and 1, where the bound is exact.
  return {
    low: share === 0 ? 0 : Math.max(0, center - half),
    high: share === 1 ? 1 : Math.min(1, center + half),
  };
}

/** Returns the 2.5th and 97.5th percentile of sorted values. */
export function percentileInterval(sorted: Float64Array): { low: number; high: number } {
  return { low: quantile(sorted, (1 - LEVEL) / 2), high: quantile(sorted, (1 + LEVEL) / 2) };
}

/**
 * Returns the sorted means of resampled groups, drawn with replacement.
 * @param groups indices into `values`
 */
export function bootstrapMeans(
  values: ArrayLike<number>,
  groups: readonly (readonly number[])[],
): Float64Array {
  const sums = Float64Array.from(groups, (group) => group.reduce((sum, i) => sum + values[i], 0));
  const counts = Int32Array.from(groups, (group) => group.length);
  return bootstrap(groups.length, (drawn) => {
    let sum = 0, count = 0;
    for (let i = 0; i < drawn.length; i++) {
      sum += sums[drawn[i]];
      count += counts[drawn[i]];
    }
    return sum / count;
  });
}

/**
 * Returns a statistic of resamples of n groups, drawn with replacement, sorted.
 * B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, 13.3; groups as in
 * A. Davison, D. Hinkley (1997), Bootstrap Methods and their Application, 3.8.
 * @param statistic computes the statistic of a resample, given as group indices. NaN draws another
 *   resample
 * @throws {RangeError} if nearly all resamples give NaN
 */
export function bootstrap(n: number, statistic: (drawn: Int32Array) => number): Float64Array {
  const rng = random(SEED, "bootstrap");
  const found = new Float64Array(RESAMPLES);
  const drawn = new Int32Array(n);
  for (let resample = 0, failed = 0; resample < RESAMPLES;) {
    for (let i = 0; i < n; i++) drawn[i] = Math.floor(rng.next() * n);
    const value = statistic(drawn);
    if (!Number.isNaN(value)) found[resample++] = value;
    else if (++failed > 100 * RESAMPLES) {
      const tried = failed.toLocaleString("en");
      throw new RangeError(
        `Cannot compute an interval: the statistic of ${tried} resamples is NaN.`,
      );
    }
  }
  return found.sort();
}

/** Groups indices by person. An unknown person (null or "") is a group of its own. */
export function groupsOf(n: number, people?: readonly unknown[]): number[][] {
  const unknown = (person: unknown) => person === undefined || person === null || person === "";
  const all = Array.from({ length: n }, (_, i) => i);
  return [...Map.groupBy(all, (i) => unknown(people?.[i]) ? Symbol() : people?.[i]).values()];
}

/**
 * Returns a quantile of sorted values; interpolates linearly between the two nearest, as NumPy's
 * default does.
 * @param q from 0 (minimum) to 1 (maximum)
 * @throws {RangeError} without values
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(quantile([10, 20, 30, 40], 0.25), 17.5);
 * ```
 */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) throw new RangeError("Cannot take a quantile of no values.");
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
}
