/**
 * Fairness of a model: its metrics by groups of the test set and their differences, with the names of
 * Fairlearn (S. Bird et al., 2020). It is the content of `fairness.json`.
 */
import { type Interval, meanInterval } from "../../packages/statistics/confidence_intervals.ts";
import {
  difference,
  type Grouping,
  groupMeans,
  permutationTest,
  ratio,
} from "../../packages/statistics/group_gaps.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import { holm } from "../../packages/statistics/paired_tests.ts";
import { mean, signedErrors } from "../../packages/statistics/prediction_metrics.ts";
import { type ChosenMetric, selectRows } from "../training/further_metrics.ts";
import { genderClasses, type Person } from "../training/targets.ts";
import { METRICS } from "./metrics.ts";
import type { ModelMetrics, Predictions } from "./score_model.ts";

/** Faces below which a group's values are hidden: they would be noise, and describe few people. */
export const MINIMUM = 10;
/** Faces of each group that an age stratum must have to count. */
export const LEAST = 5;
/** Width of an age stratum, and of a group of ages, years. */
const STRATUM = 10, AGE_BAND = 20;
/** Number of values above which a column is rather a name or a quantity. */
const MAX_VALUES = 12;

export interface GroupValue {
  /** Faces of the group that the metric applies to. */
  count: number;
  value: number;
  interval?: Interval;
  /** The value with the ages of the whole test set. */
  standardized?: number;
}

/** Differences of a metric between groups. */
interface GroupDifference {
  difference: number;
  /** Smallest over largest value; not of a bias, which has signs. */
  ratio?: number;
  /** Undefined if all are equal. */
  worst_group?: string;
}

export interface MetricByGroup extends GroupDifference {
  overall: number;
  by_group: Record<string, GroupValue>;
  /** The same of age-standardized values; `covered` is the share of faces in strata that all groups have. */
  standardized?: GroupDifference & { covered: number };
  /** Permutation test of the difference, the standardized one if there is one. */
  p?: number;
  /** `p` adjusted by Holm's method for all tests of all models. */
  p_holm?: number;
}

/** Metrics by the groups of one attribute, or of two crossed. */
export interface FairnessBy {
  by: string[];
  /** Groups that are too small, and their faces. */
  hidden: { groups: number; faces: number };
  /** Faces without a label of the attributes. */
  unknown: number;
  metrics: Record<string, MetricByGroup>;
  demographic_parity_difference?: number;
  equalized_odds_difference?: number;
}

/** Columns whose groups are compared; a pair: their crossing. */
export type ChosenGroups = readonly (string | readonly string[])[];

export interface Fairness {
  groupings: FairnessBy[];
  /** Columns of one value, of too many, such as names, or not chosen: their number of values. */
  left_out: Record<string, number>;
}

/** Values of a metric, which is their mean; NaN: it does not apply. */
interface Measured {
  values: ArrayLike<number>;
  /** Undefined: neither; zero: near 0. */
  better?: "more" | "less" | "zero";
  interval: typeof meanInterval;
}

/** Signal that ends the computation, and listener to the groups at hand. */
export interface Watch {
  signal?: AbortSignal;
  note?(text: string): void;
}

/** Predictions of the test set, with the labels of its images. */
interface Tested {
  metrics: Pick<ModelMetrics, "task" | "metric" | "classes">;
  test: Predictions;
  persons: readonly Person[];
  /** Person of each image. */
  people?: readonly unknown[];
  further?: readonly ChosenMetric[];
  /** Default: gender, age band, attributes of few values, and their crossings. */
  groups?: ChosenGroups;
  /** Images below which a group is hidden. */
  minimum?: number;
}

/** Computes a model's metrics by groups of the test set. */
export async function modelFairness(
  tested: Tested,
  { signal, note = () => {} }: Watch = {},
): Promise<Fairness> {
  const { groupings, left_out } = divisions(tested.persons, tested.groups);
  const done: FairnessBy[] = [];
  for (const division of groupings) {
    await pause(signal);
    note(`groups ${done.length + 1}/${groupings.length}`);
    done.push(await byGroup(division, tested));
  }
  return { left_out, groupings: done };
}

/** Groups of people by an attribute, or by two crossed. */
interface Division {
  by: string[];
  /** Name and members of each group. */
  groups: (readonly [name: string, members: number[]])[];
  /** Number of people without a label of the attributes. */
  unknown: number;
}

