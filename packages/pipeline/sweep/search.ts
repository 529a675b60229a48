/**
 * Sweeps that search: values drawn from ranges, and the best values of an earlier sweep. They make
 * points like a grid's, so they run, resume and are summarised like it.
 */
import { random } from "@reproducible/random/random";
import { ArtifactStore } from "../artifact_store.ts";
import type { App, Directions } from "../app.ts";
import type { Override } from "../config/override.ts";
import type { Best, Range } from "../config/pipeline_schema.ts";
import { shortPath } from "../config/config_source.ts";
import { ConfigError, joinWords, type Location, UsageError } from "../errors.ts";
import { editSince, type WrittenStages } from "../run_settings.ts";
import { canonicalJson } from "../fingerprint.ts";
import { byTime, History, type RunRecord } from "../history.ts";
import { byPipeline, runsOfPipeline } from "../find_runs.ts";
import { counted } from "../causes.ts";
import { commandOf } from "../pipeline_identity.ts";
import { isSeed, withoutOptions } from "../spread.ts";
import { areComparable, summarise, withoutSeeds } from "../sweep_summary.ts";

/** A varied value: its list, or the range that its values are drawn from. */
export interface Axis {
  /** As written: "seed", "train.learningRate". */
  readonly key: string;
  readonly values: readonly Override[];
  readonly range?: Range;
  readonly at: Location;
}

type Row = readonly Override[];

/**
 * Returns every combination of some rows and all values, the last axis varying fastest.
 * @throws {ConfigError} at ranges, from which nothing is drawn
 */
export function grid(axes: readonly Axis[], rows: readonly Row[] = [[]]): readonly Row[] {
  const problems = axes.filter(({ range }) => range).map(({ key, at }) => ({
    at,
    message: `${key}: a range needs the number of values to draw, as in sweep: { trials: 30, … }`,
  }));
  if (problems.length > 0) throw new ConfigError(problems);
  return axes.reduce(
    (rows, { values }) => rows.flatMap((row) => values.map((value) => [...row, value])),
    rows,
  );
}

/**
 * Draws combinations: each axis by itself, from its range or list. The first of them are the same for
 * any number, so that a search can be extended.
 * @param seed the pipeline's
 * @returns distinct combinations, fewer if there are no more
 */
export function drawTrials(axes: readonly Axis[], trials: number, seed: number): Row[] {
  const rows = new Map<string, Row>();
  // A trial that has been drawn before is drawn again, which ends where lists have too few values.
  for (let i = 0; i < 20 * trials && rows.size < trials; i++) {
    const row = axes.map(({ key, values, range, at }) => {
      const source = random(seed, "sweep", key, i);
      if (!range) return source.pick(values);
      return { path: key.split("."), value: drawValue(range, source.next()), at };
    });
    const text = canonicalJson(row.map(({ value }) => value ?? null));
    if (!rows.has(text)) rows.set(text, row);
  }
  return [...rows.values()];
}

/** @param share position in the range, from 0 to below 1 */
function drawValue({ from, to, scale, step }: Range, share: number): number {
  const place = (to: number) =>
    scale === "log" ? from * (to / from) ** share : from + (to - from) * share;
  const within = (value: number, digits: number) =>
    Math.min(Math.max(Number(value.toPrecision(digits)), from), to);
  // Four digits suffice, and are legible in names and tables.
  if (step === undefined) return within(place(to), 4);
  // Each value has a step of the range, the last one too.
  const values = Math.floor(Number(((to - from) / step).toPrecision(12))) + 1;
  const steps = Math.floor((place(from + values * step) - from) / step);
  return within(from + Math.min(steps, values - 1) * step, 12);
}

/** A pipeline that was swept, as its YAML is now. */
export interface SweptPipeline {
  readonly identity: string;
  /** Varied values; none if the command line alone varies. */
  readonly axes: readonly Axis[];
  /** The values of all runs of its sweep. */
  readonly points: readonly Point[];
  /** Returns the varied values of a run by the keys that the YAML has for them now. */
  respelled(point: Point): Point;
  /**
   * Returns the stages that a metric of a run with these values depends on.
   * @throws {ConfigError} if the pipeline does not take the values
   */
  stagesOf(point: Point): Promise<WrittenStages>;
}

/** The varied values of a run. */
export type Point = Required<RunRecord>["point"];

/**
 * Returns the values of the best points of an earlier sweep, the best first. Points that differ in
 * seeds or folds count as one, by their mean. Runs count that its YAML would make as it is now.
 * @param artifacts folder of its runs
 * @param pipelineNow reads its YAML, which may need values of a run
 * @param log logs which runs do not count and how many are yet to be made
 * @throws {UsageError} if there is no such sweep or metric
 */
