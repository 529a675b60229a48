/** Mean and spread of a metric over runs that differ only in seeds or folds. */
import type { Metrics } from "./stage.ts";

/**
 * Returns true for "seed" and the seed of a stage, not for other parameters of that name, and for
 * folds, by number or by the name of a part: what runs repeat, and not what they vary.
 * @param value of this name; a map of such parameters alone, such as { part: fold_0 }, is one too
 */
export function isSeed(name: string, value?: unknown): boolean {
  const inner = Object.keys(Object(value));
  return /^((stages\.)?[^.]+\.)?seed$|\.fold$|\.(test|validation)\.part$/.test(name) ||
    inner.length > 0 && inner.every((key) => isSeed(`${name}.${key}`));
}

/** One metric of a run. */
export interface RunMetric {
  readonly stage: string;
  readonly split: string;
  readonly metric: string;
  readonly value: number;
}

/** Returns a metric's name without the options that distinguish it: "cs" of "cs@5". */
export function withoutOptions(metric: string): string {
  return metric.replace(/@\S+$/, "");
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
  /** Number of results; one that several runs used counts once. */
  readonly runs: number;
  readonly mean: number;
  /** Standard deviation of the sample (n - 1); undefined for one value. */
  readonly deviation?: number;
  readonly least: number;
  readonly most: number;
}

/** Relative spread below which values count as equal: rounding of their last digits. */
const NOISE = 1e-9;

/** Returns true if at least half of the members of each set, such as images, are in all of them. */
export function areAlike<T>(sets: readonly ReadonlySet<T>[]): boolean {
  const common = sets.reduce((some, one) => some.intersection(one), sets[0] ?? new Set());
  return sets.every(({ size }) => 2 * common.size >= size);
}

/** Computes the spread of the finite values of results; undefined without one. */
export function spreadOf(
  all: readonly { readonly result: unknown; readonly value?: number | null }[],
): Spread | undefined {
  const known = all.filter(({ value }) => Number.isFinite(value));
  const unique = new Map(known.map(({ result, value }) => [`${result} ${value}`, value!]));
  const values = [...unique.values()], runs = values.length;
  if (runs === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / runs;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const alike = most - least <= NOISE * Math.max(Math.abs(least), Math.abs(most));
  const deviation = alike ? 0 : Math.sqrt(squares / (runs - 1));
  return {
    runs,
    mean: least === most ? least : mean,
    ...(runs > 1 ? { deviation } : {}),
    least,
    most,
  };
}