/** Divides people by chosen columns; by default by gender, age band, attributes, and crossings of two. */
export function divisions(
  persons: readonly Person[],
  chosen?: ChosenGroups,
): { groupings: Division[]; left_out: Fairness["left_out"] } {
  const { attributes, left_out } = attributesOf(persons, chosen?.flat());
  const names = Object.keys(attributes);
  const { compare } = new Intl.Collator("en", { numeric: true });
  const every = names.flatMap((a, i) => [[a], ...names.slice(i + 1).map((b) => [a, b])])
    .toSorted((a, b) => a.length - b.length);
  const groupings = (chosen?.map((one) => [one].flat()) ?? every)
    .filter((by) => by.every((name) => names.includes(name)))
    .map((by): Division => {
      const members = Map.groupBy(persons.keys(), (i) => {
        const values = by.map((name) => attributes[name][i]);
        return values.includes(null) ? null : values.join(", ");
      });
      const unknown = members.get(null)?.length ?? 0;
      members.delete(null);
      const groups = [...members as Map<string, number[]>].sort(([a], [b]) => compare(a, b));
      return { by, groups, unknown };
    });
  return { groupings, left_out };
}

/** Adjusts the p-values of all tests of all models. */
export function adjustAll(models: readonly Fairness[]): void {
  const tests = models.flatMap(({ groupings }) =>
    groupings.flatMap(({ metrics }) => Object.values(metrics).filter(({ p }) => p !== undefined))
  );
  holm(tests.map(({ p }) => p!)).forEach((p, i) => tests[i].p_holm = p);
}

function attributesOf(persons: readonly Person[], chosen?: readonly string[]) {
  const all: Record<string, (string | number | null)[]> = {
    gender: persons.map(({ gender }) => genderClasses[gender]?.label ?? null),
    age: persons.map(({ age }) => {
      const from = Math.floor(age / AGE_BAND) * AGE_BAND;
      return age >= 0 ? `${from}–${from + AGE_BAND - 1}` : null;
    }),
  };
  for (const name of Object.keys(persons[0]?.attributes ?? {})) {
    all[name] = persons.map(({ attributes }) => attributes?.[name] ?? null);
  }
  const attributes: Record<string, (string | null)[]> = {}, left_out: Fairness["left_out"] = {};
  for (const [name, values] of Object.entries(all)) {
    const { size } = new Set(values.filter((value) => value !== null));
    // A crossing with a single value would repeat the other attribute.
    if (size < 2 || !(chosen?.includes(name) ?? size <= MAX_VALUES)) left_out[name] = size;
    else attributes[name] = values.map((value) => value === null ? null : String(value));
  }
  return { attributes, left_out };
}

/** Returns the metrics of single predictions. @param own true for groups of the target itself */
function measure(
  { metrics: { metric, classes }, test: { truth, prediction } }: Tested,
  own: boolean,
): Record<string, Measured> {
  const { better, each, interval } = METRICS[metric];
  const primary = { [metric]: { values: each(truth, prediction), better, interval } };
  const signed = signedErrors(truth, prediction);
  const bias: Measured = { values: signed, better: "zero", interval: meanInterval };
  if (!classes) return { ...primary, bias };
  if (classes.length > 2 || own) return primary;
  const rate = (label?: number) => ({
    values: Array.from(prediction, (p, i) => label === undefined || truth[i] === label ? p : NaN),
    interval,
  });
  return {
    ...primary,
    bias,
    selection_rate: rate(),
    true_positive_rate: { ...rate(1), better: "more" },
    false_positive_rate: { ...rate(0), better: "less" },
  };
}

