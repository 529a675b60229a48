/** Selects the rows of a set: a share, a part that the data set names, data sets, or a fold. */
import { z } from "zod";
import { joinWords } from "../../packages/pipeline/errors.ts";
import { type Attribute, valueAt } from "./attributes.ts";

const name = z.string().min(1);

/** Parameter that selects a set. */
export const selection = z.union([
  z.number().gt(0).lt(1),
  z.strictObject({
    part: z.union([name, z.array(name).min(1)]).describe(
      "Part or parts as the data set names them, in its column `part`",
    ),
  }),
  z.strictObject({
    dataset: z.union([name, z.array(name).min(1)]).describe("Name or names of data sets"),
  }),
  z.strictObject({
    fold: z.int().min(1).describe("Number of the fold, from 1"),
    of: z.int().min(2).max(100).default(5).describe("Number of folds"),
  }).refine(({ fold, of }) => fold <= of, {
    path: ["fold"],
    error: ({ input }) => `expected at most ${(input as { of: number }).of}, the number of folds`,
  }),
]);

export type Selection = z.output<typeof selection>;

/** Columns of a dataset's table, one value per row. */
export type Columns = Readonly<Record<string, readonly (Attribute | undefined)[]>>;

/** Groups of rows; a group stays together. */
export type Groups = readonly (readonly number[])[];

/** Groups of a set, and all others. */
interface Divided {
  readonly taken: Groups;
  readonly rest: Groups;
}

interface Selected extends Divided {
  /** Rows that are in no set, because others of their group are in this one. */
  readonly leftOut: number;
}

/**
 * Selects groups of rows.
 * @param groups in random order
 * @param strata number of a group's stratum; each stratum gives its share. Default: one stratum
 */
export function selectRows(
  set: "test" | "validation" | "calibration",
  wanted: Selection,
  groups: Groups,
  columns: Columns,
  strata?: (group: readonly number[]) => string,
): Selected {
  if (typeof wanted !== "number" && !("fold" in wanted)) {
    const [column, names] = "part" in wanted
      ? ["part", [wanted.part].flat()] as const
      : ["dataset", [wanted.dataset].flat()] as const;
    return named(set, column, names, groups, columns);
  }
  const strataOf = Map.groupBy(groups, strata ?? (() => ""));
  const buckets = [...strataOf.keys()].sort().map((key) => strataOf.get(key)!);
  if (typeof wanted !== "number") {
    // The largest groups of a stratum first, so that smaller ones make the folds equal again.
    const largestFirst = (one: Groups) => one.toSorted((a, b) => b.length - a.length);
    return { ...fold(wanted, strata ? buckets.flatMap(largestFirst) : groups), leftOut: 0 };
  }
  let seen = 0, chosen = 0;
  const parts = buckets.map((bucket) => {
    seen += size(bucket);
    // Rounding errors of the strata do not add up.
    const target = Math.max(0, Math.round(seen * wanted) - chosen);
    const part = take(bucket, Math.min(target, size(bucket)));
    chosen += size(part.taken);
    return part;
  });
  const all = (part: keyof Divided) => parts.flatMap((one) => one[part]);
  return { taken: all("taken"), rest: all("rest"), leftOut: 0 };
}

function size(groups: Groups): number {
  return groups.reduce((sum, group) => sum + group.length, 0);
}

/**
 * Selects complete groups whose total number of rows is as close to `target` as possible.
 * Takes groups from the start of the list and selects the last ones by a subset sum.
 */
function take(groups: Groups, target: number): Divided {
  const largest = groups.reduce((size, group) => Math.max(size, group.length), 0);
  // A subset sum over all groups would be slow, and no closer to the target.
  const choice = 16 * largest;
  let first = 0;
  let remaining = target;
  while (remaining > choice) remaining -= groups[first++].length;
  const chosen = nearestSum(groups.slice(first).map((group) => group.length), remaining);
  const isTaken = (i: number) => i < first || chosen.has(i - first);
  return {
    taken: groups.filter((_, i) => isTaken(i)),
    rest: groups.filter((_, i) => !isTaken(i)),
  };
}

/**
 * Solves the subset sum problem by dynamic programming: stores for each sum the index of the size
 * that first reached it.
 * @returns indices of the sizes whose sum is closest to `target`
 */
