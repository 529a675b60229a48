/** Schemas of jobs and their results: data, validated on arrival, never code. */
import { z } from "zod";
import { runReportShape, stageReportShape } from "../run/run_report.ts";
import { orderSchema } from "../sweep/remote_run.ts";
import { codeSchema, relativePathSchema } from "./compatibility.ts";

/** Version of the format; raised when older workers would misread a job. */
export const JOB_FORMAT = 2;

/** A shard of a stage's work. */
const shardSchema = z.strictObject({
  version: z.literal(JOB_FORMAT),
  /** Id of the run or sweep that dispatched the job. */
  run: z.string(),
  kind: z.literal("part"),
  /** Name of the stage's module. */
  use: z.string(),
  code: codeSchema,
  compute: z.string().optional(),
  /** Folder of the results, with a folder for each attempt. */
  folder: relativePathSchema,
  /** Input → its folder. */
  inputs: z.record(z.string(), relativePathSchema),
  /** Validated by the stage. */
  data: z.unknown(),
});

const sweepSchema = shardSchema.pick({ version: true, run: true })
  .extend({ kind: z.literal("point"), order: orderSchema });

export const jobSchema = z.discriminatedUnion("kind", [shardSchema, sweepSchema]);

export const shardResultSchema = z.strictObject({
  folder: relativePathSchema,
  worker: z.string(),
  /** Validated by the stage. */
  result: z.unknown(),
});

/** Report of a run, as its process printed it, with outputs relative to the artifact folder. */
export const sweepResultSchema = z.strictObject({
  ...runReportShape,
  stages: z.array(z.strictObject({
    ...stageReportShape,
    outputs: z.record(z.string(), relativePathSchema),
  })),
  run: z.string().optional(),
  error: z.string().optional(),
});

export type ShardJob = z.output<typeof shardSchema>;
export type SweepJob = z.output<typeof sweepSchema>;
export type ShardResult = z.output<typeof shardResultSchema>;

/** Returns the first problem of a validation as "path: message". */
export function firstProblem({ issues: [{ path, message }] }: z.ZodError): string {
  return `${path.join(".") || "it"}: ${message}`;
}
