/** Comparison of runs, with significance tests of their models. */
import { type Interval, meanInterval } from "../../../packages/statistics/confidence_intervals.ts";
import {
  compareErrors,
  compareHits,
  compareStatistics,
  holm,
  type PairedTest,
} from "../../../packages/statistics/paired_tests.ts";
import { mean } from "../../../packages/statistics/prediction_metrics.ts";
import { counted } from "../../../packages/pipeline/causes.ts";
import type { Progress } from "../../../packages/pipeline/stage.ts";
import { cautionLines, nameOf, type RunRecord } from "../../../packages/pipeline/history.ts";
import type { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import type { UiComparison } from "../../ui/ui_api.ts";
import { type MetricName, METRICS } from "../../evaluation/metrics.ts";
import {
  type MetricRow,
  metricRows,
  type Names,
  type OverSeeds,
  parameterRows,
  statsOverSeeds,
} from "./differences.ts";
import { selectRows } from "../../training/further_metrics.ts";
import type { Bounds } from "../../training/prediction_interval.ts";
import { loadPredictions, type TestedModel } from "./load_predictions.ts";

/** Result of a comparison, as `compare --json` prints it. */
export interface Comparison extends Pick<UiComparison, "parameters" | "cautions" | "notes"> {
  readonly runs: readonly Pick<RunRecord, "id" | "pipeline" | "at" | "seconds" | "ok">[];
  readonly metrics: readonly MetricRow[];
  /** Means over runs that differ in seeds alone, if there are any. */
  readonly seeds?: OverSeeds;
  /** Test metrics of runs whose test sets are disjoint, such as folds, over all their images. */
  readonly pooled?: readonly Pooled[];
  readonly tests: readonly ModelTest[];
  /** Differences of further metrics of the same models; p with Holm's correction over all of them. */
  readonly differences: readonly Difference[];
}

/** A test metric over the images of several runs. */
export interface Pooled extends Bounds {
  readonly model: string;
  readonly metric: MetricName;
  /** Ids of the runs. */
  readonly runs: readonly string[];
  readonly images: number;
}

/** Significance test of two models on the same images. */
export interface ModelTest extends PairedTest {
  readonly model: string;
  readonly metric: MetricName;
  /** Ids of the runs. */
  readonly a: string;
  readonly b: string;
  /** p with Holm's correction, if there are several tests. */
  readonly corrected?: number;
  /** True if the difference is significant: p < 0.05. */
  readonly real: boolean;
  /** The run with the better model, if the difference is significant. */
  readonly better?: string;
}

/** Difference of a further metric of two models on the same images, by a paired bootstrap. */
export interface Difference extends Pick<ModelTest, "model" | "a" | "b" | "better">, PairedTest {
  /** Key, as evaluate.metrics names it. */
  readonly metric: string;
  readonly title: string;
  readonly corrected: number;
}

/** Minimum number of images in both test sets for a test, and of people: few vary too little. */
const MIN_IMAGES = 20, MIN_PEOPLE = 10;
const ALPHA = 0.05;

/** Compares runs by parameters, metrics and paired tests, which `progress` counts. */
export async function compareRuns(
  runs: readonly RunRecord[],
  store: ArtifactStore,
  progress?: Progress,
): Promise<Comparison> {
  const notes: string[] = [];
  const tested = await Promise.all(runs.map(async (run) => {
    // The best of many is tested against each: all metrics would take minutes.
    const further = runs.length === 2 ? "all" : "named";
    const { models, missing } = await loadPredictions(run, store, further);
    if (missing !== undefined) notes.push(missing);
    return models;
  }));
  const names = nameModels(tested);
  const named = tested.map((models, run) =>
    new Map(models.map((model) => [names[run]!.get(model.id)!, model]))
  );
  const subjects = named.map((models) =>
    new Map(Array.from(models, ([name, model]) => [name, subjectOf(model) + model.datasets]))
  );
  const metrics = metricRows(runs, names, subjects).map((row) => {
    if (row.split !== "test") return row;
    const intervals = named.map((models) => {
      const model = models.get(row.model);
      const primary = model?.metric === row.metric;
      const interval = primary ? intervalOf(model) : model?.further.get(row.metric);
      return interval && { low: interval.low, high: interval.high };
    });
    return intervals.some(Boolean) ? { ...row, intervals } : row;
  });
  const labels = [...new Set(named.flatMap((models) => [...models.keys()]))];
  const pairs = labels.flatMap((label) =>
    pairModels(label, runs, named.map((models) => models.get(label)), notes)
  );
  const further = pairs.map(({ models: [{ computable }] }) => computable.length);
  progress?.start(further.reduce((sum, n) => sum + n, pairs.length), "tests");
  const tests = [...Map.groupBy(pairs, ({ model }) => model).values()]
    .flatMap((pairs) => testModels(pairs, progress));
  const seeds = statsOverSeeds(runs, names);
  const pooled = labels.flatMap((label) =>
    (seeds?.groups ?? []).flatMap((group) =>
      pool(label, group, (id) => named[runs.findIndex((run) => run.id === id)]!.get(label)) ?? []
    )
  );
  return {
    runs: runs.map((run) => {
      const { id, at, seconds, ok } = run;
      return { id, pipeline: nameOf(run), at, seconds, ok };
    }),
    parameters: parameterRows(runs, names),
    metrics,
    ...(seeds && { seeds }),
    ...(pooled.length > 0 && { pooled }),
    tests,
    differences: differencesOf(pairs, progress),
    cautions: cautionLines(runs),
    notes,
  };
}

/** Computes the interval of a model's metric: Wilson's where the bootstrap's has no width. */
function intervalOf({ metric, scores, people }: TestedModel): Interval | undefined {
  const constant = scores.every((score) => score === scores[0]);
  return (constant ? undefined : meanInterval(scores, people)) ??
    METRICS[metric].interval(scores, people);
}

/** Pools the predictions of runs that differ in seeds or folds, if no image is in two test sets. */
function pool(
  label: string,
  runs: readonly string[],
  modelOf: (id: string) => TestedModel | undefined,
): Pooled | undefined {
  const models = runs.flatMap((id) => modelOf(id) ?? []);
  const images = models.flatMap((model) => model.images);
  if (models.length < Math.max(2, runs.length) || new Set(images).size < images.length) return;
  const { metric } = models[0]!, scores = models.flatMap((model) => [...model.scores]);
  const interval = METRICS[metric].interval(scores, models.flatMap(({ people }) => people));
  if (!interval) return undefined;
  const { low, high } = interval;
  return { model: label, metric, runs, images: images.length, value: mean(scores), low, high };
}

function subjectOf({ task, metric, classes }: TestedModel): string {
  return JSON.stringify([task, metric, classes ?? null]);
}

/**
 * Matches the models of several runs: by id, or by prediction task (gender, age in years) if each
 * run has at most one model of the task.
 * @returns for each run: model id → name
 */
function nameModels(tested: readonly (readonly TestedModel[])[]): Names[] {
  return tested.map((models) =>
    new Map(models.map((model) => {
      const subject = subjectOf(model);
      const alike = tested.map((other) => other.filter((one) => subjectOf(one) === subject));
      const ids = new Set(alike.flat().map(({ id }) => id));
      const alone = alike.every(({ length }) => length < 2);
      if (!alone || ids.size < 2) return [model.id, model.id];
      const { task, variant } = model;
      const others = tested.flat().some((one) => one.task === task && subjectOf(one) !== subject);
      return [model.id, others && variant !== undefined ? `${task} (${variant})` : task];
    }))
  );
}

/** Two models of the same task, and the rows of each on the images in both test sets. */
interface Pair {
  readonly model: string;
  /** Ids of the runs. */
  readonly a: string;
  readonly b: string;
  readonly models: readonly [TestedModel, TestedModel];
  readonly rows: readonly [Int32Array, Int32Array];
}

/** Pairs two models, or the best one with each other one; equal models are no pair. */
function pairModels(
  model: string,
  runs: readonly RunRecord[],
  models: readonly (TestedModel | undefined)[],
  notes: string[],
): Pair[] {
  const there = models.flatMap((model, run) => model ? [{ model, run: runs[run]!.id }] : []);
  if (there.length < 2) return [];
  const { metric } = there[0]!.model;
  if (there.some(({ model }) => model.metric !== metric)) {
    notes.push(`${model}: accuracy and years cannot be compared`);
    return [];
  }
  const sign = METRICS[metric].better === "more" ? 1 : -1;
  const [first, ...rest] = there.length === 2
    ? there
    : there.toSorted((x, y) => (mean(y.model.scores) - mean(x.model.scores)) * sign);
  return rest.flatMap((other): Pair[] => {
    const [a, b] = [first!.run, other.run], models = [first!.model, other.model] as const;
    const rows = commonRows(...models);
    if (typeof rows === "object") return [{ model, a, b, models, rows }];
    if (rows !== undefined) notes.push(`${model}, ${a} and ${b}: ${rows}`);
    return [];
  });
}

/**
 * Returns the rows of two models on the images in both test sets.
 * @returns the reason if there are too few; undefined for equal models, as of runs that share one
 */
function commonRows(a: TestedModel, b: TestedModel): Pair["rows"] | string | undefined {
  const rows = new Map(b.images.map((image, row) => [image, row]));
  const pairs = a.images.flatMap((image, i) => rows.has(image) ? [[i, rows.get(image)!]] : []);
  // An unknown person is in a single image.
  const people = new Set(pairs.map(([i]) => a.people[i!] || `image\n${a.images[i!]}`)).size;
  if (pairs.length === 0) return "no image is in both test sets";
  const few = pairs.length < MIN_IMAGES
    ? counted(pairs.length, "image is", "images are")
    : people < MIN_PEOPLE && counted(people, "person is", "people are");
  if (few) return `only ${few} in both test sets, too few for a test`;
  if (pairs.some(([i, j]) => a.scored.truth[i!] !== b.scored.truth[j!])) {
    return "their labels of the same images differ";
  }
  const same = a.images.length === pairs.length && b.images.length === pairs.length;
  if (same && pairs.every(([i, j]) => a.scores[i!] === b.scores[j!])) return undefined;
  return [Int32Array.from(pairs, ([i]) => i!), Int32Array.from(pairs, ([, j]) => j!)];
}

/**
 * Adjusts p-values by Holm's method. The same images have chosen the best of several models, so all their
 * pairs count, untested ones with p = 1.
 * @param nameOf returns the same name for all tests of one best model
 */
function holmOfBest<T extends PairedTest>(tests: readonly T[], nameOf: (test: T) => string) {
  const others = Map.groupBy(tests, nameOf).values()
    .flatMap(({ length }) => new Array<number>(length * (length - 1) / 2).fill(1));
  return holm([...tests.map(({ p }) => p), ...others]);
}

/** Tests the pairs of a model, with Holm's correction. */
function testModels(pairs: readonly Pair[], progress?: Progress): ModelTest[] {
  const tests = pairs.map(({ model, models: [a, b], rows: [own, other] }) => {
    progress?.advance(1, `${model} ${a.metric}`);
    return (a.metric === "accuracy" ? compareHits : compareErrors)(
      Array.from(own, (row) => a.scores[row]!),
      Array.from(other, (row) => b.scores[row]!),
      Array.from(own, (row) => a.people[row]),
    );
  });
  const corrected = holmOfBest(tests, () => "");
  return tests.map((test, i): ModelTest => {
    const { model, a, b, models: [{ metric }] } = pairs[i]!, real = corrected[i]! < ALPHA;
    const sign = METRICS[metric].better === "more" ? 1 : -1;
    return {
      model,
      metric,
      a,
      b,
      ...test,
      ...(tests.length > 1 && { corrected: corrected[i] }),
      real,
      ...(real && { better: test.difference * sign > 0 ? a : b }),
    };
  });
}

/** Compares further metrics of all pairs. */
function differencesOf(pairs: readonly Pair[], progress?: Progress): Difference[] {
  const found = pairs.flatMap(({ model, a, b, models: [first, second], rows: [own, other] }) => {
    const people = Array.from(own, (row) => first.people[row]);
    const [x, y] = [selectRows(first.scored, own), selectRows(second.scored, other)];
    return first.computable.flatMap(({ name: metric, title, compute, better }) => {
      progress?.advance(1, `${model} ${metric}`);
      if (!second.computable.some(({ name }) => name === metric)) return [];
      const of = (all: typeof x) => (rows: ArrayLike<number>) => compute(selectRows(all, rows));
      const test = compareStatistics(own.length, of(x), of(y), people);
      return test ? [{ model, metric, title, a, b, direction: better, ...test }] : [];
    });
  });
  const corrected = holmOfBest(found, ({ model, metric }) => `${model} ${metric}`);
  return found.map(({ direction, ...one }, i): Difference => {
    const real = direction !== undefined && corrected[i]! < ALPHA;
    const first = (direction === "more") === (one.difference > 0);
    return { ...one, corrected: corrected[i]!, ...(real && { better: first ? one.a : one.b }) };
  });
}
