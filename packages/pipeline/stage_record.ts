/** `record.json`: what a result was made of, and what came out. */
import { join } from "node:path";
import { z } from "zod";
import { type CacheKeyInputs, fingerprint } from "./fingerprint.ts";
import type { Machine, Metrics } from "./stage.ts";
import { readState, type State, stateText } from "./state.ts";

/** An output as it was recorded. */
export interface OutputRecord {
  readonly kind: string;
  readonly digest: string;
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
}

/** What is known of a result: all that it was made of, and what came out. */
export interface StageRecord {
  readonly version: 1;
  readonly id: string;
  readonly fingerprint: string;
  readonly dependencies: CacheKeyInputs;
  readonly outputs: Readonly<Record<string, OutputRecord>>;
  readonly metrics?: Metrics;
  readonly show?: readonly string[];
  readonly warnings: readonly string[];
  readonly pipeline: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly deno: string;
  readonly platform: string;
  readonly machine?: Machine;
  readonly observed?: Readonly<Record<string, unknown>>;
  /** See StageResult. */
  readonly caution?: string;
  /** What was found wrong with the files later on: the result has to be made again. */
  readonly damage?: string;
  /** SHA-256 of all the above but the damage; records of earlier versions have none. */
  readonly checksum?: string;
}

/** What a stage leaves besides its outputs. */
export type StageOutcome = Omit<
  StageRecord,
  "version" | "fingerprint" | "dependencies" | "outputs" | "damage" | "checksum"
>;

const text = z.string();
const texts = z.record(text, text);
const whole = z.int().min(0);

/** The shape of `Dependencies`. */
export const dependenciesShape = z.looseObject({
  use: text,
  params: z.record(text, z.unknown()),
  inputs: z.record(text, z.union([text, texts])),
  seed: z.number().optional(),
  compute: text.optional(),
  modules: texts,
  packages: texts,
  external: texts,
  pipeline: text.optional(),
  file: text.optional(),
  lineage: texts.optional(),
});

/** The shape of `Metrics`; a number that JSON cannot hold is null. */
export const metricsShape = z.record(
  text,
  z.record(text, z.record(text, z.number().nullable())),
);

const shape = z.looseObject({
  version: z.literal(1),
  id: text,
  fingerprint: text,
  dependencies: dependenciesShape,
  outputs: z.record(
    text,
    z.looseObject({
      kind: text,
      digest: text,
      files: z.record(text, z.looseObject({ size: whole, sha256: text })),
    }),
  ),
  metrics: metricsShape.optional(),
  show: z.array(text).optional(),
  caution: text.optional(),
  warnings: z.array(text),
  pipeline: text,
  startedAt: text,
  seconds: z.number(),
  deno: text,
  platform: text,
  machine: z.looseObject({ processor: text, cores: whole, memory: whole, system: text }).optional(),
  observed: z.record(text, z.unknown()).optional(),
  damage: text.optional(),
});

/** Reads the record of the result in a folder. */
export async function readRecord(place: string): Promise<State<StageRecord>> {
  const form = { shape, unsealed: shape.strict() };
  const state = await readState<StageRecord>(join(place, "record.json"), form);
  const { value } = state;
  if (!value || value.checksum || value.fingerprint === fingerprint(value.dependencies)) {
    return state;
  }
  return { problem: "record.json was changed after it was written", text: stateText(value) };
}
