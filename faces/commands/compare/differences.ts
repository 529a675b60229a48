/** Parameters and metrics in which runs differ. */
import { canonicalJson } from "../../../packages/pipeline/fingerprint.ts";
import { type RunRecord, settingsOf } from "../../../packages/pipeline/history.ts";
import { METRIC_DIRECTIONS } from "../../evaluation/format_metric.ts";

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
    for (const [name, { value }] of settingsOf(run, (id) => names[i]!.get(id) ?? id)) {
      put(name, i, value);
    }
  });
  return [...rows].flatMap(([name, values]) => {
    if (values.every((value) => same(value, values[0]))) return [];
    // Records of earlier versions do not know what a stage took from.
    if (name.endsWith(": inputs") && values.includes(undefined)) return [];
    // What a stage that only some runs have is made of is no difference of its own.
    const stage = rows.get(stageOf(name, rows));
    if (stage && name !== stageOf(name, rows) && !stage.every((use) => use === stage[0])) {
      if (!isShared(name, values, stage)) return [];
    }
    return [{ name, values }];
  });
}

/**
 * Whether all runs that have the stage also have the parameter, and it differs between these; or it
 * differs between those in which the stage is the same.
 */
function isShared(name: string, values: readonly unknown[], stage: readonly unknown[]): boolean {
  const differ = (some: readonly unknown[]) => some.some((value) => !same(value, some[0]));
  const there = values.filter((_, i) => stage[i] !== undefined);
  const shared = !/: (code|packages|data|inputs)$/.test(name) &&
    there.every((value) => value !== undefined);
  return (shared && differ(there)) ||
    stage.some((use) => use !== undefined && differ(values.filter((_, i) => same(stage[i], use))));
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

/**
 * Metrics in which runs differ. A best value is marked only where all of them measure the same.
 * @param names for each run
 * @param subjects for each run: model → what it says, as far as that is known
 */
export function metricRows(
  runs: readonly RunRecord[],
  names: readonly Names[],
  subjects: readonly ReadonlyMap<string, string>[] = [],
): MetricRow[] {
  const rows = new Map<
    string,
    { key: [string, string, string]; values: (number | undefined)[]; measures: Set<string> }
  >();
  runs.forEach((run, i) => {
    for (const [id, splits] of Object.entries(run.metrics)) {
      const model = names[i]!.get(id) ?? id;
      for (const [split, metrics] of Object.entries(splits)) {
        for (const [metric, value] of Object.entries(metrics)) {
          const key: [string, string, string] = [model, split, metric];
          const empty = { key, values: runs.map(() => undefined), measures: new Set<string>() };
          const row = rows.get(key.join("\n")) ?? empty;
          row.values[i] = value;
          const measured = measureOf(run, id, metric, Object.keys(metrics));
          row.measures.add(`${measured} ${subjects[i]?.get(model) ?? ""}`);
          rows.set(key.join("\n"), row);
        }
      }
    }
  });
  return [...rows.values()].flatMap(({ key: [model, split, metric], values, measures }) => {
    if (values.every((value) => value === values[0])) return [];
    const better = measures.size === 1 ? METRIC_DIRECTIONS[metric] : undefined;
    const there = values.filter((value) => value !== undefined);
    const top = better === "more" ? Math.max(...there) : Math.min(...there);
    const holders = values.flatMap((value, i) => value === top ? [i] : []);
    const best = better && there.length > 1 && holders.length === 1 ? holders[0] : undefined;
    return [{ model, split, metric, values, better, best }];
  });
}

/** What a metric of a model measures: a loss is another one for another task, stage or setting. */
function measureOf(
  { stages }: RunRecord,
  id: string,
  metric: string,
  metrics: readonly string[],
): string {
  if (metric !== "loss") return metric;
  const stage = stages.find((stage) => stage.id === id.split(".")[0]);
  const loss = stage?.dependencies?.params.loss ?? null;
  return canonicalJson([stage?.use ?? null, loss, [...metrics].sort()]);
}

function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null);
}
