/** The field `sweep` of a pipeline: lists of values, ranges to draw from, the best of another sweep. */
import { z } from "zod";

/** Top-level keys that are equal for all runs. */
export const FIXED = /^(extends|sweep|stages|name|artifacts|plugins|executor|bullmq|remote)$/;

export const rangeSchema = z.strictObject({
  from: z.number().describe("Lowest value"),
  to: z.number().describe("Highest value"),
  scale: z.enum(["linear", "log"]).default("linear").describe(
    "Distribution: uniform, or uniform in the logarithm",
  ),
  step: z.number().positive().optional().describe(
    "Distance of the values: from, from + step and so on",
  ),
}).refine(({ from, to }) => from < to, "expected from to be less than to")
  .refine(({ from, scale }) => scale === "linear" || from > 0, "scale: log needs from above 0");

/** A range of values, from which `trials` are drawn. */
export type Range = z.output<typeof rangeSchema>;

export const bestSchema = z.strictObject({
  of: z.string().min(1).describe("Pipeline swept before: its name, or its YAML from the project"),
  by: z.string().regex(/\./, "expected STAGE.METRIC").describe(
    "Metric on validation: STAGE.METRIC, as the summary names them",
  ),
  share: z.number().positive().max(1).default(1 / 3).describe("Share of its points to take"),
});

/** The choice of an earlier sweep's best points. */
export type Best = z.output<typeof bestSchema>;

export const sweepSchema = z.object({
  trials: z.int().min(1).max(10_000).optional().describe(
    "Number of combinations to draw; seeds and folds are still tried with each",
  ),
  best: bestSchema.optional().describe("Values to take from the best runs of an earlier sweep"),
}).catchall(z.union([z.array(z.unknown()).min(1), rangeSchema]));
