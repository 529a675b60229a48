/** JSON that the server sends to its page. */
import type { RecordedStage, RunRecord } from "../../packages/pipeline/history.ts";
import type { TrainingRecord } from "../training/training_record.ts";
import type { layersOf, RunFiles, tableOf } from "./run_files.ts";

/** A run, or a record that cannot be read. */
export interface UiRun extends Pick<RunRecord, "id" | "at" | "seconds" | "metrics" | "better"> {
  /** Pipeline, as commands take it. */
  readonly name: string;
  readonly startedAt: string;
  readonly state: "ok" | "failed" | "running" | "interrupted" | "damaged";
  /** Reason that its record cannot be read. */
  readonly problem?: string;
  /** Equal for runs that differ in seeds alone. */
  readonly group: string;
  /** Equal for runs with the same test and validation sets. */
  readonly division: string;
  /** Settings that differ between runs. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly seeds: Readonly<Record<string, unknown>>;
  /** `result`: folder of its result, the first 16 digits of the fingerprint. */
  readonly stages: readonly (
    & Pick<RecordedStage, "id" | "use" | "status" | "why" | "seconds" | "after">
    & { readonly result?: string }
  )[];
  readonly cautions: readonly string[];
}

export interface UiRuns {
  /** The newest first. */
  readonly runs: readonly UiRun[];
  /** Number of records that are still to be read. */
  readonly left: number;
}

/** Epochs of a model. */
export interface UiCurve extends Pick<TrainingRecord, "metric" | "weights" | "multiplyAdds"> {
  readonly model: string;
  /** The epoch whose weights were kept. */
  readonly kept: number;
  readonly columns: readonly string[];
  readonly epochs: readonly (readonly number[])[];
}

/** Files of a run that are read when they are shown. */
export interface UiDetails {
  readonly curves: readonly UiCurve[];
  /** 95 % intervals of the primary metric, by "MODEL SPLIT". */
  readonly intervals: Readonly<Record<string, { readonly low: number; readonly high: number }>>;
  readonly problem?: string;
}

/** A step of a face's way: an image, or values. */
export interface UiStep {
  readonly title: string;
  readonly text: string;
  readonly image?: string;
  readonly values?: Readonly<Record<string, unknown>>;
  /** Model of a prediction. */
  readonly model?: string;
}

export type UiFaces = Awaited<ReturnType<RunFiles["faces"]>>;
export type UiFace = UiFaces["faces"][number];
export type UiPhotos = Awaited<ReturnType<RunFiles["problems"]>>;
export type UiTable = Awaited<ReturnType<typeof tableOf>>;
export type UiLayer = Awaited<ReturnType<typeof layersOf>>[number];

/** Compares cells of a table: numbers before texts, and those without a value last, by any sign. */
export function compareCells(a: unknown, b: unknown, sign: number): number {
  const [[rank, value], [otherRank, other]] = [rankCell(a), rankCell(b)];
  if (rank !== otherRank) return rank - otherRank;
  return sign * (value < other ? -1 : Number(value > other));
}

function rankCell(cell: unknown): [rank: number, value: number | string] {
  if (cell === undefined || cell === null || cell === "" || Number.isNaN(cell)) return [2, ""];
  if (typeof cell === "number") return [0, cell];
  return [1, typeof cell === "object" ? JSON.stringify(cell) : String(cell)];
}

/** A metric with its value in each run. */
export interface UiMetric {
  readonly model: string;
  readonly split: string;
  readonly metric: string;
  /** Name that it is printed by, with options where these set it apart: "cs@5". */
  readonly name: string;
  readonly values: readonly (number | undefined)[];
  /** Direction of better values, if known. */
  readonly better?: "more" | "less";
  /** Index of the run with the best value; undefined if several share it. */
  readonly best?: number;
  /** Test metrics only: the 95 % interval of each run. */
  readonly intervals?: readonly ({ readonly low: number; readonly high: number } | undefined)[];
}

/** Note on the intervals of accuracies, which comparisons and reports compute in different ways. */
export const ACCURACY_NOTE =
  "An accuracy has a bootstrap interval here, and Wilson's in the report if no person repeats.";

/** Part of the result of `deno task compare --json`, with its text. */
export interface UiComparison {
  readonly parameters: readonly { readonly name: string; readonly values: readonly unknown[] }[];
  readonly metrics: readonly UiMetric[];
  /** Cautions on the metrics of runs, such as that their data is synthetic. */
  readonly cautions: readonly string[];
  /** Models that could not be compared, with the reason. */
  readonly notes: readonly string[];
  /** Means and standard deviations of runs that differ in seeds alone, the head of the table first. */
  readonly overSeeds?: readonly string[][];
  /** Metrics over the test sets of all folds, and significance tests. */
  readonly sentences: readonly string[];
  /** Note on the scope of the significance tests. */
  readonly scope?: string;
  /** Differences of further metrics, the head of the table first. */
  readonly further?: { readonly rows: readonly string[][]; readonly note: string };
  readonly markdown: string;
  readonly latex: string;
}

/** An output of a stage: its folder from the artifacts, "resize32/7529df154f46f186/dataset", its files. */
export interface UiOutput {
  readonly stage: string;
  readonly kind: string;
  readonly place: string;
  readonly files: Readonly<Record<string, { readonly size: number }>>;
}
