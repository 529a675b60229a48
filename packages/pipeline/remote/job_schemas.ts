/** What travels to a worker: data, validated when it arrives, and never code. */
import { z } from "zod";
import { orderSchema } from "../sweep/remote_run.ts";
import { codeSchema, relativePathSchema } from "./compatibility.ts";

/** Raised when jobs change in such a way that workers of before cannot know what is meant. */
export const JOB_FORMAT = 2;

const common = {
  version: z.literal(JOB_FORMAT),
  /** The run or sweep that waits for it. */
  run: z.string(),
};

/** A part of a stage's work. */
export const partSchema = z.strictObject({
  ...common,
  kind: z.literal("part"),
  /** The stage, by the name of its module. */
  use: z.string(),
  code: codeSchema,
  compute: z.string().optional(),
  /** Where the result is put, each attempt in a folder of its own. */
  folder: relativePathSchema,
  /** Input → its folder. */
  inputs: z.record(z.string(), relativePathSchema),
  /** The stage's own; it validates it. */
  data: z.unknown(),
});

/** A run of a sweep. */
export const pointSchema = z.strictObject({
  ...common,
  kind: z.literal("point"),
  order: orderSchema,
});

export const jobSchema = z.discriminatedUnion("kind", [partSchema, pointSchema]);

/** Result of a unit. */
export const partResultSchema = z.strictObject({
  /** Folder of the unit's files. */
  folder: relativePathSchema,
  /** Name of the worker. */
  worker: z.string(),
  /** The stage's own. */
  result: z.unknown(),
});

/** What came of a run: what its process printed. Its outputs lie below the artifact folder. */
export const pointResultSchema = z.strictObject({
  pipeline: z.string(),
  ok: z.boolean(),
  seconds: z.number(),
  stages: z.array(z.strictObject({
    id: z.string(),
    use: z.string(),
    status: z.enum(["ran", "cached", "skipped", "failed"]),
    why: z.string(),
    seconds: z.number(),
    outputs: z.record(z.string(), relativePathSchema),
  })),
  // What is no number, a mean of nothing, is null in JSON.
  metrics: z.record(z.string(), z.record(z.string(), z.record(z.string(), z.number().nullable()))),
  cautions: z.array(z.string()).optional(),
  run: z.string().optional(),
  error: z.string().optional(),
});

export type PartData = z.output<typeof partSchema>;
export type PointData = z.output<typeof pointSchema>;
export type PartResult = z.output<typeof partResultSchema>;

/** What is wrong with what arrived, in words. */
export function firstProblem({ issues: [{ path, message }] }: z.ZodError): string {
  return `${path.join(".") || "it"}: ${message}`;
}
