/** The points of a sweep: `sweep: { train.learningRate: [1e-3, 3e-4], seed: [1, 2] }` → its runs. */
import { readConfig } from "../config/config.ts";
import { ConfigError, type Location, mapAll, type Problem, quote, UsageError } from "../errors.ts";
import { canonicalJson, isRecord } from "../fingerprint.ts";
import { ancestors, createPlan, type Plan } from "../plan.ts";
import { isMissingPipeline } from "../find_pipeline.ts";
import { configOptions, loadPlan, overridesOf } from "../load_plan.ts";
import { type Aliases, directionsOf } from "../define.ts";
import { writtenStages } from "../run_settings.ts";
import { valueAt } from "../config/schemas.ts";
import { expectation } from "../config/zod_issues.ts";
import { type Override, parseOverride, parseValue } from "../config/override.ts";
import type { CommandContext } from "../app.ts";
import { Registry } from "../registry.ts";
import { type ConfigSource, refuseTwice, shortPath } from "../config/config_source.ts";
import { type Best, FIXED, rangeSchema, sweepSchema } from "../config/pipeline_schema.ts";
import {
  type Axis,
  bestPoints,
  drawTrials,
  grid,
  type Point,
  type SweptPipeline,
} from "./search.ts";
import { isSeed } from "../spread.ts";

/** One combination of values, and the pipeline with them. */
export interface SweepPoint {
  /** Key → value. */
  readonly values: Readonly<Record<string, unknown>>;
  /** These, and the values of `--set` and `--seed`. */
  readonly overrides: readonly Override[];
  readonly plan: Plan;
}

/** A sweep as written: what it varies, and how combinations are chosen. */
interface Sweep {
  readonly axes: readonly Axis[];
  readonly trials?: number;
  readonly best?: Best;
  /** Keys whose values the command line gives, in place of those of `best`. */
  readonly given: ReadonlySet<string>;
}

/**
 * Returns the sweep of a pipeline's YAML and command line. `--sweep` replaces the YAML's values of its
 * key; `--set` and `--seed` fix theirs.
 */
export function readSweep(source: ConfigSource, { values }: Pick<CommandContext, "values">): Sweep {
  const named = (key: string) => keyOf(key.split("."));
  const { trials, best, ...varied } = (source.values.sweep ?? {}) as Record<string, unknown>;
  const parsed = mapAll(values.sweep ?? [], parseAxis), written = Object.entries(varied);
  const keys = written.map(([key]) => ({ key, at: source.at(["sweep", key], true) }));
  [parsed, keys].forEach(refuseTwice);
  const typed = new Map(parsed.map((axis) => [named(axis.key), axis]));
  const single = Object.entries({ trials, best }).map(([key, written]) => {
    const axis = typed.get(key);
    if (!axis) return [key, written];
    if (axis.values.length === 1) return [key, axis.values[0]!.value];
    throw ConfigError.at(axis.at, `${key} is the same for all runs of a sweep: keep one value`);
  });
  const how = sweepSchema.pick({ trials: true, best: true }).safeParse(Object.fromEntries(single));
  if (how.error) {
    const issue = how.error.issues[0]!, { path } = issue;
    const at = typed.get(String(path[0]))?.at ?? source.at(["sweep", ...path.map(String)]);
    throw ConfigError.at(at, `${path.join(".")}: ${expectation(issue)}`);
  }
  typed.delete("trials");
  typed.delete("best");
  const set = new Set((values.set ?? []).map((text) => keyOf(parseOverride(text).path)));
  if (values.seed !== undefined) set.add("seed");
  const both = [...typed].find(([key]) => set.has(key))?.[1];
  if (both) {
    const message = `${both.key} is fixed by --set or --seed as well; remove one of them`;
    throw ConfigError.at(both.at, message);
  }
  const free = written.filter(([key]) => !set.has(named(key)));
  const own = mapAll(free, ([key, tried]) => typed.get(named(key)) ?? ownAxis(source, key, tried));
  const axes = [...new Set([...own, ...typed.values()])];
  return { axes, ...how.data, given: new Set([...set, ...typed.keys()]) };
}

/** Returns a value of each parameter that the command line varies, but the seed: draws depend on it. */
export function firstValues(sweep: readonly string[]): Override[] {
  return sweep.map(parseAxis).filter(({ key }) => !["trials", "best", "seed"].includes(key))
    .flatMap(({ values }) => values.slice(0, 1));
}

