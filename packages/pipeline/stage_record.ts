/** `record.json`: everything that a result was made of, and what came out. */
import { join } from "node:path";
import { z } from "zod";
import { cacheKeySchema, fingerprint, type Stored } from "./fingerprint.ts";
import type { Metrics } from "./stage.ts";
import { readState, type State, stateText } from "./state.ts";

const text = z.string();
const whole = z.int().min(0);

/** The schema of `Metrics`; a number that JSON cannot hold is null. */
export const metricsSchema = z.record(
  text,
  z.record(text, z.record(text, z.number().nullable())),
) as unknown as z.ZodType<Metrics>;

const outputSchema = z.object({
  kind: text,
  digest: text,
  files: z.record(text, z.object({ size: whole, sha256: text })),
});

const recordSchema = z.object({
  version: z.literal(1),
  id: text,
  fingerprint: text,
  dependencies: cacheKeySchema,
  outputs: z.record(text, outputSchema),
  metrics: metricsSchema.optional(),
  show: z.array(text).optional(),
  /** See StageResult. */
  caution: text.optional(),
  warnings: z.array(text),
  pipeline: text,
  startedAt: text,
  seconds: z.number(),
  deno: text,
  platform: text,
  machine: z.object({ processor: text, cores: whole, memory: whole, system: text }).optional(),
  observed: z.record(text, z.unknown()).optional(),
  /** Damage of the files that was found later: the result has to be made again. */
  damage: text.optional(),
  /** SHA-256 of all the above but the damage; records of earlier versions have none. */
  checksum: text.optional(),
});

/** An output as it was recorded. */
export type OutputRecord = Stored<typeof outputSchema>;

export type StageRecord = Stored<typeof recordSchema>;

/** The part of a record that its stage determines, besides the outputs. */
export type StageOutcome = Omit<
  StageRecord,
  "version" | "fingerprint" | "dependencies" | "outputs" | "damage" | "checksum"
>;

/** Reads the record of the result in a folder. */
export async function readRecord(place: string): Promise<State<StageRecord>> {
  const form = { shape: recordSchema, unsealed: recordSchema.strict() };
  const state = await readState<StageRecord>(join(place, "record.json"), form);
  const { value } = state;
  if (!value || value.checksum || value.fingerprint === fingerprint(value.dependencies)) {
    return state;
  }
  return { problem: "record.json was changed after it was written", text: stateText(value) };
}
