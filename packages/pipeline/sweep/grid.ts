/** The grid of a sweep: `sweep: { train.learningRate: [1e-3, 3e-4], seed: [1, 2] }` → its runs. */
import { readConfig } from "../config/config.ts";
import { ConfigError, type Location, type Problem, quote } from "../errors.ts";
import { canonicalJson } from "../fingerprint.ts";
import { createPlan, type Plan } from "../plan.ts";
import { configOptions } from "../run/create_context.ts";
import { type Override, parseOverride, parseValue } from "../config/override.ts";
import type { CommandContext } from "../app.ts";
import { Registry } from "../registry.ts";
import type { ConfigSource } from "../config/config_source.ts";

/** A varied value. */
export interface Axis {
  /** As written: "seed", "train.learningRate". */
  readonly key: string;
  readonly values: readonly Override[];
}

/** One combination of values, and the pipeline with them. */
export interface SweepPoint {
  /** Key → value. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly plan: Plan;
}

/** Top-level keys that are equal for all runs. */
const FIXED = ["extends", "sweep", "stages", "name", "artifacts", "plugins", "executor", "bullmq"];

/**
 * Returns the axes of a pipeline's YAML and command line. `--sweep` replaces the YAML's values of its
 * key; `--set` and `--seed` fix theirs.
 */
export function axesOf(source: ConfigSource, { values }: Pick<CommandContext, "values">): Axis[] {
  const typed = new Map((values.sweep ?? []).map((text) => {
    const axis = parseAxis(text);
    return [axis.key, axis];
  }));
  const set = new Set((values.set ?? []).map((text) => keyOf(parseOverride(text).path)));
  if (values.seed !== undefined) set.add("seed");
  const written = Object.entries((source.values.sweep ?? {}) as Record<string, unknown[]>);
  const axes = written.filter(([key]) => !set.has(keyOf(key.split("."))) || typed.has(key))
    .map(([key, list]) => typed.get(key) ?? axisOf(source, key, list));
  const more = [...typed.values()].filter(({ key }) => !written.some(([other]) => other === key));
  return [...axes, ...more];
}

function axisOf(source: ConfigSource, key: string, list: readonly unknown[]): Axis {
  const folder = source.folderOf(["sweep", key]);
  const keyAt = source.at(["sweep", key], true);
  const values = list.map((value, i): Override => ({
    ...{ path: key.split("."), value, folder, keyAt, at: source.at(["sweep", key, i]) },
  }));
  return validate({ key, values }, keyAt);
}

/** Parses `KEY=V1,V2`; the values are YAML. */
function parseAxis(text: string): Axis {
  const at = { text: `--sweep ${text}` };
  const equals = text.indexOf("=");
  const key = text.slice(0, Math.max(equals, 0)).trim();
  if (key.split(".").some((part) => part.trim() === "")) {
    const message = "expected key=value,value, as in --sweep seed=1,2,3";
    throw new ConfigError([{ at, message }]);
  }
  const list = parseValue(`[${text.slice(equals + 1)}]`, at) as unknown[];
  return validate({ key, values: list.map((value) => ({ path: key.split("."), value, at })) }, at);
}

function validate(axis: Axis, at: Location): Axis {
  const { key, values } = axis;
  const fail = (at: Location, message: string) => {
    throw new ConfigError([{ at, message }]);
  };
  if (FIXED.includes(key.split(".")[0]!) && !key.startsWith("stages.")) {
    fail(at, `${key} is the same for all runs of a sweep`);
  }
  if (values.length === 0) fail(at, `${key}: expected values to try, as in [1, 2, 3]`);
  const seen = new Set<string>();
  for (const { value, at } of values) {
    const text = canonicalJson(value ?? null);
    if (seen.has(text)) fail(at, `${key}: ${quote(value)} is there twice`);
    seen.add(text);
  }
  return axis;
}

/** "stages.split.test" and "split.test" are the same. */
function keyOf(path: readonly string[]): string {
  return (path[0] === "stages" && path.length > 1 ? path.slice(1) : path).join(".");
}

/**
 * Returns every combination, the last key varying fastest, each validated like a YAML.
 * @throws {ConfigError} with all problems of all combinations
 */
export async function pointsOf(axes: readonly Axis[], call: CommandContext): Promise<SweepPoint[]> {
  const { file, options } = await configOptions(call);
  const combinations = axes.reduce<readonly (readonly Override[])[]>(
    (rows, { values }) => rows.flatMap((row) => values.map((value) => [...row, value])),
    [[]],
  );
  const points: SweepPoint[] = [];
  const problems = new Map<string, Problem>();
  for (const combination of combinations) {
    const registry = new Registry().add(call.stages);
    const overrides = [...options.overrides ?? [], ...combination];
    try {
      points.push({
        values: Object.fromEntries(axes.map(({ key }, i) => [key, combination[i]!.value])),
        plan: createPlan(await readConfig(file, { ...options, registry, overrides })),
      });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      // Combinations share the problems of a value.
      for (const problem of error.problems) {
        problems.set(`${problem.at.text} ${problem.message}`, problem);
      }
    }
  }
  if (problems.size > 0) throw new ConfigError([...problems.values()]);
  return points;
}

/** Returns "train.learningRate=0.001 seed=2". */
export function formatValues(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values).map(([key, value]) =>
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`
  ).join(" ");
}