function ownAxis(source: ConfigSource, key: string, tried: unknown): Axis {
  const path = ["sweep", key], keyAt = source.at(path, true), folder = source.folderOf(path);
  return axisOf(key, tried, keyAt, (i) => ({ folder, keyAt, at: source.at([...path, i]) }));
}

/** Parses `KEY=V1,V2` or `KEY={ from: A, to: B }`; the values are YAML. */
function parseAxis(text: string): Axis {
  const at = { text: `--sweep ${text}` };
  const equals = text.indexOf("=");
  const key = text.slice(0, Math.max(equals, 0)).trim();
  if (key.split(".").some((part) => part.trim() === "")) {
    throw ConfigError.at(at, "expected key=value,value, as in --sweep seed=1,2,3");
  }
  const list = parseValue(`[${text.slice(equals + 1)}]`, at) as unknown[], [first] = list;
  const isRange = list.length === 1 && isRecord(first) && "from" in first && "to" in first;
  return axisOf(key, isRange ? first : list, at, () => ({ at }));
}

/** @param placeOf returns where the i-th of the values is written */
function axisOf(
  key: string,
  tried: unknown,
  at: Location,
  placeOf: (i: number) => Omit<Override, "path" | "value">,
): Axis {
  const fail = (message: string, place = at) => {
    throw ConfigError.at(place, `${key}${message}`);
  };
  if (FIXED.test(key.split(".")[0]!) && !key.startsWith("stages.")) {
    fail(" is the same for all runs of a sweep");
  }
  if (!Array.isArray(tried)) {
    const { data: range, error } = rangeSchema.safeParse(tried);
    if (error) fail(`: ${expectation(error.issues[0]!)}`);
    if (isSeed(key)) fail(": seeds and folds are tried with each draw; list them, as in [1, 2, 3]");
    return { key, at, values: [], range };
  }
  if (tried.length === 0) fail(": expected values to try, as in [1, 2, 3]");
  const seen = new Set<string>();
  const values = tried.map((value, i): Override => {
    const text = canonicalJson(value ?? null), place = placeOf(i);
    if (seen.has(text)) fail(`: ${quote(value)} is there twice`, place.at);
    seen.add(text);
    return { path: key.split("."), value, ...place };
  });
  return { key, values, at };
}

const keyOf = (path: readonly string[]) => shortPath(path).join(".");

/**
 * Refuses a value that another one replaces or is replaced by, whose combinations are one setting. An
 * option of a choice is not in the value that names the choice.
 */
function refuseWithin(swept: Override, overrides: readonly Override[]): void {
  for (const other of overrides) {
    const isInner = keyOf(swept.path).length > keyOf(other.path).length;
    const [outer, inner] = isInner ? [other, swept] : [swept, other];
    const key = keyOf(outer.path), within = keyOf(inner.path);
    if (!within.startsWith(`${key}.`)) continue;
    const path = within.slice(key.length + 1).split("."), name = path.pop()!;
    const whole = valueAt(outer.value, path);
    const has = isRecord(whole) ? Object.hasOwn(whole, name) : whole !== undefined;
    if (typeof whole === "string" ? name !== "use" : !has) continue;
    const wayOut = `Remove one of them, or list whole values of ${key}`;
    const message = `${within} lies within ${key}, whose value it replaces. ${wayOut}`;
    throw ConfigError.at(swept.keyAt ?? swept.at, message);
  }
}

/**
 * Returns the points of a sweep, each validated like a YAML.
 * @param base the pipeline without the sweep
 * @throws {ConfigError} with all problems of all points
 */
export async function pointsOf(
  sweep: Sweep,
  base: Plan,
  call: CommandContext,
): Promise<SweepPoint[]> {
  const { file, options } = await configOptions(call);
  const points: SweepPoint[] = [];
  const problems = new Map<string, Problem>();
  for (const combination of await combine(sweep, base, call)) {
    const registry = new Registry().add(call.stages);
    const overrides = [...options.overrides ?? [], ...combination];
    try {
      for (const swept of combination) refuseWithin(swept, overrides);
      points.push({
        values: Object.fromEntries(combination.map(({ path, value }) => [path.join("."), value])),
        overrides,
        plan: createPlan(await readConfig(file, { ...options, registry, overrides })),
      });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const { at, message } of error.problems) {
        // Combinations share the problems of a value; of a range, one draw is an example.
        const { range } = sweep.axes.find((axis) => axis.range && axis.at.text === at.text) ?? {};
        const hint = range && /whole number/.test(message) ? " A range has them with step: 1." : "";
        const key = range ? at.text : `${at.text} ${message}`;
        problems.getOrInsert(key, { at, message: message + hint });
      }
    }
  }
  if (problems.size > 0) throw new ConfigError([...problems.values()]);
  return points;
}

