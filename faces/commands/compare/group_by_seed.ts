/** What runs have in common that differ in their seeds alone. */
import { canonicalJson } from "../../../packages/pipeline/fingerprint.ts";
import { type RunRecord, settingsOf } from "../../../packages/pipeline/history.ts";
import type { Metrics } from "../../../packages/pipeline/stage.ts";
import { type MetricStats, spreads } from "../../../packages/pipeline/sweep_summary.ts";
import type { MetricRow, Names } from "./differences.ts";

/** Metrics over seeds, of each group of runs that differ in nothing else. */
export interface OverSeeds {
  /** Ids of the runs of each group. */
  readonly groups: readonly (readonly string[])[];
  readonly rows: readonly (Pick<MetricRow, "model" | "split" | "metric"> & {
    /** For each group. */
    readonly spreads: readonly (MetricStats | undefined)[];
  })[];
}

/**
 * Groups the runs and takes means; undefined where no two runs differ in seeds alone.
 * @param names for each run
 */
export function statsOverSeeds(
  runs: readonly RunRecord[],
  names: readonly Names[],
): OverSeeds | undefined {
  const settings = (run: RunRecord, i: number) =>
    [...settingsOf(run, (id) => names[i]!.get(id) ?? id)]
      .flatMap(([name, { value, seed }]) =>
        seed || (!wired && name.endsWith(": inputs")) ? [] : [[name, value ?? null]]
      );
  // Records of earlier versions do not know what a stage took from.
  const wired = runs.every(({ stages }) =>
    stages.every(({ dependencies, after }) => !dependencies || after)
  );
  const indices = [...runs.keys()];
  const groups = [
    ...Map.groupBy(indices, (i) => canonicalJson(Object.fromEntries(settings(runs[i]!, i))))
      .values(),
  ];
  const found = groups.map((group) =>
    spreads(group.map((i) => {
      const { metrics, stages } = runs[i]!;
      const idOf = new Map([...names[i]!].map(([id, name]) => [name, id.split(".")[0]!]));
      const named = Object.entries(metrics)
        .map(([id, splits]) => [names[i]!.get(id) ?? id, splits] as const);
      return {
        metrics: Object.fromEntries(named) as Metrics,
        result: (name) => {
          const id = idOf.get(name) ?? name;
          return stages.find((stage) => stage.id === id)?.fingerprint;
        },
      };
    }))
  );
  // Runs that took the same results are one experiment, made once.
  if (found.every((group) => group.every(({ runs }) => runs < 2))) return undefined;
  const keyOf = ({ stage, split, metric }: MetricStats) => `${stage}\n${split}\n${metric}`;
  const each = new Map(found.flat().map((spread) => [keyOf(spread), spread]));
  return {
    groups: groups.map((group) => group.map((i) => runs[i]!.id)),
    rows: [...each].map(([key, { stage, split, metric }]) => ({
      ...{ model: stage, split, metric },
      spreads: found.map((group) => group.find((spread) => keyOf(spread) === key)),
    })),
  };
}