export async function bestPoints(
  { of, by, share }: Best,
  artifacts: string,
  pipelineNow: (point?: Point) => Promise<SweptPipeline>,
  better: Directions = {},
  log: (line: string) => void = () => {},
  metricNames?: App["metricNames"],
): Promise<Record<string, unknown>[]> {
  const runs = await new History(artifacts).list();
  const last = byPipeline(of, runs).findLast(({ point }) => point);
  const now = await pipelineNow(last?.point), listed = runsOfPipeline(of, runs, now.identity);
  const swept = listed.filter((run): run is SweptRun => run.ok && run.point !== undefined)
    .map((run): SweptRun => ({ ...run, point: now.respelled(run.point) })).sort(byTime);
  const edits = await editsSince(swept, now);
  const groups = Map.groupBy(swept, (run) => edits.get(run));
  const matching = groups.get(undefined) ?? [];
  const left = joinWords([...groups.keys()].filter((edit) => edit !== undefined));
  const command = commandOf(now.identity, {});
  if (swept.length > 0 && matching.length === 0) {
    throw new UsageError(
      `sweep.best: no run of "${of}" is as its YAML is now: ${left}. ` +
        `Run it again, or undo its edit: ${command}`,
    );
  }
  if (left !== "") {
    const count = counted(swept.length - matching.length, "run");
    log(
      `sweep.best leaves out ${count} of "${of}" that its YAML, as it is now, does not make: ${left}`,
    );
  }
  const done = countDone(matching.map(({ point }) => point), now.points);
  if (swept.length > 0 && done < now.points.length) {
    log(
      `sweep.best: only ${done} of ${counted(now.points.length, "run")} of "${of}" are done, ` +
        `and the best are a share of these. To run the others first: ${command}`,
    );
  }
  const finished = matching.map(({ point: values, ...run }) => ({ ...run, values }));
  const [names, own] = await Promise.all([matching, matching.slice(-1)].map(async (some) => {
    const made = some.flatMap(({ stages }) => stages);
    return await metricNames?.(made.flatMap(({ dependencies = [] }) => dependencies)) ?? {};
  }));
  const measured = summarise(finished).flatMap(({ values, metrics }) =>
    metrics.filter(({ split }) => split === "validation").map(({ stage, metric, mean }) => {
      const key = `${stage}.${metric}`, name = `${stage}.${names[metric] ?? metric}`;
      // Of all runs, a metric is printed with the options that they share.
      const shared = own[metric] === names[metric];
      return { values, mean, metric: withoutOptions(metric), key, name, shared };
    })
  );
  const rows = measured.filter(({ key, name }) => by === key || by === name);
  if (rows.length === 0) {
    const known = new Set(measured.map(({ name }) => name));
    throw new UsageError(
      finished.length === 0
        ? `sweep.best: no run of a sweep of "${of}" has finished. Run that sweep first.`
        : `sweep.best: no run of "${of}" has ${by} on validation. ` +
          (known.size > 0 ? `They have ${joinWords([...known])}.` : "They have no such metric."),
    );
  }
  const [{ metric, shared }] = rows;
  const direction = shared ? better[metric] ?? (metric === "loss" ? "less" : undefined) : undefined;
  if (!direction) {
    const other = measured.find(({ metric, shared }) => shared && better[metric]);
    const why = shared
      ? "whether more or less of it is better is not known"
      : `its options differ among the runs of "${of}"`;
    throw new UsageError(
      `sweep.best: cannot choose by ${by}: ${why}. ` +
        `Name another metric${other ? `, such as ${other.name}` : ""}.`,
    );
  }
  if (!await areComparable(matching, new ArtifactStore(artifacts))) {
    log(
      `sweep.best: the points of "${of}" share less than half of their validation sets, so the best ` +
        `${by} may be that of the easiest set. To choose by it, vary data and split by seeds or ` +
        "folds alone, the same for each point",
    );
  }
  const sign = direction === "less" ? 1 : -1;
  rows.sort((a, b) => sign * (a.mean - b.mean));
  return rows.slice(0, Math.ceil(share * rows.length - 1e-9)).map(({ values }) => values);
}

/** Counts the points of a sweep that are done. Other draws within its ranges are as good as its own. */
function countDone(made: readonly Point[], points: readonly Point[]): number {
  const seedsOf = (point: Point) =>
    canonicalJson(
      Object.fromEntries(Object.entries(point).filter(([key, value]) => isSeed(key, value))),
    );
  const wanted = new Set(points.map(seedsOf));
  const counting = made.filter((point) => wanted.has(seedsOf(point)));
  return Math.min(new Set(counting.map(canonicalJson)).size, points.length);
}

type SweptRun = RunRecord & { readonly point: Point };

/**
 * Returns what was edited since each run; undefined for one that the YAML would make as it is now.
 * @param swept the oldest first
 */
async function editsSince(swept: readonly SweptRun[], now: SweptPipeline) {
  const data = new Map<string, string>(), edits = new Map<SweptRun, string | undefined>();
  for (const run of swept.toReversed()) {
    const edit = triesOthers(run.point, now.axes) ??
      await editSince(run, now.stagesOf(run.point));
    // Data is not in the YAML: of equal values, such as paths, the newest run has it as it is now.
    const other = edit === undefined && run.stages.find(({ id, dependencies }) => {
      const external = canonicalJson(dependencies?.external ?? null);
      const own = Object.entries(withoutSeeds(run.point))
        .filter(([key]) => shortPath(key.split("."))[0] === id);
      const stage = canonicalJson([id, dependencies?.params, own]);
      return data.getOrInsert(stage, external) !== external;
    });
    edits.set(run, other ? `the data of ${other.id} changed` : edit);
  }
  return edits;
}

/** Explains that a sweep does not try the values of a point; more trials draw within its ranges. */
function triesOthers(point: Point, axes: readonly Axis[]): string | undefined {
  if (axes.length === 0) return undefined;
  const keys = [...Object.keys(point), ...axes.map(({ key }) => key)];
  const other = keys.filter((key) => !isSeed(key, point[key])).find((key) => {
    const axis = axes.find((one) => one.key === key), value = point[key];
    if (!axis || !Object.hasOwn(point, key)) return true;
    const { range, values: listed } = axis;
    const text = canonicalJson(value ?? null);
    if (!range) return listed.every(({ value }) => canonicalJson(value ?? null) !== text);
    return typeof value !== "number" || value < range.from || value > range.to;
  });
  return other && `its values of ${other} changed`;
}
