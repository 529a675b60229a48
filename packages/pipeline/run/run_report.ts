/** Machine-readable report of a finished run. */
import type { Metrics } from "../stage.ts";

export type Status = "ran" | "cached" | "skipped" | "failed";

/** Reason of a stage that Ctrl-C ended. */
export const INTERRUPTED = "interrupted";

/** Begins the reason of a stage of a dry run that would run. */
export const WOULD_RUN = "runs: ";

export interface StageReport {
  id: string;
  use: string;
  status: Status;
  why: string;
  seconds: number;
  /** Output → folder, from the project. */
  outputs: Record<string, string>;
}

/** End of the reason of a stage that has none of its own. */
export const WAITS = " will run before it";

export interface RunReport {
  pipeline: string;
  ok: boolean;
  seconds: number;
  stages: StageReport[];
  metrics: Metrics;
  /** Sentences that hold for all metrics; see StageResult. */
  cautions?: readonly string[];
}
