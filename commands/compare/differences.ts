/** Parameters and metrics in which runs differ. */
import { createHash } from "node:crypto";
import { canonical } from "../../runner/fingerprint.ts";
import type { RunRecord } from "../../runner/history.ts";

/** A parameter with a value for each run; undefined where a run has no such. */
export interface ParameterRow {
  readonly name: string;
  readonly values: readonly unknown[];
}

/** A metric with a value for each run. */
export interface MetricRow {
  readonly model: string;
  readonly split: string;
  readonly metric: string;
  readonly values: readonly (number | undefined)[];
  /** Whether more or less of it is better, if that is known. */
  readonly better?: "more" | "less";
  /** Index of the run with the best value; undefined if several share it. */
  readonly best?: number;
}

/** Stage id → the name under which it is compared; see `nameModels`. */
export type Names = ReadonlyMap<string, string>;

/** @param names for each run */
export function parameterRows(
  runs: readonly RunRecord[],
  names: readonly Names[],
): ParameterRow[] {
  const rows = new Map<string, unknown[]>();
  const put = (name: string, run: number, value: unknown) => {
    const values = rows.get(name) ?? runs.map(() => undefined);
    values[run] = value;
    rows.set(name, values);
  };
  runs.forEach((run, i) => {
    put("seed", i, run.seed);
    put("compute", i, run.compute?.backend);
    for (const { id, use, dependencies } of run.stages) {
      if (!dependencies) continue;
      const name = names[i]!.get(id) ?? id;
      put(name, i, use);
      if (dependencies.seed !== run.seed) put(`${name}.seed`, i, dependencies.seed);
      for (const [path, value] of leaves(dependencies.params)) put(`${name}.${path}`, i, value);
      put(`${name}: code`, i, short(dependencies.modules));
      put(`${name}: packages`, i, short(dependencies.packages));
    }
  });
  return [...rows].flatMap(([name, values]) => {
    if (values.every((value) => same(value, values[0]))) return [];
    // What a stage that only some runs have is made of is no difference of its own.
    const stage = rows.get(stageOf(name, rows));
    const alike = stage?.every((use) => use === stage[0]);
    if (stage && !alike && name !== stageOf(name, rows)) {
      if (/: (code|packages)$/.test(name) || !isShared(values, stage)) return [];
    }
    return [{ name, values }];
  });
}

/** Whether all runs that have the stage also have the parameter, and it differs between these. */
function isShared(values: readonly unknown[], stage: readonly unknown[]): boolean {
  const there = values.filter((_, i) => stage[i] !== undefined);
  return there.length > 1 && there.every((value) => value !== undefined) &&
    !there.every((value) => same(value, there[0]));
}

/** "split.test" → "split". Ids have no dots, but the heads of a model may. */
function stageOf(name: string, rows: ReadonlyMap<string, unknown>): string {
  const parts = name.split(/(?=[.:])/);
  for (let length = parts.length; length > 0; length--) {
    const stage = parts.slice(0, length).join("");
    if (rows.has(`${stage}: code`)) return stage;
  }
  return name;
}

const DIRECTION: Record<string, "more" | "less"> = { accuracy: "more", loss: "less", mae: "less" };

/** @param names for each run */
export function metricRows(runs: readonly RunRecord[], names: readonly Names[]): MetricRow[] {
  const rows = new Map<string, { key: [string, string, string]; values: (number | undefined)[] }>();
  runs.forEach((run, i) => {
    for (const [id, splits] of Object.entries(run.metrics)) {
      const model = names[i]!.get(id) ?? id;
      for (const [split, metrics] of Object.entries(splits)) {
        for (const [metric, value] of Object.entries(metrics)) {
          const key: [string, string, string] = [model, split, metric];
          const row = rows.get(key.join("\n")) ?? { key, values: runs.map(() => undefined) };
          row.values[i] = value;
          rows.set(key.join("\n"), row);
        }
      }
    }
  });
  return [...rows.values()].flatMap(({ key: [model, split, metric], values }) => {
    if (values.every((value) => value === values[0])) return [];
    const better = DIRECTION[metric];
    const there = values.filter((value) => value !== undefined);
    const top = better === "more" ? Math.max(...there) : Math.min(...there);
    const holders = values.flatMap((value, i) => value === top ? [i] : []);
    const best = better && there.length > 1 && holders.length === 1 ? holders[0] : undefined;
    return [{ model, split, metric, values, better, best }];
  });
}

function* leaves(
  value: Readonly<Record<string, unknown>>,
  path = "",
): Generator<[string, unknown]> {
  for (const [key, inner] of Object.entries(value)) {
    const isMap = typeof inner === "object" && inner !== null && !Array.isArray(inner);
    if (isMap) yield* leaves(inner as Record<string, unknown>, `${path}${key}.`);
    else yield [path + key, inner];
  }
}

function same(a: unknown, b: unknown): boolean {
  return canonical(a ?? null) === canonical(b ?? null);
}

/** A few digits that stand for what code or packages there are. */
function short(parts: Readonly<Record<string, string>>): string {
  return createHash("sha256").update(canonical(parts)).digest("hex").slice(0, 7);
}
