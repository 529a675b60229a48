/** What differs between runs, and whether the differences are real. */
import { meanInterval } from "../../../packages/statistics/confidence_intervals.ts";
import {
  compareErrors,
  compareHits,
  holm,
  type PairedTest,
} from "../../../packages/statistics/paired_tests.ts";
import { cautionLines, type RunRecord } from "../../../packages/pipeline/history.ts";
import type { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import {
  type MetricRow,
  metricRows,
  type Names,
  type ParameterRow,
  parameterRows,
} from "./differences.ts";
import { type OverSeeds, statsOverSeeds } from "./group_by_seed.ts";
import { loadPredictions, type TestedModel } from "./load_predictions.ts";
import { counted } from "../../../packages/pipeline/causes.ts";

export interface Comparison {
  readonly runs: readonly Pick<RunRecord, "id" | "pipeline" | "at" | "seconds" | "ok">[];
  readonly parameters: readonly ParameterRow[];
  readonly metrics: readonly (MetricRow & {
    /** Of the test metric: for each run, its 95 % bootstrap interval. */
    readonly intervals?: readonly ({ low: number; high: number } | undefined)[];
  })[];
  /** Means over the runs that differ in seeds alone, if there are such. */
  readonly seeds?: OverSeeds;
  readonly tests: readonly ModelTest[];
  /** What holds for the metrics of runs, such as that their data is synthetic. */
  readonly cautions: readonly string[];
  /** What could not be compared, and why. */
  readonly notes: readonly string[];
}

/** Two models on the same pictures. */
export interface ModelTest extends PairedTest {
  readonly model: string;
  readonly metric: "accuracy" | "mae";
  /** Ids of the runs. */
  readonly a: string;
  readonly b: string;
  /** p with Holm's correction, where several tests are asked at once. */
  readonly corrected?: number;
  /** Whether chance alone makes such a difference in less than one of twenty cases. */
  readonly real: boolean;
  /** The run whose model is better, if the difference is real. */
  readonly better?: string;
}

/** With fewer pictures in both test sets a test says nothing. */
const FEWEST = 20;
const ALPHA = 0.05;

/** Compares two runs or more. */
export async function compareRuns(
  runs: readonly RunRecord[],
  store: ArtifactStore,
): Promise<Comparison> {
  const notes: string[] = [];
  const tested = await Promise.all(runs.map(async (run) => {
    const { models, missing } = await loadPredictions(run, store);
    if (missing !== undefined) notes.push(missing);
    return models;
  }));
  const names = nameModels(tested);
  const named = tested.map((models, run) =>
    new Map(models.map((model) => [names[run]!.get(model.id)!, model]))
  );
  const subjects = named.map((models) =>
    new Map([...models].map(([name, { task, metric, classes }]) => [
      ...[name, JSON.stringify([task, metric, classes ?? null])] as const,
    ]))
  );
  const metrics = metricRows(runs, names, subjects).map((row) => {
    const models = named.map((models) => models.get(row.model));
    if (row.split !== "test" || !models.some((model) => model?.metric === row.metric)) return row;
    return {
      ...row,
      intervals: models.map((model) => {
        if (!model || model.metric !== row.metric) return undefined;
        const { low, high } = meanInterval(model.scores, model.people);
        return { low, high };
      }),
    };
  });
  const labels = [...new Set(named.flatMap((models) => [...models.keys()]))];
  const tests = labels.flatMap((label) =>
    testModels(label, runs, named.map((models) => models.get(label)), notes)
  );
  const shown = runs.map(({ id, pipeline, at, seconds, ok }) => ({
    ...{ id, pipeline, at, seconds, ok },
  }));
  const seeds = statsOverSeeds(runs, names);
  return {
    ...{ runs: shown, parameters: parameterRows(runs, names), metrics },
    ...(seeds && { seeds }),
    ...{ tests, cautions: cautionLines(runs), notes },
  };
}

/**
 * Which models of several runs belong together: those of one id; and those that say the same thing
 * (a gender, an age in years), where each run has at most one such, whatever its stage is called.
 * @returns for each run: model id → name
 */
export function nameModels(tested: readonly (readonly TestedModel[])[]): Names[] {
  const subject = ({ task, metric, classes }: TestedModel) =>
    JSON.stringify([task, metric, classes ?? null]);
  return tested.map((models) =>
    new Map(models.map((model) => {
      const alike = tested.map((other) => other.filter((one) => subject(one) === subject(model)));
      const ids = new Set(alike.flat().map(({ id }) => id));
      const alone = alike.every(({ length }) => length < 2);
      if (!alone || ids.size < 2) return [model.id, model.id];
      const { task, variant } = model;
      const others = tested.flat().some((one) =>
        one.task === task && subject(one) !== subject(model)
      );
      return [model.id, others && variant !== undefined ? `${task} (${variant})` : task];
    }))
  );
}

/** Two models: one test. More: the best one against each other one, corrected for their number. */
function testModels(
  label: string,
  runs: readonly RunRecord[],
  models: readonly (TestedModel | undefined)[],
  notes: string[],
): ModelTest[] {
  const there = models.flatMap((model, run) => model ? [{ model, run: runs[run]! }] : []);
  if (there.length < 2) return [];
  const [{ model: { metric } }] = there as [typeof there[number]];
  const others = there.filter(({ model }) => model.metric !== metric);
  if (others.length > 0) {
    notes.push(`${label}: accuracy and years cannot be compared`);
    return [];
  }
  const average = ({ model: { scores } }: typeof there[number]) =>
    scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const ordered = there.length === 2
    ? there
    : there.toSorted((x, y) => (average(y) - average(x)) * (metric === "accuracy" ? 1 : -1));
  const [first, ...rest] = ordered as [typeof there[number], ...typeof there];
  const tests = rest.flatMap((other) => {
    const test = testPair(first.model, other.model);
    if (test === undefined) return [];
    if (typeof test !== "string") return [{ test, a: first.run.id, b: other.run.id }];
    notes.push(`${label}, ${first.run.id} and ${other.run.id}: ${test}`);
    return [];
  });
  const corrected = holm(tests.map(({ test }) => test.p));
  return tests.map(({ test, a, b }, i): ModelTest => {
    const real = corrected[i]! < ALPHA;
    const firstBetter = test.difference > 0 === (metric === "accuracy");
    return {
      ...{ model: label, metric, a, b, ...test },
      ...(tests.length > 1 ? { corrected: corrected[i] } : {}),
      real,
      ...(real ? { better: firstBetter ? a : b } : {}),
    };
  });
}

/**
 * The test on the pictures that both models were tested on, or why there is none; undefined if the
 * models do not differ, as when both runs took the same one.
 */
function testPair(a: TestedModel, b: TestedModel): PairedTest | string | undefined {
  const rows = new Map(b.pictures.map((picture, row) => [picture, row]));
  const pairs = a.pictures.flatMap((picture, i) =>
    rows.has(picture) ? [[i, rows.get(picture)!]] : []
  );
  if (pairs.length < FEWEST) {
    return `only ${
      counted(pairs.length, "picture is", "pictures are")
    } in the test sets of both, too few for a test`;
  }
  if (pairs.some(([i, j]) => a.truth[i!] !== b.truth[j!])) {
    return "they were to say different things of the same pictures";
  }
  const scoresA = pairs.map(([i]) => a.scores[i!]!);
  const scoresB = pairs.map(([, j]) => b.scores[j!]!);
  const same = a.pictures.length === pairs.length && b.pictures.length === pairs.length;
  if (same && scoresA.every((score, i) => score === scoresB[i])) return undefined;
  const people = pairs.map(([i]) => a.people[i!]);
  return (a.metric === "accuracy" ? compareHits : compareErrors)(scoresA, scoresB, people);
}
