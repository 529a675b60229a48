/** Mean and spread of a metric over runs that differ only in seeds or folds. */
import type { Metrics } from "./stage.ts";

/** One metric of a run. */
export interface RunMetric {
  readonly stage: string;
  readonly split: string;
  readonly metric: string;
  readonly value: number;
}

/** Lists the metrics of a run. */
export function listMetrics(metrics: Metrics): RunMetric[] {
  return Object.entries(metrics).flatMap(([stage, splits]) =>
    Object.entries(splits).flatMap(([split, named]) =>
      Object.entries(named).map(([metric, value]) => ({ stage, split, metric, value }))
    )
  );
}

export interface Spread {
  readonly mean: number;
  /** Standard deviation of the sample (n - 1); undefined for one value. */
  readonly deviation?: number;
  readonly least: number;
  readonly most: number;
}

/** Relative spread below which values count as equal: rounding of their last digits. */
const NOISE = 1e-9;

/** Computes the spread of one or more values. */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const alike = most - least <= NOISE * Math.max(Math.abs(least), Math.abs(most));
  const deviation = alike ? 0 : Math.sqrt(squares / (values.length - 1));
  return {
    mean: least === most ? least : mean,
    ...(values.length > 1 ? { deviation } : {}),
    least,
    most,
  };
}
