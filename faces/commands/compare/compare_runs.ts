/** Comparison of runs, with significance tests of their models. */
import {
  groupsOf,
  type Interval,
  meanInterval,
} from "../../../packages/statistics/confidence_intervals.ts";
import {
  ALPHA,
  compareErrors,
  compareHits,
  compareSettings,
  compareSettingStatistics,
  compareStatistics,
  holm,
  type PairedTest,
} from "../../../packages/statistics/paired_tests.ts";
import { mean } from "../../../packages/statistics/prediction_metrics.ts";
import { cautionLines, counted } from "../../../packages/pipeline/causes.ts";
import type { Progress } from "../../../packages/pipeline/stage.ts";
import { nameOf } from "../../../packages/pipeline/find_runs.ts";
import type { RunRecord } from "../../../packages/pipeline/history.ts";
import { divisionOf } from "../../../packages/pipeline/run_settings.ts";
import { areAlike } from "../../../packages/pipeline/spread.ts";
import type { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import type { UiComparison } from "../../ui/ui_api.ts";
import { type MetricName, METRICS, NARROW_BELOW, narrowness } from "../../evaluation/metrics.ts";
import {
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
export interface Comparison
  extends Pick<UiComparison, "parameters" | "metrics" | "cautions" | "notes"> {
  readonly runs: readonly Pick<RunRecord, "id" | "pipeline" | "at" | "seconds" | "ok">[];
  /** Means over runs that differ in seeds alone, if there are any. */
  readonly seeds?: OverSeeds;
  /** Test metrics of runs whose test sets are disjoint, such as folds, over all their images. */
  readonly pooled?: readonly Pooled[];
  /** Tests of settings against each other, of which there are runs with several seeds each. */
  readonly settings?: readonly (ModelTest & SeedCounts)[];
  readonly tests: readonly ModelTest[];
  /** Differences of further metrics, of settings where these are tested; p with Holm's correction. */
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
  /** p with Holm's correction. */
  readonly corrected: number;
  /** True if the difference is significant: p < 0.05. */
  readonly real: boolean;
  /** The run with the better model, if the difference is significant. */
  readonly better?: string;
}

/** Number of models of each of two settings; `a` and `b` are the first run of each. */
export interface SeedCounts {
  readonly models: readonly [number, number];
  /** Number of pairs of models with the same test set, if seeds vary the split. */
  readonly splits?: number;
}

/** Difference of a further metric of two models on the same images, or of two settings. */
export interface Difference extends Omit<ModelTest, "metric">, Partial<SeedCounts> {
  /** Key, as evaluate.metrics names it. */
  readonly metric: string;
  readonly title: string;
}

/** Minimum number of images in both test sets for a test, and of people: few vary too little. */
const MIN_IMAGES = 20, MIN_PEOPLE = 10;
/** Minimum number of seeds of a setting: of two, up to 11 % of equal settings differ. */
const MIN_SEEDS = 3;
/** Reasons that there is no test of models. */
const DISJOINT = "no image is in both test sets";
const RELABELLED = "their labels of the same images differ";
/** Reason that means over groups are not tested. */
const FEW = "is not tested, as a class or group has too few images or people";

/** Compares runs by parameters, metrics and paired tests, which `progress` counts. */
export async function compareRuns(
  runs: readonly RunRecord[],
  store: ArtifactStore,
  progress?: Progress,
): Promise<Comparison> {
  const notes: string[] = [];
  const tested = await Promise.all(runs.map(async (run) => {
    const { models, missing } = await loadPredictions(run, store);
    if (missing !== undefined) notes.push(missing);
    return models;
  }));
  const divisions = await Promise.all(runs.map((run) => divisionOf(run, store)));
  const names = nameModels(tested);
  const named = tested.map((models, run) =>
    new Map(models.map((model) => [names[run]!.get(model.id)!, model]))
  );
  const labels = [...new Set(named.flatMap((models) => [...models.keys()]))];
  const all = (label: string) => named.flatMap((models) => models.get(label) ?? []);
  const relabelled = new Set(labels.filter((label) => commonRows(all(label)) === RELABELLED));
  const apart = new Set(
    labels.filter((label) => !areAlike(all(label).map(({ images }) => new Set(images)))),
  ).union(relabelled);
  const subjectIn = (run: number, name: string, split: string) => {
    const model = named[run]!.get(name), ofValidation = split === "validation";
    const images = ofValidation ? divisions[run] : model?.datasets ?? "";
    // Labels that differ in the test set do so in the validation set.
    const differ = (ofValidation ? relabelled : apart).has(name);
    return `${model ? subjectOf(model) : ""}${images}${differ ? ` of run ${run}` : ""}`;
  };
  const metrics = metricRows(runs, names, subjectIn).map((row) => {
    if (row.split !== "test") return row;
    const intervals = named.map((models, run) => {
      if (row.values[run] === undefined) return undefined;
      const model = models.get(row.model);
      const primary = model?.metric === row.metric;
      const interval = primary ? intervalOf(model) : model?.further.get(row.name);
      if (!interval || isNarrow(interval, model!.people)) return undefined;
      return { low: interval.low, high: interval.high };
    });
    return intervals.some(Boolean) ? { ...row, intervals } : row;
  });
  const seeds = statsOverSeeds(runs, names), groups = seeds?.groups ?? [];
  const modelsOf = (label: string, ids: readonly string[]) =>
    ids.flatMap((id) => named[runs.findIndex((run) => run.id === id)]!.get(label) ?? []);
  const folds = labels.flatMap((label) =>
    groups.map((ids) => ({ label, ids, models: modelsOf(label, ids) })).filter(areFolds)
  );
  const pooled = folds.flatMap((one) => pool(one) ?? []);
  const folded = new Set(folds.flatMap(({ ids }) => ids));
  for (const { ids: [first, ...others] } of folds) {
    notes.push(
      `${first} and ${others.length} more were each tested on other images: see their mean ` +
        "and spread",
    );
  }
  const candidatesOf = (label: string, of: readonly (readonly string[])[]) =>
    distinct(of.map((ids) => ({ ids, models: modelsOf(label, ids) })));
  const settings = labels.flatMap((label) =>
    pairSettings(label, candidatesOf(label, groups), notes)
  );
  const alone = (label: string) => settings.every(({ model }) => model !== label);
  const pairs = labels.flatMap((label) => {
    const candidates = candidatesOf(label, runs.map(({ id }) => [id]));
    // Of one seed each, a test of them finds a lucky seed significant.
    if (groups.length > 1 && candidates.length > 1 && candidatesOf(label, groups).length === 1) {
      notes.push(`${label}: its models differ in seeds or folds alone: see their mean and spread`);
      return [];
    }
    return pairUp(
      label,
      candidates,
      (a, b) => {
        const found = commonRows([...a.models, ...b.models]);
        const apart = found === DISJOINT && [a, b].every(({ ids: [id] }) => folded.has(id!));
        return apart ? undefined : found;
      },
      // Tests of settings are shown in place of these.
      alone(label) ? notes : [],
    );
  });
  // The best of many is tested against each: all metrics would take minutes.
  const further = [
    ...pairs.filter(({ model }) => alone(model))
      .map((pair) => ({ ...pair, metrics: metricsOf(pair.several, runs.length === 2) })),
    ...settings.flatMap((pair) => {
      const { rows, several, model } = pair;
      const only = settings.filter((other) => other.model === model).length === 1;
      return rows ? { ...pair, rows, metrics: metricsOf(several, only) } : [];
    }),
  ];
  const count = further.flatMap(({ metrics }) => metrics).length;
  progress?.start(pairs.length + count, "tests");
  return {
    runs: runs.map((run) => {
      const { id, at, seconds, ok } = run;
      return { id, pipeline: nameOf(run), at, seconds, ok };
    }),
    parameters: parameterRows(runs, names),
    metrics,
    ...(seeds && { seeds }),
    ...(pooled.length > 0 && { pooled }),
    ...(settings.length > 0 && {
      settings: testPairs(settings, ({ test }) => compareSettings(...test)),
    }),
    tests: testPairs(pairs, ({ model, metric, several, rows }) => {
      progress?.advance(1, `${model} ${metric}`);
      const [x, y] = several.map(({ scores }, i) => selectValues(scores, rows[i]!));
      const people = selectValues(several[0]!.people, rows[0]!);
      return (metric === "accuracy" ? compareHits : compareErrors)(x!, y!, people);
    }),
    differences: differencesOf(further, notes, progress),
    cautions: cautionLines(runs),
    notes: [...new Set(notes)],
  };
}

/** Computes the interval of a model's metric: Wilson's where the bootstrap's has no width, or little. */
function intervalOf({ metric, scores, people }: TestedModel): Interval | undefined {
  const apt = scores.length >= NARROW_BELOW && scores.some((score) => score !== scores[0]);
  return (apt ? meanInterval(scores, people) : undefined) ??
    METRICS[metric].interval(scores, people);
}

/** @param people person of each image */
function isNarrow(interval: Interval, people: readonly unknown[]): boolean {
  return narrowness(interval, people.length, groupsOf(people.length, people).length) !== "";
}

/** Returns true if all runs have a model, of which no image is in two test sets. */
function areFolds({ ids, models }: Candidate): boolean {
  const images = models.flatMap((model) => model.images);
  return models.length >= Math.max(2, ids.length) && new Set(images).size === images.length;
}

/** Pools the predictions of folds. */
function pool(
  { label: model, ids: runs, models }: Candidate & { readonly label: string },
): Pooled | undefined {
  const { metric } = models[0]!, scores = models.flatMap(({ scores }) => [...scores]);
  const people = models.flatMap(({ people }) => people);
  const interval = METRICS[metric].interval(scores, people);
  if (!interval || isNarrow(interval, people)) return undefined;
  const { low, high } = interval;
  return { model, metric, runs, images: scores.length, value: mean(scores), low, high };
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

/** Models of a run, or of runs that differ in seeds alone. */
interface Candidate {
  readonly ids: readonly string[];
  readonly models: readonly TestedModel[];
}

/** Returns the candidates that have other models each; results that several runs share count once. */
function distinct(candidates: readonly Candidate[]): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const { ids, models } of candidates) {
    const own = new Map(models.map((one) => [one.key, one]));
    const candidate = { ids, models: [...own.values()] };
    if (own.size > 0) found.getOrInsert([...own.keys()].sort().join("\n"), candidate);
  }
  return [...found.values()];
}

type Compared = Pick<ModelTest, "model" | "metric" | "a" | "b">;

/** Models of the same task, two or those of two settings, and the rows of each on their common images. */
interface Pair extends Compared {
  readonly several: readonly TestedModel[];
  readonly rows: readonly Int32Array[];
}

/** Two settings, and the arguments of their test. */
interface SettingPair extends Compared, SeedCounts, Omit<Pair, "rows"> {
  /** Undefined if seeds vary the test set. */
  readonly rows?: Pair["rows"];
  readonly test: Parameters<typeof compareSettings>;
}

/**
 * Pairs two candidates, or the best one with each other one.
 * @param align returns what a test takes; the reason if there is no test; undefined if none is expected
 */
function pairUp<T extends object>(
  model: string,
  candidates: readonly Candidate[],
  align: (a: Candidate, b: Candidate) => T | string | undefined,
  notes: string[],
): (T & Compared)[] {
  const metrics = new Set(candidates.map(({ models }) => models[0]!.metric)), [metric] = metrics;
  if (metric === undefined) return [];
  if (metrics.size > 1) {
    notes.push(`${model}: accuracy and years cannot be compared`);
    return [];
  }
  const sign = METRICS[metric].better === "more" ? 1 : -1;
  const valueOf = ({ models }: Candidate) => mean(models.map(({ scores }) => mean(scores))) * sign;
  const [first, ...rest] = candidates.length === 2
    ? candidates
    : candidates.toSorted((x, y) => valueOf(y) - valueOf(x));
  return rest.flatMap((other) => {
    const [a, b] = [first!.ids[0]!, other.ids[0]!], found = align(first!, other);
    if (typeof found === "object") return [{ model, metric, a, b, ...found }];
    if (found !== undefined) notes.push(`${model}, ${a} and ${b}: ${found}`);
    return [];
  });
}

/** Returns the rows of models on the images in all their test sets; the reason if there are too few. */
function commonRows(several: readonly TestedModel[]) {
  const maps = several.map(({ images }) => new Map(images.map((image, row) => [image, row])));
  const [first] = several, { images, people } = first!;
  const own = images.flatMap((image, row) => maps.every((map) => map.has(image)) ? [row] : []);
  const rows = maps.map((map) => Int32Array.from(own, (row) => map.get(images[row]!)!));
  const truths = several.map(({ scored }) => scored.truth);
  const sets = [...new Set(several.map(({ datasets }) => datasets.join(" and ")))];
  if (own.length === 0) {
    const names = `${
      sets.join(" or ")
    }. If their photos are the same, give both data sets one name`;
    return sets.length > 1 ? `${DISJOINT}, ${names}, as { folder: …, name: … }` : DISJOINT;
  }
  const equal = rows.every((rows, m) =>
    rows.every((row, i) => truths[m]![row] === truths[0]![own[i]!])
  );
  if (!equal) return RELABELLED;
  // An unknown person is in a single image.
  const persons = new Set(own.map((row) => people[row] || `image\n${images[row]}`)).size;
  const few = own.length < MIN_IMAGES
    ? counted(own.length, "image is", "images are")
    : persons < MIN_PEOPLE && counted(persons, "person is", "people are");
  return few ? `only ${few} in both test sets, too few for a test` : { several, rows };
}

/** Pairs settings of several seeds, the best one with each other one. */
function pairSettings(
  model: string,
  settings: readonly Candidate[],
  notes: string[],
): SettingPair[] {
  const several = settings.filter(({ models }) => models.length >= MIN_SEEDS);
  if (settings.length > Math.max(1, several.length)) {
    notes.push(`${model}: settings of fewer than ${MIN_SEEDS} seeds are not tested`);
  }
  return pairUp(model, several, (a, b) => {
    const all = [...a.models, ...b.models];
    if (new Set(all.map(({ key }) => key)).size < all.length) return undefined;
    const found = alignSeeds(a.models, b.models);
    const models = [a.models.length, b.models.length] as const;
    return typeof found === "string" ? found : { models, several: all, ...found };
  }, notes);
}

/**
 * Returns scores of the seeds of two settings on the images in all test sets, and their people. If
 * seeds vary the split, returns differences of models with the same test set in place of scores.
 * Returns the reason if there are too few images or seeds.
 */
function alignSeeds(
  a: readonly TestedModel[],
  b: readonly TestedModel[],
): Pick<SettingPair, "rows" | "splits" | "test"> | string {
  const all = [...a, ...b], least = Math.min(...all.map(({ images }) => images.length));
  const common = commonRows(all);
  if (typeof common === "object" && common.rows[0]!.length >= least / 2) {
    const { rows } = common, people = selectValues(a[0]!.people, rows[0]!);
    const scores = all.map(({ scores }, m) => selectValues(scores, rows[m]!));
    return { rows, test: [[scores.slice(0, a.length), scores.slice(a.length)], people] };
  }
  const others = new Set(b), people = new Map<string, unknown>();
  const pairs = a.flatMap((one): (string | Map<string, number>)[] => {
    const own = new Set(one.images);
    const other = others.values().find(({ images }) =>
      own.symmetricDifference(new Set(images)).size === 0
    );
    if (!other) return [];
    others.delete(other);
    const found = commonRows([one, other]);
    if (typeof found === "string") return [found];
    const theirs = selectValues(other.scores, found.rows[1]!);
    one.images.forEach((image, row) => people.set(image, one.people[row]));
    return [new Map(one.images.map((image, row) => [image, one.scores[row]! - theirs[row]!]))];
  });
  const differences = pairs.filter((found) => typeof found !== "string");
  const samples = differences.map((one) => Array.from(people.keys(), (at) => one.get(at) ?? NaN));
  if (samples.length >= MIN_SEEDS) {
    return { splits: samples.length, test: [[samples], [...people.values()]] };
  }
  if (pairs.length < MIN_SEEDS) {
    return `their seeds share no test set, and fewer than ${MIN_SEEDS} of each have the same one`;
  }
  const reason = pairs.find((found) => typeof found === "string");
  return `${pairs.length - samples.length} of ${pairs.length} pairs of their seeds with the same ` +
    `test set have no test, as ${reason}`;
}

const selectValues = <T>(values: ArrayLike<T>, rows: Int32Array) =>
  Array.from(rows, (row) => values[row]!);

/**
 * Adds p-values adjusted by Holm's method, and the better run. The same images have chosen the best
 * of several models, so all their pairs count, untested ones with p = 1.
 * @param nameOf returns the same name for all tests of one best model
 */
function decide<T extends PairedTest & Pick<Compared, "a" | "b">>(
  tests: readonly T[],
  directionOf: (test: T) => "more" | "less" | undefined,
  nameOf: (test: T) => string = () => "",
): (T & Pick<ModelTest, "real" | "better"> & { corrected: number })[] {
  const others = Map.groupBy(tests, nameOf).values()
    .flatMap(({ length }) => new Array<number>(length * (length - 1) / 2).fill(1));
  const corrected = holm([...tests.map(({ p }) => p), ...others]);
  return tests.map((test, i) => {
    const better = directionOf(test), real = better !== undefined && corrected[i]! < ALPHA;
    const first = (better === "more") === (test.difference > 0);
    return {
      ...test,
      corrected: corrected[i]!,
      real,
      ...(real && { better: first ? test.a : test.b }),
    };
  });
}

/** Tests pairs, with Holm's correction over those of a model. */
function testPairs<P extends Compared & Partial<SeedCounts>>(
  pairs: readonly P[],
  test: (pair: P) => PairedTest,
): (ModelTest & Pick<P, "models" | "splits">)[] {
  return [...Map.groupBy(pairs, ({ model }) => model).values()].flatMap((own) =>
    decide(
      own.map((pair) => {
        const { model, metric, a, b, models, splits } = pair;
        return { model, metric, a, b, models, splits, ...test(pair) };
      }),
      ({ metric }) => METRICS[metric].better,
    )
  );
}

/** Returns the further metrics that all models have. @param all false for those that evaluate names */
function metricsOf([first, ...others]: readonly TestedModel[], all: boolean) {
  return first!.computable.filter(({ use, named }) =>
    (all || named) && others.every(({ computable }) => computable.some((one) => one.use === use))
  );
}

/** Compares further metrics of all pairs, of models or settings. @param notes gets those without a test */
function differencesOf(
  pairs: readonly (Pair & Partial<SeedCounts> & { metrics: ReturnType<typeof metricsOf> })[],
  notes: string[],
  progress?: Progress,
): Difference[] {
  const found = pairs.flatMap(
    ({ model, metric: primary, a, b, several, rows, models, metrics }) => {
      const people = selectValues(several[0]!.people, rows[0]!), n = people.length;
      const scored = several.map(({ scored }, i) => selectRows(scored, rows[i]!));
      return metrics.flatMap(({ name: metric, titleFor, groupsOf, ofRows, better }) => {
        progress?.advance(1, `${model} ${metric}`);
        const statistics = scored.map(ofRows), groups = groupsOf(scored[0]!);
        const settings = [statistics.slice(0, models?.[0]), statistics.slice(models?.[0])];
        const test = models
          ? compareSettingStatistics(n, settings, people, groups)
          : compareStatistics(n, statistics[0]!, statistics[1]!, people, groups);
        const title = titleFor(primary, several[0]!.classes);
        if (test) return [{ model, metric, title, a, b, models, direction: better, ...test }];
        if (groups) notes.push(`${model}, ${a} and ${b}: ${title} ${FEW}`);
        return [];
      });
    },
  );
  return decide(found, ({ direction }) => direction, ({ model, metric }) => `${model} ${metric}`)
    .map(({ direction: _, models, ...one }) => ({ ...one, ...(models && { models }) }));
}
