/** Summary of a sweep: a row per combination of values, with mean and spread over seeds. */
import type { ArtifactStore } from "./artifact_store.ts";
import type { Directions, MetricNames } from "./app.ts";
import type { RunReport, StageReport } from "./run/run_report.ts";
import { broken, formatNumber, formatTable, formatValue } from "./format.ts";
import { canonicalJson } from "./fingerprint.ts";
import type { RunRecord } from "./history.ts";
import { divisionOf } from "./run_settings.ts";
import {
  areAlike,
  isSeed,
  listMetrics,
  type RunMetric,
  type Spread,
  spreadOf,
  withoutOptions,
} from "./spread.ts";

export interface Finished extends Pick<RunReport, "metrics"> {
  readonly values: Readonly<Record<string, unknown>>;
  readonly stages?: readonly Pick<StageReport, "id" | "outputs">[];
}

/** A metric over the runs that differ only in seeds or folds. */
export type MetricStats = Spread & Omit<RunMetric, "value">;

export interface SummaryRow {
  /** Key → value, seeds and folds apart. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly runs: number;
  readonly metrics: readonly MetricStats[];
}

export const withoutSeeds = (values: Finished["values"]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([key, value]) => !isSeed(key, value)));

/** Returns true if settings share at least half of their validation sets. */
export async function areComparable(
  runs: readonly Pick<RunRecord, "point" | "stages" | "metrics">[],
  store: ArtifactStore,
): Promise<boolean> {
  const groups = Map.groupBy(runs, ({ point = {} }) => canonicalJson(withoutSeeds(point)));
  const sets = await Array.fromAsync(
    groups.values(),
    async (own) => new Set(await Array.fromAsync(own, (run) => divisionOf(run, store))),
  );
  return areAlike(sets);
}

/**
 * Groups runs that differ only in seeds or folds. Of runs with equal values the last one counts: code
 * may have been edited between them.
 */
export function summarise(finished: readonly Finished[]): SummaryRow[] {
  const groups = Map.groupBy(finished, ({ values }) => canonicalJson(withoutSeeds(values)));
  return [...groups.values()].map((runs) => ({
    values: withoutSeeds(runs[0]!.values),
    runs: runs.length,
    metrics: spreads(runs),
  }));
}

function spreads(runs: readonly Finished[]): MetricStats[] {
  const found = runs.flatMap(({ values, metrics, stages = [] }, i) =>
    listMetrics(metrics).map((one) => {
      // Its folder identifies a result.
      const { outputs = {} } = stages.find(({ id }) => id === one.stage.split(".")[0]) ?? {};
      return { ...one, point: canonicalJson(values), result: Object.values(outputs)[0] ?? i };
    })
  );
  const groups = Map.groupBy(found, (one) => [one.stage, one.split, one.metric].join("\n"));
  return [...groups.values()].flatMap((group) => {
    const last = new Map(group.map((one) => [one.point, one]));
    const [{ stage, split, metric }] = group, spread = spreadOf([...last.values()]);
    return spread ? [{ stage, split, metric, ...spread }] : [];
  });
}

/**
 * Formats the summary as lines. Choices are made on validation, so that is where the best is marked.
 * @param better metric → the better direction
 * @param comparable false if rows have other validation sets, of which none is the best
 */
export function summaryLines(
  rows: readonly SummaryRow[],
  better: Directions = {},
  room = Infinity,
  names: MetricNames = {},
  comparable = true,
): string[] {
  const all = rows.flatMap(({ metrics }) => metrics);
  const columns = new Map(
    all.filter(({ stage, split, metric }) =>
      split !== "train" &&
      !(metric === "loss" && all.some((one) => one.stage === stage && one.metric !== "loss"))
    ).map((spread) => {
      const { stage, split, metric } = spread;
      return [`${stage} ${split} ${names[metric] ?? metric}`, spread];
    }),
  );
  const keys = Object.keys(rows[0]?.values ?? {});
  const seeds = rows.some(({ runs }) => runs > 1);
  const statsOf = (row: SummaryRow, { stage, split, metric }: MetricStats) =>
    row.metrics.find((one) => one.stage === stage && one.split === split && one.metric === metric);
  const cells = [...columns.values()].map((column) => {
    const spreads = rows.map((row) => statsOf(row, column));
    // Different losses are not comparable, nor are metrics of different options.
    const varied = column.metric === "loss" ? /\.(loss|use|metrics)$/ : /\.metrics$/;
    const other = keys.some((key) => varied.test(key));
    const direction = better[withoutOptions(column.metric)];
    const sign = other || !comparable ? 0 : { more: 1, less: -1 }[direction] ?? 0;
    const known = spreads.flatMap((spread) => spread ? [spread.mean * sign] : []);
    const most = Math.max(...known);
    // Of equal values none is the best.
    const alone = known.length > 1 && known.filter((value) => value === most).length === 1;
    const best = sign !== 0 && column.split === "validation" && alone ? most : undefined;
    return spreads.map((spread) => {
      if (!spread) return "–";
      const { mean, deviation } = spread;
      const text = formatNumber(mean) +
        (deviation === undefined ? "" : ` ± ${formatNumber(deviation)}`);
      return mean * sign === best ? `${text} *` : text;
    });
  });
  const head = [...keys, ...(seeds ? ["runs"] : []), ...columns.keys()];
  const body = rows.map((row, i) => [
    ...keys.map((key) => formatValue(row.values[key])),
    ...(seeds ? [String(row.runs)] : []),
    ...cells.map((column) => column[i]),
  ]);
  const lines = formatTable([head, ...body], [], room);
  const words = [
    cells.length === 0 && "no metrics: no model was evaluated",
    seeds && cells.length > 0 && "mean ± standard deviation over seeds or folds",
    cells.flat().some((cell) => cell.endsWith("*")) &&
    "* is the best on validation, which is what to choose by",
  ].filter(Boolean).join("; ");
  return words ? [...lines, ...broken(words, room)] : lines;
}
