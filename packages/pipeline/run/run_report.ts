/** Machine-readable report of a finished run. */
import { z } from "zod";
import type { App } from "../app.ts";
import type { CacheKey, Shape } from "../fingerprint.ts";
import type { Metrics } from "../stage.ts";
import { metricsSchema, type StageRecord } from "../stage_record.ts";

export type Status = "ran" | "cached" | "skipped" | "failed";

/** Reason of a stage that Ctrl-C ended. */
export const INTERRUPTED = "interrupted";

const causes = ["runs", "waits", "error", INTERRUPTED] as const;
export type Cause = typeof causes[number];

export interface StageReport {
  id: string;
  use: string;
  /** Ids of the stages that its inputs come from; records of earlier versions have none. */
  after?: readonly string[];
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
  after: z.array(text).optional(),
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

/**
 * Returns the metrics of a run's results. Those that a stage returns of itself, such as further ones of
 * a training, stay beside those that a later one returns of it, such as an evaluation on the same data.
 */
export async function metricsOf(
  results: ReadonlyMap<string, Pick<StageRecord, "dependencies" | "metrics">>,
  metricNames: App["metricNames"] = () => Promise.resolve({}),
): Promise<Metrics> {
  const all: Metrics = {};
  for (const [id, { dependencies: later, metrics = {} }] of results) {
    for (const [key, splits] of Object.entries(metrics)) {
      const name = key.replace(/^\*/, id), maker = name.replace(/\..*/s, "");
      const { dependencies: first, metrics: own = {} } = results.get(maker) ?? {};
      all[name] = splits;
      if (!first || key !== name || !haveSameData(first, later)) continue;
      const ownNames = await metricNames([first]), names = await metricNames([later]);
      for (const [split, values] of Object.entries(own[name.replace(maker, "*")] ?? {})) {
        const merged = { ...splits[split] };
        const taken = Object.keys(merged).flatMap((metric) => [metric, names[metric] ?? metric]);
        for (const [metric, value] of Object.entries(values)) {
          const printed = ownNames[metric] ?? metric;
          if (!taken.includes(printed)) merged[metric in merged ? printed : metric] = value;
        }
        all[name] = { ...all[name], [split]: merged };
      }
    }
  }
  return all;
}

/** Returns true if two stages have the same artifact for each input that both have. */
function haveSameData({ inputs }: CacheKey, { inputs: others }: CacheKey): boolean {
  return Object.entries(inputs).every(([name, digest]) =>
    typeof digest !== "string" || (others[name] ?? digest) === digest
  );
}
