/** Summary of a sweep: a row per combination of values, with mean and spread over seeds. */
import type { Directions } from "./app.ts";
import type { StageReport } from "./run/run_report.ts";
import type { Metrics } from "./stage.ts";
import { formatNumber, formatTable, formatValue } from "./format.ts";
import { canonicalJson } from "./fingerprint.ts";

/** A successful run of a sweep. */
export interface Finished {
  readonly values: Readonly<Record<string, unknown>>;
  readonly metrics: Metrics;
  readonly stages?: readonly Pick<StageReport, "id" | "outputs">[];
}

/** Metrics of a run, with a function that identifies the result behind a stage's metrics. */
export interface Measured {
  readonly metrics: Metrics;
  result?(stage: string): string | undefined;
}

/** A metric over the runs that differ only in seeds or folds. */
export interface MetricStats {
  readonly stage: string;
  readonly split: string;
  readonly metric: string;
  /** Number of results; one that several runs used counts once. */
  readonly runs: number;
  readonly mean: number;
  /** Standard deviation of the sample (n - 1); undefined for one run. */
  readonly deviation?: number;
  readonly least: number;
  readonly most: number;
}

export interface SummaryRow {
  /** Key → value, seeds and folds apart. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly runs: number;
  readonly metrics: readonly MetricStats[];
}

/**
 * Returns true for "seed" and the seed of a stage, not for other parameters of that name, and for
 * folds: what runs repeat, and not what they vary.
 */
export const isSeed = (key: string): boolean => /^((stages\.)?[^.]+\.)?seed$|\.fold$/.test(key);

export const withoutSeeds = (values: Finished["values"]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !isSeed(key)));

/** Groups runs that differ only in seeds or folds. */
export function summarise(finished: readonly Finished[]): SummaryRow[] {
  const groups = Map.groupBy(finished, ({ values }) => canonicalJson(withoutSeeds(values)));
  return [...groups.values()].map((runs) => ({
    values: withoutSeeds(runs[0]!.values),
    runs: runs.length,
    metrics: spreads(runs.map(({ metrics, stages }) => ({
      metrics,
      // Its folder identifies it.
      result: (id) => Object.values(stages?.find((stage) => stage.id === id)?.outputs ?? {})[0],
    }))),
  }));
}

/** Relative spread below which values count as equal: rounding of their last digits. */
const NOISE = 1e-9;

export function spreads(runs: readonly Measured[]): MetricStats[] {
  const found = new Map<string, { key: [string, string, string]; values: number[] }>();
  const counted = new Set<string>();
  for (const { metrics, result } of runs) {
    for (const [stage, splits] of Object.entries(metrics)) {
      for (const [split, named] of Object.entries(splits)) {
        for (const [metric, value] of Object.entries(named)) {
          const key: [string, string, string] = [stage, split, metric];
          const made = result?.(stage.split(".")[0]!);
          const once = `${key.join("\n")}\n${made}\n${value}`;
          if (made !== undefined && counted.has(once)) continue;
          counted.add(once);
          const entry = found.get(key.join("\n")) ?? { key, values: [] };
          entry.values.push(value);
          found.set(key.join("\n"), entry);
        }
      }
    }
  }
  return [...found.values()].map(({ key: [stage, split, metric], values }) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const alike = most - least <= NOISE * Math.max(Math.abs(least), Math.abs(most));
    const deviation = alike ? 0 : Math.sqrt(squares / (values.length - 1));
    return {
      ...{ stage, split, metric, runs: values.length, mean: least === most ? least : mean },
      ...(values.length > 1 ? { deviation } : {}),
      ...{ least, most },
    };
  });
}

/**
 * Formats the summary as lines. Choices are made on validation, so that is where the best is marked.
 * @param better metric → the better direction
 */
export function summaryLines(
  rows: readonly SummaryRow[],
  better: Directions = {},
  room?: number,
): string[] {
  const columns = new Map<string, MetricStats>();
  for (const spread of rows.flatMap(({ metrics }) => metrics)) {
    const { stage, split, metric } = spread;
    const only = !rows.some(({ metrics }) =>
      metrics.some((other) => other.stage === stage && other.metric !== "loss")
    );
    if (split === "train" || (metric === "loss" && !only)) continue;
    columns.set(`${stage} ${split} ${metric}`, spread);
  }
  const keys = Object.keys(rows[0]?.values ?? {});
  const seeds = rows.some(({ runs }) => runs > 1);
  const spreadOf = (row: SummaryRow, { stage, split, metric }: MetricStats) =>
    row.metrics.find((one) => one.stage === stage && one.split === split && one.metric === metric);
  const cells = [...columns.values()].map((column) => {
    const spreads = rows.map((row) => spreadOf(row, column));
    // Different losses are not comparable.
    const other = column.metric === "loss" && keys.some((key) => /\.(loss|use)$/.test(key));
    const wanted = other ? undefined : better[column.metric];
    const direction = wanted && (wanted === "more" ? 1 : -1);
    const known = spreads.flatMap((spread) => spread ? [spread.mean * (direction ?? 0)] : []);
    const most = Math.max(...known);
    // Of equal values none is the best.
    const alone = known.filter((value) => value === most).length === 1;
    const best = direction && column.split === "validation" && known.length > 1 && alone
      ? most
      : undefined;
    return spreads.map((spread) => {
      if (!spread) return "–";
      const { mean, deviation } = spread;
      const text = formatNumber(mean) +
        (deviation === undefined ? "" : ` ± ${formatNumber(deviation)}`);
      return mean * (direction ?? 0) === best ? `${text} *` : text;
    });
  });
  const head = [...keys, ...(seeds ? ["runs"] : []), ...columns.keys()];
  const lines = formatTable(
    [
      head,
      ...rows.map((row, i) => [
        ...keys.map((key) => formatValue(row.values[key])),
        ...(seeds ? [String(row.runs)] : []),
        ...cells.map((column) => column[i]!),
      ]),
    ],
    [],
    room,
  );
  const words = [
    ...(seeds ? ["mean ± standard deviation over seeds or folds"] : []),
    ...(cells.flat().some((cell) => cell.endsWith("*"))
      ? ["* is the best on validation, which is what to choose by"]
      : []),
  ];
  return words.length > 0 ? [...lines, words.join("; ")] : lines;
}
