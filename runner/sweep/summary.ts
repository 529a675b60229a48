/** What a sweep found: a row for each combination of values, over seeds the mean and the spread. */
import type { Metrics } from "../stage.ts";
import { figure, shown, table } from "../table.ts";
import { canonical } from "../fingerprint.ts";

/** A run of a sweep that ended well. */
export interface Finished {
  readonly values: Readonly<Record<string, unknown>>;
  readonly metrics: Metrics;
}

/** A metric over the runs that differ in seeds alone. */
export interface Spread {
  readonly stage: string;
  readonly split: string;
  readonly metric: string;
  /** How many runs have it. */
  readonly runs: number;
  readonly mean: number;
  /** Standard deviation of the sample (n - 1); undefined for one run. */
  readonly deviation?: number;
  readonly least: number;
  readonly most: number;
}

export interface SummaryRow {
  /** Key → value, seeds apart. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly runs: number;
  readonly metrics: readonly Spread[];
}

/** "seed", or that of one stage. */
const isSeed = (key: string) => key === "seed" || key.endsWith(".seed");

const withoutSeeds = (values: Finished["values"]) =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !isSeed(key)));

/** Puts together what differs in seeds alone. */
export function bySeeds<T extends Pick<Finished, "values">>(finished: readonly T[]): T[][] {
  return [...Map.groupBy(finished, ({ values }) => canonical(withoutSeeds(values))).values()];
}

export function summarise(finished: readonly Finished[]): SummaryRow[] {
  return bySeeds(finished).map((runs) => ({
    values: withoutSeeds(runs[0]!.values),
    runs: runs.length,
    metrics: spreads(runs.map(({ metrics }) => metrics)),
  }));
}

/** Of each metric that some run has. */
export function spreads(runs: readonly Metrics[]): Spread[] {
  const found = new Map<string, { key: [string, string, string]; values: number[] }>();
  for (const metrics of runs) {
    for (const [stage, splits] of Object.entries(metrics)) {
      for (const [split, named] of Object.entries(splits)) {
        for (const [metric, value] of Object.entries(named)) {
          const key: [string, string, string] = [stage, split, metric];
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
    return {
      ...{ stage, split, metric, runs: values.length, mean },
      ...(values.length > 1 ? { deviation: Math.sqrt(squares / (values.length - 1)) } : {}),
      least: Math.min(...values),
      most: Math.max(...values),
    };
  });
}

const DIRECTION: Record<string, 1 | -1> = { accuracy: 1, loss: -1, mae: -1 };

/**
 * The summary as lines. Choices are made on validation, so that is where the best is marked.
 */
export function summaryLines(rows: readonly SummaryRow[]): string[] {
  const columns = new Map<string, Spread>();
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
  const spreadOf = (row: SummaryRow, { stage, split, metric }: Spread) =>
    row.metrics.find((one) => one.stage === stage && one.split === split && one.metric === metric);
  const cells = [...columns.values()].map((column) => {
    const spreads = rows.map((row) => spreadOf(row, column));
    const direction = DIRECTION[column.metric];
    const known = spreads.flatMap((spread) => spread ? [spread.mean * (direction ?? 0)] : []);
    const most = Math.max(...known);
    // Where several are as good, none is the best.
    const alone = known.filter((value) => value === most).length === 1;
    const best = direction && column.split === "validation" && known.length > 1 && alone
      ? most
      : undefined;
    return spreads.map((spread) => {
      if (!spread) return "–";
      const { mean, deviation } = spread;
      const text = figure(mean) + (deviation === undefined ? "" : ` ± ${figure(deviation)}`);
      return mean * (direction ?? 0) === best ? `${text} *` : text;
    });
  });
  const head = [...keys, ...(seeds ? ["runs"] : []), ...columns.keys()];
  const lines = table([
    head,
    ...rows.map((row, i) => [
      ...keys.map((key) => shown(row.values[key])),
      ...(seeds ? [String(row.runs)] : []),
      ...cells.map((column) => column[i]!),
    ]),
  ]);
  const words = [
    ...(seeds ? ["mean ± standard deviation over seeds"] : []),
    ...(cells.flat().some((cell) => cell.endsWith("*"))
      ? ["* is the best on validation, which is what to choose by"]
      : []),
  ];
  return words.length > 0 ? [...lines, words.join("; ")] : lines;
}