async function byGroup({ by, groups, unknown }: Division, tested: Tested): Promise<FairnessBy> {
  const { persons, people, minimum = MINIMUM } = tested;
  const large = groups.filter(([, rows]) => rows.length >= minimum);
  const small = groups.filter(([, rows]) => rows.length < minimum);
  const names = large.map(([name]) => name);
  const indices = new Int32Array(persons.length).fill(-1);
  large.forEach(([, rows], group) => rows.forEach((i) => indices[i] = group));
  // Groups of ages have different ages.
  const strata = by.includes("age")
    ? undefined
    : persons.map(({ age }) => age >= 0 ? Math.floor(age / STRATUM) : -1);
  const grouping: Grouping = { groups: indices, strata };
  // A raw difference has the faces of unknown age too: they are exchanged among themselves.
  const whole: Grouping = {
    groups: indices,
    strata: strata?.map((stratum) => stratum < 0 ? Infinity : stratum),
  };
  const metrics: FairnessBy["metrics"] = {};
  const tests: { metric: MetricByGroup; within: Grouping; of(groups: Int32Array): number }[] = [];
  const measured = measure(tested, by.includes(tested.metrics.task));
  for (const [name, { values, better, interval }] of Object.entries(measured)) {
    const applying = large.map(([, rows]) => rows.filter((i) => !Number.isNaN(values[i])));
    const among = [...names.keys()].filter((group) => applying[group].length >= minimum);
    if (among.length < 2) continue;
    const count = large.length, rawMeansOf = groupMeans(values, { count }, among);
    const standardizedOf = groupMeans(values, { count, strata, least: LEAST }, among);
    const { means: rawMeans } = rawMeansOf(indices), { means, covered } = standardizedOf(indices);
    const standardize = strata !== undefined && covered > 0;
    const own = among.map((group) => names[group]);
    metrics[name] = {
      overall: mean(Array.from(values).filter((value) => !Number.isNaN(value))),
      ...describe(own, rawMeans, better),
      ...standardize && { standardized: { ...describe(own, means, better), covered } },
      by_group: Object.fromEntries(among.map((group, k) => {
        const rows = applying[group];
        const range = interval(rows.map((i) => values[i]), people && rows.map((i) => people[i]));
        return [names[group], {
          count: rows.length,
          value: rawMeans[k],
          ...range && { interval: range },
          ...standardize && { standardized: means[k] },
        }];
      })),
    };
    // Without a common stratum, a few faces of unknown age alone would be exchanged: p would be near 1.
    const ageless = (group: number) =>
      mean(applying[group].map((i) => Number(strata![i] < 0))) > 0.5;
    if (strata && !standardize && !among.every(ageless)) continue;
    const meansOf = standardize ? standardizedOf : rawMeansOf;
    tests.push({
      metric: metrics[name],
      within: standardize ? grouping : whole,
      of: (groups) => difference(meansOf(groups).means),
    });
  }
  for (const [within, some] of Map.groupBy(tests, ({ within }) => within)) {
    const ps = permutationTest(within, some.map(({ of }) => of), people);
    ps.forEach((p, i) => some[i].metric.p = p);
  }
  // A bias that evaluate.metrics names is tested above.
  Object.assign(metrics, await furtherByGroup(large, tested), { ...metrics });
  const [selection, positives, negatives] = ["selection", "true_positive", "false_positive"]
    .map((name) => metrics[`${name}_rate`]?.difference);
  return {
    by,
    unknown,
    metrics,
    hidden: { groups: small.length, faces: small.reduce((sum, [, rows]) => sum + rows.length, 0) },
    ...selection !== undefined && { demographic_parity_difference: selection },
    ...positives !== undefined && negatives !== undefined && {
      equalized_odds_difference: Math.max(positives, negatives),
    },
  };
}

function describe(
  names: readonly string[],
  means: readonly number[],
  better: Measured["better"],
): GroupDifference {
  const bad = means.map((mean) =>
    better === "more" ? -mean : better === "less" ? mean : Math.abs(mean)
  );
  const largest = difference(means);
  return {
    difference: largest,
    ...better !== "zero" && { ratio: ratio(means) },
    ...better && largest > 0 && { worst_group: names[bad.indexOf(Math.max(...bad))] },
  };
}

/**
 * Returns the metrics of `evaluate.metrics`, which are no means: without standardization and test. Those
 * of several classes, such as macro F1, mean nothing in a group of one.
 */
async function furtherByGroup(
  large: Division["groups"],
  { further = [], metrics, test, persons, people }: Tested,
): Promise<FairnessBy["metrics"]> {
  const scored = {
    ...test,
    classes: metrics.classes?.length,
    gender: persons.map(({ gender }) => gender),
    age: persons.map(({ age }) => age),
  };
  const found: FairnessBy["metrics"] = {};
  const apt = large.filter(([, rows]) =>
    !metrics.classes || rows.some((i) => test.truth[i] !== test.truth[rows[0]])
  );
  for (const metric of further) {
    const all = await Promise.all(apt.map(async ([name, rows]) => {
      const own = selectRows(scored, rows);
      const value = await metric.compute(own);
      const interval = await metric.interval(own, people && rows.map((i) => people[i]));
      return [name, { count: rows.length, value, ...interval && { interval } }] as const;
    }));
    const groups = all.filter(([, { value }]) => !Number.isNaN(value));
    if (groups.length < 2) continue;
    found[metric.name] = {
      overall: await metric.compute(scored),
      by_group: Object.fromEntries(groups),
      ...describe(
        groups.map(([name]) => name),
        groups.map(([, { value }]) => value),
        metric.better ?? "zero",
      ),
    };
  }
  return found;
}
