/**
 * Sweeps that search: values drawn from ranges, and the best values of an earlier sweep. They make
 * points like a grid's, so they run, resume and are summarised like it.
 */
import { random } from "@reproducible/random/random";
import type { Directions, MetricNames } from "../app.ts";
import type { Override } from "../config/override.ts";
import type { Best, Range } from "../config/pipeline_schema.ts";
import { ConfigError, joinWords, type Location, UsageError } from "../errors.ts";
import { canonicalJson } from "../fingerprint.ts";
import { byTime, History, type RunRecord } from "../history.ts";
import { runsOfPipeline } from "../find_runs.ts";
import { settingsOf } from "../run_settings.ts";
import { counted } from "../causes.ts";
import { summarise } from "../sweep_summary.ts";

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

/**
 * Returns the values of the best points of an earlier sweep, the best first. Points that differ in
 * seeds or folds count as one, by their mean. Runs from before an edit of its pipeline do not count.
 * @param artifacts folder of its runs
 * @param log logs how many do not
 * @throws {UsageError} if there is no such sweep or metric
 */
export async function bestPoints(
  { of, by, share }: Best,
  artifacts: string,
  better: Directions = {},
  log: (line: string) => void = () => {},
  names: MetricNames = {},
): Promise<Record<string, unknown>[]> {
  const nameOf = (stage: string, metric: string) => `${stage}.${names[metric] ?? metric}`;
  const listed = runsOfPipeline(of, await new History(artifacts).list());
  const swept = listed.filter(({ ok, point }) => ok && point).sort(byTime);
  const varied = new Set(swept.flatMap(({ point }) => Object.keys(point!)));
  const settings = swept.map((run) => unvaried(run, varied));
  const last: Record<string, string> = Object.assign({}, ...settings);
  const edits = settings.map((one) => Object.keys(one).find((name) => one[name] !== last[name]));
  const edited = edits.filter((edit) => edit !== undefined);
  if (edited.length > 0) {
    log(
      `sweep.best leaves out ${counted(edited.length, "run")} of "${of}" from before ` +
        `${joinWords([...new Set(edited)])} changed`,
    );
  }
  const finished = swept.filter((_, i) => edits[i] === undefined)
    .map(({ point, metrics, stages }) => ({ values: point!, metrics, stages }));
  const measured = summarise(finished).flatMap(({ values, metrics }) =>
    metrics.filter(({ split }) => split === "validation")
      .map(({ stage, metric, mean }) => ({ values, mean, metric, name: nameOf(stage, metric) }))
  );
  const dot = by.lastIndexOf("."), wanted = nameOf(by.slice(0, dot), by.slice(dot + 1));
  const rows = measured.filter(({ name }) => name === wanted);
  if (rows.length === 0) {
    const known = new Set(measured.map(({ name }) => name));
    throw new UsageError(
      finished.length === 0
        ? `sweep.best: no run of a sweep of "${of}" has finished. Run that sweep first.`
        : `sweep.best: no run of "${of}" has ${by} on validation. ` +
          (known.size > 0 ? `They have ${joinWords([...known])}.` : "They have no such metric."),
    );
  }
  const [{ metric }] = rows;
  const direction = better[metric] ?? (metric === "loss" ? "less" : undefined);
  if (!direction) {
    const other = measured.find(({ metric }) => better[metric]);
    throw new UsageError(
      `sweep.best: cannot choose by ${by}: whether more or less of it is better is not known. ` +
        `Name another metric${other ? `, such as ${other.name}` : ""}.`,
    );
  }
  const sign = direction === "less" ? 1 : -1;
  rows.sort((a, b) => sign * (a.mean - b.mean));
  return rows.slice(0, Math.ceil(share * rows.length - 1e-9)).map(({ values }) => values);
}

/**
 * Returns a run's settings that no point varies, as JSON. A choice such as an optimizer may move a
 * varied parameter: then its name differs, but its stage and ending do not. Options of a varied choice
 * are named with it, because another choice has its own.
 */
function unvaried(run: RunRecord, varied: ReadonlySet<string>): Record<string, string> {
  const settings = settingsOf(run), keys = [...varied].map((key) => key.replace(/^stages\./, ""));
  const isVaried = (name: string) =>
    keys.some((key) => {
      const [path, of] = [key, name].map((one) => one.split(".")), ending = path.at(-1);
      return `${name}.`.startsWith(`${key}.`) || key === `${name}.use` ||
        (path[0] === of[0] && ending === of.at(-1) && ending !== "use");
    });
  const choices = keys.filter((key) => key.endsWith(".use"));
  const named = (name: string) => {
    const choice = choices.find((key) => name.startsWith(key.slice(0, -3)));
    return choice === undefined ? name : `${name} of ${settings.get(choice)?.value}`;
  };
  return Object.fromEntries(
    [...settings].filter(([name, { seed }]) =>
      !seed && !/^compute$|: (code|packages)$/.test(name) && !isVaried(name)
    ).map(([name, { value }]) => [named(name), canonicalJson(value ?? null)]),
  );
}
