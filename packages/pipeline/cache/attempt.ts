/** Attempts at results: made aside, and published when complete. */
import { join } from "node:path";
import { copy, hasScratch, remove, removeLeftovers } from "./attempt_files.ts";
import { digestFolder } from "../digest.ts";
import { disk, ensureFolder, moveDurably } from "../durable.ts";
import { type CacheKeyInputs, canonicalJson, fingerprint } from "../fingerprint.ts";
import { type Lock, takeLock } from "./file_lock.ts";
import { ignoreNotFound } from "../paths.ts";
import type { OutputRecord, StageOutcome, StageRecord } from "../stage_record.ts";
import type { Stage } from "../stage.ts";
import { withChecksum, writeState } from "../state.ts";

/** Exclusive folders of one attempt. */
export interface Attempt {
  /** Output → its empty folder. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  /** True if an interrupted attempt left files. */
  readonly resumed: boolean;
  /** Publishes all outputs at once. */
  commit(outcome: StageOutcome): Promise<StageRecord>;
  /** Publishes outputs that were made elsewhere, with their record. */
  adopt(record: StageRecord): Promise<StageRecord>;
  /** Releases the folders. `scratch` stays for the next attempt unless this one was committed. */
  [Symbol.asyncDispose](): Promise<void>;
}

interface AttemptOptions {
  readonly stage: Pick<Stage, "outputs">;
  readonly dependencies: CacheKeyInputs;
  /** Folder to work in; the lock is beside it. */
  readonly work: string;
  /** Folder of what an interrupted pull left. */
  readonly pulled: string;
  /** Folder of the published result. */
  readonly place: string;
  /** Returns the published result, if there is a complete one. */
  find(): Promise<StageRecord | undefined>;
  /** Called once when another run makes the same result. */
  waiting(): void;
  readonly signal: AbortSignal;
  /** Ms without a heartbeat after which another attempt is no longer waited for. */
  readonly patience?: number;
}

/** Opens an attempt. Waits while another run makes the same result. */
export async function openAttempt(wanted: AttemptOptions): Promise<Attempt> {
  const { stage, dependencies, place, pulled, find } = wanted;
  const { work, lock } = await acquireWorkDir(wanted);
  const [scratch, result] = [join(work, "scratch"), join(work, "result")];
  const release = async () => {
    try {
      await removeLeftovers(work);
    } finally {
      lock[Symbol.dispose]();
    }
  };
  try {
    const resumed = await hasScratch(work);
    // Outputs of an interrupted attempt are incomplete; scratch is what is meant to last.
    await remove(result);
    await ensureFolder(scratch);
    await Deno.mkdir(result);
    const outputs: Record<string, string> = {};
    for (const name of Object.keys(stage.outputs)) {
      outputs[name] = join(result, name);
      await Deno.mkdir(outputs[name]);
    }
    const adopt = async (record: StageRecord) => {
      const there = await find();
      const published = await publish(record, there, result, place, `${work}.old`);
      for (const path of [scratch, pulled]) await remove(path);
      return published;
    };
    return {
      ...{ outputs, scratch, resumed, adopt },
      commit: async (outcome) => {
        const recorded: Record<string, OutputRecord> = {};
        for (const [name, { kind, volatile }] of Object.entries(stage.outputs)) {
          recorded[name] = { kind, ...await digestFolder(outputs[name]!, volatile) };
        }
        const hash = fingerprint(dependencies);
        const made = { fingerprint: hash, dependencies, outputs: recorded };
        return await adopt({ version: 1, ...outcome, ...made });
      },
      [Symbol.asyncDispose]: release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * Acquires the work folder. While a frozen machine holds it, acquires another one with a copy of its
 * scratch: the two do not collide when that machine wakes up.
 */
async function acquireWorkDir(
  { work, waiting, signal, patience }: AttemptOptions,
): Promise<{ work: string; lock: Lock }> {
  for (let n = 0, before: string | undefined;; n++) {
    const own = n === 0 ? work : `${work}+${n}`;
    const lock = await takeLock(`${own}.lock`, waiting, signal, patience);
    if (lock) {
      if (before !== undefined && !await hasScratch(own)) {
        await copy(join(before, "scratch"), join(own, "scratch"));
      }
      return { work: own, lock };
    }
    before = own;
  }
}

/** Publishes a complete result, and returns the record of the published one. */
async function publish(
  made: StageRecord,
  there: StageRecord | undefined,
  result: string,
  place: string,
  old: string,
): Promise<StageRecord> {
  const same = there && canonicalJson(digests(there)) === canonicalJson(digests(made));
  // An equal result stays with its volatile files: another run may be reading it.
  const record = withChecksum(same ? { ...made, outputs: there.outputs } : made);
  await writeState(join(same ? place : result, "record.json"), record);
  if (same) return record;
  await ensureFolder(join(place, ".."));
  await remove(old);
  await disk.rename(place, old).catch(ignoreNotFound);
  await moveDurably(result, place);
  await remove(old);
  return record;
}

function digests({ outputs }: StageRecord): Record<string, string> {
  return Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest]));
}
