/** Gaps between groups: means by group, standardized by strata, and permutation tests within strata. */
import { random } from "@reproducible/random/random";
import { groupsOf, SEED } from "./confidence_intervals.ts";

/** Permutations of a test at most, and as extreme ones that end it. */
const PERMUTATIONS = 10_000, EXTREME = 100;

/** Group and stratum of each image. */
export interface Grouping {
  /** Index of the group from 0; -1: in no group. */
  readonly groups: ArrayLike<number>;
  /** Index of the stratum from 0; -1: unknown. Default: one stratum. */
  readonly strata?: ArrayLike<number>;
}

/** Means by group. */
export interface GroupMeans {
  /** NaN for a group without values, and for all groups without a common stratum. */
  readonly means: number[];
  /** Share of the values whose stratum counts. */
  readonly covered: number;
}

/**
 * Returns a function that computes the mean of each of `count` groups, directly standardized: the mean
 * of its strata, weighted by their share of all values. Only strata with `least` images of each group
 * count, so that groups are comparable.
 * L. Naing (2000), Easy way to learn standardization: direct and indirect methods.
 * @param values one per image; NaN: none
 * @param among groups to compute. Default: all
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const groups = [0, 0, 0, 1, 1, 1], strata = [0, 0, 1, 0, 1, 1], values = [0, 0, 1, 0, 1, 1];
 * assert.deepEqual(groupMeans(values, { count: 2 })(groups).means, [1 / 3, 2 / 3]);
 * assert.deepEqual(groupMeans(values, { count: 2, strata })(groups).means, [0.5, 0.5]);
 * ```
 */
export function groupMeans(
  values: ArrayLike<number>,
  { count, strata, least = 1 }: { count: number; least?: number } & Pick<Grouping, "strata">,
  among: readonly number[] = Array.from({ length: count }, (_, group) => group),
): (groups: ArrayLike<number>) => GroupMeans {
  const known = Int32Array.from(Array.from(values).keys()).filter((i) => !Number.isNaN(values[i]));
  const rows = strata ? known.filter((i) => strata[i] >= 0) : known;
  const of = (i: number) => strata ? strata[i] : 0;
  const weights = new Int32Array(1 + rows.reduce((highest, i) => Math.max(highest, of(i)), 0));
  for (const i of rows) weights[of(i)]++;
  const own = Float64Array.from(rows, (i) => values[i]);
  // The first cell of each stratum is of images in no group.
  const first = Int32Array.from(rows, (i) => of(i) * (count + 1) + 1);
  const sums = new Float64Array(weights.length * (count + 1)), sizes = new Int32Array(sums.length);
  return (groups) => {
    sums.fill(0);
    sizes.fill(0);
    for (let k = 0; k < rows.length; k++) {
      const cell = first[k] + groups[rows[k]];
      sums[cell] += own[k];
      sizes[cell]++;
    }
    const means = new Array<number>(among.length).fill(0);
    let covered = 0;
    weights.forEach((weight, s) => {
      const cells = among.map((group) => s * (count + 1) + 1 + group);
      // Without strata, a group without values leaves the others as they are.
      if (strata && cells.some((cell) => sizes[cell] < least)) return;
      covered += weight;
      cells.forEach((cell, k) => means[k] += weight * sums[cell] / sizes[cell]);
    });
    return { means: means.map((sum) => sum / covered), covered: covered / known.length };
  };
}

/** Returns the largest minus the smallest of some means, as Fairlearn's `difference()`; NaN of none. */
export function difference(means: readonly number[]): number {
  const known = means.filter((mean) => !Number.isNaN(mean));
  return known.length === 0 ? NaN : Math.max(...known) - Math.min(...known);
}

/** Returns the smallest over the largest of some means, as Fairlearn's `ratio()`. */
export function ratio(means: readonly number[]): number {
  const known = means.filter((mean) => !Number.isNaN(mean));
  return Math.min(...known) / Math.max(...known);
}

/**
 * Permutation tests of statistics of groups, all on the same permutations: groups are exchanged among
 * the images of a stratum. Images of one person in a group and stratum are exchanged together.
 * A test ends after 100 permutations that are as extreme, so small p-values, which have to survive an
 * adjustment for many tests, get the most permutations.
 * J. Besag, P. Clifford (1991), Sequential Monte Carlo p-values; B. Phipson, G. Smyth (2010),
 * Permutation p-values should never be zero.
 * @param statistics larger values contradict the hypothesis; NaN counts as such
 * @param people person of each image; without it, all are distinct
 * @returns one-sided p-values
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const values = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
 * const groups = values.map((value) => 1 - value);
 * const meansOf = groupMeans(values, { count: 2 });
 * // 2 of the 252 divisions have such a gap.
 * const [p] = permutationTest({ groups }, [(groups) => difference(meansOf(groups).means)]);
 * assert.ok(Math.abs(p - 2 / 252) < 0.006);
 * ```
 */
export function permutationTest(
  { groups, strata }: Grouping,
  statistics: readonly ((groups: Int32Array) => number)[],
  people?: readonly unknown[],
): number[] {
  const permuted = Int32Array.from(groups);
  const observed = statistics.map((statistic) => statistic(permuted));
  const blocks = groupsOf(groups.length, people).flatMap((person) => [
    ...Map.groupBy(person, (i) => `${strata?.[i] ?? 0} ${groups[i]}`).values(),
  ]).filter(([i]) => groups[i] >= 0 && (strata?.[i] ?? 0) >= 0);
  const exchangeable = [...Map.groupBy(blocks, ([i]) => strata?.[i] ?? 0).values()]
    .map((blocks) => ({
      labels: Int32Array.from(blocks, ([i]) => groups[i]),
      rows: Int32Array.from(blocks.flat()),
      labelOf: Int32Array.from(blocks.flatMap((block, b) => block.map(() => b))),
    }));
  const rng = random(SEED, "permutation");
  const extreme = observed.map(() => 0), ps = observed.map(() => NaN);
  let open = [...observed.keys()];
  for (let n = 1; n <= PERMUTATIONS && open.length > 0; n++) {
    for (const { labels, rows, labelOf } of exchangeable) {
      rng.shuffle(labels);
      for (let k = 0; k < rows.length; k++) permuted[rows[k]] = labels[labelOf[k]];
    }
    open = open.filter((s) => {
      // Sums in another order differ by rounding errors.
      if (!(statistics[s](permuted) < observed[s] - 1e-12)) extreme[s]++;
      if (extreme[s] < EXTREME) return true;
      ps[s] = EXTREME / n;
      return false;
    });
  }
  for (const s of open) ps[s] = (extreme[s] + 1) / (PERMUTATIONS + 1);
  return ps;
}
