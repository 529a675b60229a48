/** What runs have in common that differ in their seeds alone. */
import type { RunRecord } from "../../runner/history.ts";
import type { Metrics } from "../../runner/stage.ts";
import { bySeeds, type Spread, spreads } from "../../runner/sweep/summary.ts";
import { type MetricRow, type Names, parameterRows } from "./differences.ts";

/** Metrics over seeds, of each group of runs that differ in nothing else. */
export interface OverSeeds {
  /** Ids of the runs of each group. */
  readonly groups: readonly (readonly string[])[];
  readonly rows: readonly (Pick<MetricRow, "model" | "split" | "metric"> & {
    /** For each group. */
    readonly spreads: readonly (Spread | undefined)[];
  })[];
}

/**
 * Groups the runs and takes means; undefined where no two runs differ in seeds alone.
 * @param names for each run
 */
export function overSeeds(
  runs: readonly RunRecord[],
  names: readonly Names[],
): OverSeeds | undefined {
  const parameters = parameterRows(runs, names);
  const groups = bySeeds(runs.map(({ id, metrics }, i) => ({
    id,
    values: Object.fromEntries(parameters.map(({ name, values }) => [name, values[i] ?? null])),
    metrics: Object.fromEntries(
      Object.entries(metrics).map(([stage, splits]) => [names[i]!.get(stage) ?? stage, splits]),
    ) as Metrics,
  })));
  if (groups.every(({ length }) => length < 2)) return undefined;
  const found = groups.map((group) => spreads(group.map(({ metrics }) => metrics)));
  const keyOf = ({ stage, split, metric }: Spread) => `${stage}\n${split}\n${metric}`;
  const each = new Map(found.flat().map((spread) => [keyOf(spread), spread]));
  return {
    groups: groups.map((group) => group.map(({ id }) => id)),
    rows: [...each].map(([key, { stage, split, metric }]) => ({
      ...{ model: stage, split, metric },
      spreads: found.map((group) => group.find((spread) => keyOf(spread) === key)),
    })),
  };
}
