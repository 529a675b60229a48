/** Differences between runs: parameters, metrics, and metrics over seeds. */
import { canonicalJson } from "../../../packages/pipeline/fingerprint.ts";
import type { RunRecord } from "../../../packages/pipeline/history.ts";
import { settingsOf, shownSettingsOf } from "../../../packages/pipeline/run_settings.ts";
import { listMetrics, spreadOf, withoutOptions } from "../../../packages/pipeline/spread.ts";
import type { MetricStats } from "../../../packages/pipeline/sweep_summary.ts";
import type { UiComparison, UiMetric } from "../../ui/ui_api.ts";
import { METRIC_DIRECTIONS, metricNamesOf, METRICS } from "../../evaluation/metrics.ts";

/** Metrics over seeds, of each group of runs that differ in seeds alone. */
export interface OverSeeds {
  /** Ids of the runs of each group. */
  readonly groups: readonly (readonly string[])[];
  readonly rows: readonly (Pick<UiMetric, "model" | "split" | "metric" | "name"> & {
    /** One value per group. */
    readonly spreads: readonly (MetricStats | undefined)[];
  })[];
}

/** Stage id → the name under which it is compared; see `nameModels`. */
export type Names = ReadonlyMap<string, string>;

/** Returns the parameters in which runs differ. @param names of each run */
export function parameterRows(
  runs: readonly RunRecord[],
  names: readonly Names[],
): UiComparison["parameters"] {
  const rows = new Map<string, unknown[]>();
  runs.forEach((run, i) => {
    for (const [name, { value }] of shownSettingsOf(run, (id) => names[i]!.get(id) ?? id)) {
      const values = rows.get(name) ?? runs.map(() => undefined);
      values[i] = value;
      rows.set(name, values);
    }
  });
  return [...rows].flatMap(([name, values]) => {
    if (!differ(values)) return [];
    // Records of earlier versions lack the inputs of stages.
    if (name.endsWith(": inputs") && values.includes(undefined)) return [];
    // A stage that only some runs have is one difference, its parameters are none.
    const stage = rows.get(stageOf(name, rows));
    if (stage && name !== stageOf(name, rows) && !stage.every((use) => use === stage[0])) {
      if (!isShared(name, values, stage)) return [];
    }
    return [{ name, values }];
  });
}

/**
 * Returns true if all runs with the stage have the parameter and differ in it, or if runs with the
 * same stage differ in it.
 */
function isShared(name: string, values: readonly unknown[], stage: readonly unknown[]): boolean {
  const there = values.filter((_, i) => stage[i] !== undefined);
  const shared = !/: (code|packages|data|inputs)$/.test(name) &&
    there.every((value) => value !== undefined);
  return (shared && differ(there)) ||
    stage.some((use) => use !== undefined && differ(values.filter((_, i) => same(stage[i], use))));
}

/** Returns the stage of a parameter: "split.test" → "split". Ids have no dots; heads may. */
function stageOf(name: string, rows: ReadonlyMap<string, unknown>): string {
  const parts = name.split(/(?=[.:])/);
  for (let length = parts.length; length > 0; length--) {
    const stage = parts.slice(0, length).join("");
    if (rows.has(`${stage}: code`)) return stage;
  }
  return name;
}

/** Returns the values of each metric, with their measures and the fingerprints of their results. */
function collectMetrics(
  runs: readonly RunRecord[],
  names: readonly Names[],
  subjectIn: (run: number, model: string, split: string) => string = () => "",
) {
  const found = runs.flatMap(({ stages, metrics, better: declared }, i) =>
    Object.entries(metrics).flatMap(([id, splits]) => {
      const model = names[i]!.get(id) ?? id;
      const stage = stages.find((stage) => stage.id === id.split(".")[0]);
      const result = stage?.fingerprint ?? String(i), printed = metricNamesOf(id, stages);
      return listMetrics({ [id]: splits }).map(({ split, metric: key, value: number }) => {
        const value = Number.isFinite(number) ? number : undefined;
        // Losses of different tasks, stages or settings are not comparable.
        const loss = stage?.dependencies?.params.loss ?? null;
        const primary = Object.keys(METRICS).filter((one) => one in splits[split]!);
        const how = key === "loss" && [stage?.use ?? null, loss, primary];
        const metric = withoutOptions(key), name = printed[key] ?? key;
        const better = METRIC_DIRECTIONS[metric] ?? declared?.[metric];
        const measure = canonicalJson([metric, how, subjectIn(i, model, split), better ?? null]);
        return { i, model, split, metric, name, value, better, measure, result };
      });
    })
  );
  return [
    ...Map.groupBy(found, (one) => [one.model, one.split, one.metric, one.name].join("\n"))
      .values(),
  ];
}

/**
 * Returns the metrics in which runs differ. Marks a best value only where all runs measure the same.
 * @param names of each run
 * @param subjectIn returns the prediction task of a run's model, and its images of a split, if known
 */
export function metricRows(...of: Parameters<typeof collectMetrics>): UiMetric[] {
  return collectMetrics(...of).flatMap((all) => {
    const { model, split, metric, name, better: direction } = all[0]!;
    const values = of[0].map((_, run) => all.find(({ i }) => i === run)?.value);
    const measures = new Set(all.map(({ measure }) => measure));
    if (values.every((value) => value === values[0])) return [];
    const better = measures.size === 1 ? direction : undefined;
    const there = values.filter((value) => value !== undefined);
    const top = better === "more" ? Math.max(...there) : Math.min(...there);
    const holders = values.flatMap((value, i) => value === top ? [i] : []);
    const best = better && there.length > 1 && holders.length === 1 ? holders[0] : undefined;
    return [{ model, split, metric, name, values, better, best }];
  });
}

/**
 * Groups runs that differ in seeds alone and computes means; undefined without such runs.
 * @param names of each run
 */
export function statsOverSeeds(
  runs: readonly RunRecord[],
  names: readonly Names[],
): OverSeeds | undefined {
  // Records of earlier versions lack the inputs of stages.
  const wired = runs.every(({ stages }) =>
    stages.every(({ dependencies, after }) => !dependencies || after)
  );
  const settings = (i: number) =>
    Object.fromEntries(
      [...settingsOf(runs[i]!, (id) => names[i]!.get(id) ?? id)]
        .filter(([name, { seed }]) => !seed && (wired || !name.endsWith(": inputs")))
        .map(([name, { value }]) => [name, value ?? null]),
    );
  const groups = [...Map.groupBy(runs.keys(), (i) => canonicalJson(settings(i))).values()];
  const rows = collectMetrics(runs, names).map((all) => {
    const { model, split, metric, name } = all[0]!;
    const spreads = groups.map((group): MetricStats | undefined => {
      const spread = spreadOf(all.filter(({ i }) => group.includes(i)));
      return spread && { stage: model, split, metric, ...spread };
    });
    return { model, split, metric, name, spreads };
  });
  if (!rows.some(({ spreads }) => spreads.some((one) => one && one.runs > 1))) return undefined;
  return {
    groups: groups.map((group) => group.map((i) => runs[i]!.id)),
    rows: rows.filter(({ spreads }) => spreads.some(Boolean)),
  };
}

const same = (a: unknown, b: unknown) => canonicalJson(a ?? null) === canonicalJson(b ?? null);
const differ = (values: readonly unknown[]) => values.some((value) => !same(value, values[0]));
