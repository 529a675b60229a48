/** `record.json`: what a result was made of, and what came out. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonical, type Dependencies } from "./fingerprint.ts";
import { readTextIfThere, writeWhole } from "./paths.ts";
import type { Machine, Metrics } from "./stage.ts";

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
  readonly dependencies: Dependencies;
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
export type Outcome = Omit<
  StageRecord,
  "version" | "fingerprint" | "dependencies" | "outputs" | "damage" | "checksum"
>;

/** A result's record; one that cannot be read is no record, and the stage runs again. */
export async function readRecord(place: string): Promise<StageRecord | undefined> {
  const record = parseObject(await readTextIfThere(join(place, "record.json")));
  return record?.version === 1 ? record as unknown as StageRecord : undefined;
}

export async function writeRecord(place: string, record: StageRecord): Promise<void> {
  await writeWhole(join(place, "record.json"), recordText(record));
}

/** The text of a record, the same for the same record. */
export function recordText(record: StageRecord): string {
  return JSON.stringify(record, null, 2) + "\n";
}

/** A record with its checksum. */
export function seal(record: StageRecord): StageRecord {
  return { ...record, checksum: checksumOf(record) };
}

export function checksumOf({ checksum: _, damage: __, ...record }: StageRecord): string {
  return createHash("sha256").update(canonical(record)).digest("hex");
}

/** A JSON object, or undefined when the text is none (cut short by a power failure, say). */
export function parseObject(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return typeof value === "object" && value !== null
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}
