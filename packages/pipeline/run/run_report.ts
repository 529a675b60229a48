/** Machine-readable report of a finished run. */
import { z } from "zod";
import type { Shape } from "../fingerprint.ts";
import type { Metrics } from "../stage.ts";
import { metricsSchema } from "../stage_record.ts";

export type Status = "ran" | "cached" | "skipped" | "failed";

/** Reason of a stage that Ctrl-C ended. */
export const INTERRUPTED = "interrupted";

const causes = ["runs", "waits", "error", INTERRUPTED] as const;
export type Cause = typeof causes[number];

export interface StageReport {
  id: string;
  use: string;
  status: Status;
  why: string;
  /**
   * Set for a stage of a dry run that would run ("waits": because others before it would), and for a
   * failed one; not in records of earlier versions.
   */
  cause?: Cause;
  seconds: number;
  /** Output → folder, from the project. */
  outputs: Record<string, string>;
}

export interface RunReport {
  pipeline: string;
  ok: boolean;
  seconds: number;
  stages: StageReport[];
  metrics: Metrics;
  /** Sentences that hold for all metrics; see StageResult. */
  cautions?: readonly string[];
}

const text = z.string();

export const stageReportShape: Shape<StageReport> = {
  id: text,
  use: text,
  why: text,
  cause: z.enum(causes).optional(),
  seconds: z.number(),
  status: z.enum(["ran", "cached", "skipped", "failed"]),
  outputs: z.record(text, text),
};

export const runReportShape: Shape<RunReport> = {
  pipeline: text,
  ok: z.boolean(),
  seconds: z.number(),
  stages: z.array(z.strictObject(stageReportShape)),
  metrics: metricsSchema,
  cautions: z.array(text).optional(),
};

/** Returns a report with other paths of its stages' outputs. */
export function withPaths<Report extends RunReport>(
  report: Report,
  pathOf: (path: string) => string,
): Report {
  const stages = report.stages.map((stage) => {
    const outputs = Object.entries(stage.outputs).map(([name, path]) => [name, pathOf(path)]);
    return { ...stage, outputs: Object.fromEntries(outputs) };
  });
  return { ...report, stages };
}