function nearestSum(sizes: number[], target: number): Set<number> {
  const limit = target + sizes.reduce((largest, size) => Math.max(largest, size), 0);
  const reachedBy = new Int32Array(limit + 1).fill(-1);
  reachedBy[0] = sizes.length; // the empty subset
  for (let i = 0; i < sizes.length && reachedBy[target] === -1; i++) {
    // Descending, so that each size is used at most once.
    for (let sum = limit; sum >= sizes[i]; sum--) {
      if (reachedBy[sum] === -1 && reachedBy[sum - sizes[i]] !== -1) reachedBy[sum] = i;
    }
  }
  let nearest = 0;
  for (let sum = 0; sum <= limit; sum++) {
    if (reachedBy[sum] !== -1 && Math.abs(sum - target) < Math.abs(nearest - target)) nearest = sum;
  }
  const chosen = new Set<number>();
  for (let sum = nearest; sum > 0; sum -= sizes[reachedBy[sum]]) chosen.add(reachedBy[sum]);
  return chosen;
}

function named(
  set: string,
  column: string,
  names: readonly string[],
  groups: Groups,
  columns: Columns,
): Selected {
  const values = columns[column];
  if (!values) {
    throw new Error(
      `Cannot select the ${set} set by ${column}: the data set has no column "${column}". ` +
        "Use a share, or { fold: 1, of: 5 }.",
    );
  }
  const known = [...new Set(values.flatMap((value) => value == null ? [] : String(value)))].sort();
  const missing = names.find((name) => !known.includes(name));
  if (missing !== undefined) {
    throw new Error(
      `Cannot select the ${set} set: no image has ${column} "${missing}". ` +
        `There are ${joinWords(known.slice(0, 20)) || "none"}.`,
    );
  }
  const isIn = (row: number) => names.includes(String(values[row]));
  const [touched, rest] = [true, false].map((wanted) =>
    groups.filter((group) => group.some(isIn) === wanted)
  );
  const taken = touched.map((group) => group.filter(isIn));
  return { taken, rest, leftOut: size(touched) - size(taken) };
}

/** Fills folds of equal size, group by group, each into the smallest fold. */
function fold({ fold, of }: { fold: number; of: number }, groups: Groups): Divided {
  const folds = Array.from({ length: of }, (): number[][] => []);
  const sizes = new Array<number>(of).fill(0);
  for (const group of groups) {
    const smallest = sizes.indexOf(Math.min(...sizes));
    sizes[smallest] += group.length;
    folds[smallest].push([...group]);
  }
  const [taken] = folds.splice(fold - 1, 1);
  return { taken, rest: folds.flat() };
}

/** Numbers with more values than this are divided at their deciles. */
const MAX_VALUES = 20;

/**
 * Returns the stratum of a group, which is that of its first row: the values of columns, numbers of
 * many values by deciles.
 * @throws if the data set lacks a column
 */
export function strataOf(
  names: readonly string[],
  columns: Columns,
): (group: readonly number[]) => string {
  const parts = names.map((name) => {
    const values = valueAt(columns, name);
    if (!values) {
      throw new Error(
        `Cannot stratify by "${name}": the data set has no such column. ` +
          `It has ${joinWords(Object.keys(columns))}.`,
      );
    }
    const numbers = values.filter((value) => typeof value === "number");
    const few = new Set(values).size <= MAX_VALUES || numbers.length === 0;
    if (few) return (row: number) => String(values[row] ?? null);
    const sorted = numbers.toSorted((a, b) => a - b);
    const limits = Array.from(
      { length: 9 },
      (_, i) => sorted[Math.floor(sorted.length * (i + 1) / 10)],
    );
    return (row: number) => {
      const value = values[row];
      return typeof value === "number"
        ? String(limits.filter((limit) => value >= limit).length)
        : String(null);
    };
  });
  return ([row]) => parts.map((part) => part(row)).join("\n");
}

/** Describes a selection: "0.2", "part test", "fold 1 of 5". */
export function describeSelection(wanted: Selection): string {
  if (typeof wanted === "number") return String(wanted);
  if ("fold" in wanted) return `fold ${wanted.fold} of ${wanted.of}`;
  const [key, names] = Object.entries(wanted)[0] as [string, string | string[]];
  return `${key} ${joinWords([names].flat())}`;
}