async function combine(
  { axes, trials, best, given }: Sweep,
  { seed, artifacts, stages, source }: Plan,
  call: CommandContext,
): Promise<ReturnType<typeof grid>> {
  if (best) {
    const { better, metricNames, reporter: { log } } = call;
    const directions = Object.assign({}, await better?.(), directionsOf(stages));
    const now = (point?: Point) => readSwept(best, call, point);
    const found = await bestPoints(best, artifacts, now, directions, log, metricNames)
      .catch((error) => {
        if (!(error instanceof UsageError) && !isMissingPipeline(error)) throw error;
        throw ConfigError.at(source.at(["sweep", "best"]), error.message);
      });
    const points = found.map((values) =>
      overridesOf(values, `sweep.best of ${best.of}`).filter(({ path }) => !given.has(keyOf(path)))
    );
    // Points that differ in given values alone are one.
    const chosen = [...new Map(points.map((row) => [canonicalJson(row), row])).values()];
    // An extended search still names what it varied.
    const taken = new Set(chosen.flatMap((row) => row.map(({ path }) => keyOf(path))));
    return grid(axes.filter(({ key }) => !taken.has(keyOf(key.split(".")))), chosen);
  }
  if (trials === undefined) return grid(axes);
  // Each drawn combination is tried with every seed and fold.
  const { repeated = [], varied = [] } = Object.groupBy(
    axes,
    ({ key, values }) =>
      values.length > 0 && values.every(({ value }) => isSeed(key, value)) ? "repeated" : "varied",
  );
  return grid(repeated, drawTrials(varied, trials, seed));
}

/**
 * Reads the pipeline of an earlier sweep, without the values of the command line.
 * @param known values of a run, for what the YAML lacks as the command line varied it
 */
async function readSwept(
  { of, by }: Best,
  call: CommandContext,
  known?: Point,
): Promise<SweptPipeline> {
  const first = { ...call, names: [of], values: {} };
  const planOf = (point: Point) => loadPlan(first, overridesOf(point, `a run of ${of}`));
  const base = await loadPlan(first).catch((error) => {
    if (!known) throw error;
    return planOf(known);
  });
  /** Returns a key in the spelling that validated values have. */
  const nameOf = (key: string) => {
    const [id, ...path] = shortPath(key.split(".")), place = path.join(".");
    const params = base.stages.find((stage) => stage.id === id)?.definition.params;
    const aliases = Object.entries(params?.meta()?.aliases as Aliases ?? {});
    const [name = place] = aliases.find(([, other]) => other === place) ?? [];
    return [id, name].join(".");
  };
  const sweep = readSweep(base.source, first);
  const keys = new Map(sweep.axes.map(({ key }) => [nameOf(key), key]));
  // Which points a chain of choices has depends on the runs before it, which may be those of now.
  const listed = sweep.best === undefined && sweep.axes.length > 0;
  const points = listed ? await pointsOf(sweep, base, first) : [];
  const plans = new Map(points.map(({ values, plan }) => [canonicalJson(values), plan]));
  const [metricStage] = by.split(".");
  return {
    identity: base.identity,
    axes: listed ? sweep.axes : [],
    points: points.map(({ values }) => values),
    respelled: (point) =>
      Object.fromEntries(
        Object.entries(point).map(([key, value]) => [keys.get(nameOf(key)) ?? key, value]),
      ),
    async stagesOf(point) {
      const plan = plans.get(canonicalJson(point)) ?? await planOf(point);
      const ids = plan.stages.map(({ id }) => id), metric = ids.filter((id) => id === metricStage);
      // A plugin may name its metrics by another word than a stage.
      return writtenStages(plan, ancestors(plan, metric.length > 0 ? metric : ids));
    },
  };
}
