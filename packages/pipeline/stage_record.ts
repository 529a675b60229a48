/** `record.json`: everything that a result was made of, and what came out. */
import { join } from "node:path";
import { z } from "zod";
import {
  type CacheKey,
  cacheKeySchema,
  canonicalJson,
  fingerprint,
  type Shape,
} from "./fingerprint.ts";
import type { Metrics, StageProvenance } from "./stage.ts";
import { jsonText, parseState, readState, type State } from "./state.ts";

export interface OutputRecord {
  readonly kind: string;
  readonly digest: string;
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
}

export interface StageRecord extends
  Omit<
    StageProvenance,
    keyof CacheKey | "module" | "unused" | "replaces" | "after" | "observed"
  > {
  readonly version: 1;
  readonly dependencies: CacheKey;
  readonly outputs: Readonly<Record<string, OutputRecord>>;
  readonly metrics?: Metrics;
  readonly show?: readonly string[];
  readonly warnings: readonly string[];
  readonly pipeline: string;
  readonly observed?: Readonly<Record<string, unknown>>;
  /** Damage of the files that was found later: the result has to be made again. */
  readonly damage?: string;
  /** SHA-256 of all the above but the damage; records of earlier versions have none. */
  readonly checksum?: string;
}

const text = z.string();
const whole = z.int().min(0);

/** The schema of `Metrics`; a number that JSON cannot hold is null. */
export const metricsSchema = z.record(
  text,
  z.record(text, z.record(text, z.number().nullable())),
) as unknown as z.ZodType<Metrics>;

const outputSchema = z.object<Shape<OutputRecord>>({
  kind: text,
  digest: text,
  files: z.record(text, z.object({ size: whole, sha256: text })),
});

export const recordSchema: z.ZodObject<Shape<StageRecord>> = z.object<Shape<StageRecord>>({
  version: z.literal(1),
  id: text,
  fingerprint: text,
  dependencies: cacheKeySchema,
  outputs: z.record(text, outputSchema),
  metrics: metricsSchema.optional(),
  show: z.array(text).optional(),
  caution: text.optional(),
  warnings: z.array(text),
  pipeline: text,
  startedAt: text,
  seconds: z.number(),
  deno: text,
  platform: text,
  machine: z.object({ processor: text, cores: whole, memory: whole, system: text }).optional(),
  observed: z.record(text, z.unknown()).optional(),
  rights: z.array(text).optional(),
  damage: text.optional(),
  checksum: text.optional(),
});

/** The part of a record that its stage determines, besides the outputs. */
export type StageOutcome = Omit<
  StageRecord,
  "version" | "fingerprint" | "dependencies" | "outputs" | "damage" | "checksum"
>;

/** Reads a record of this version from its bytes. */
export function parseRecord(bytes: Uint8Array): State<StageRecord> {
  return parseState(bytes, "record.json", { shape: recordSchema });
}

/** Returns the number of bytes of a result's files. */
export function bytesOf({ outputs }: StageRecord): number {
  const files = Object.values(outputs).flatMap(({ files }) => Object.values(files));
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Returns a text that is equal for results with equal outputs. */
export function digestsOf({ outputs }: StageRecord): string {
  return canonicalJson(
    Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest])),
  );
}

/** Reads the record of the result in a folder. */
export async function readRecord(place: string): Promise<State<StageRecord>> {
  const form = { shape: recordSchema, unsealed: recordSchema.strict() };
  const state = await readState<StageRecord>(join(place, "record.json"), form);
  const { value } = state;
  if (!value || value.checksum || value.fingerprint === fingerprint(value.dependencies)) {
    return state;
  }
  return { problem: "record.json was changed after it was written", text: jsonText(value) };
}
