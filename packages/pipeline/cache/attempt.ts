/** An attempt at a result: made aside, and put in its place when it is whole. */
import { join } from "node:path";
import { copy, hasScratch, remove, removeLeftovers } from "./attempt_files.ts";
import { digestFolder } from "./digest.ts";
import { disk, ensureFolder, moveDurably } from "../durable.ts";
import { type CacheKeyInputs, canonicalJson, fingerprint } from "../fingerprint.ts";
import { type Lock, takeLock } from "./file_lock.ts";
import { ignoreNotFound } from "../paths.ts";
import type { OutputRecord, StageOutcome, StageRecord } from "../stage_record.ts";
import type { Stage } from "../stage.ts";
import { withChecksum, writeState } from "../state.ts";

/** A place where one attempt writes. Nobody else writes there while it is open. */
export interface Attempt {
  /** Output → its empty folder. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  /** True if an earlier attempt was interrupted and left files. */
  readonly resumed: boolean;
  /** Makes the outputs artifacts, all at once. */
  commit(outcome: StageOutcome): Promise<StageRecord>;
  /** Lets go. What is in `scratch` stays for the next attempt unless the attempt was committed. */
  [Symbol.asyncDispose](): Promise<void>;
}

interface Wanted {
  readonly stage: Stage;
  readonly dependencies: CacheKeyInputs;
  /** Folder to work in; the lock is beside it. */
  readonly work: string;
  /** Folder of the result to be. */
  readonly place: string;
  /** The result that is there already, if it is whole. */
  find(): Promise<StageRecord | undefined>;
  /** Called once when another run makes the same result. */
  waiting(): void;
  readonly signal: AbortSignal;
  /** Ms after which another one that gives no sign of life is not waited for. */
  readonly patience?: number;
}

/** Opens the place where a result is made. Waits while another run makes the same one. */
export async function openAttempt(wanted: Wanted): Promise<Attempt> {
  const { stage, dependencies, place, find } = wanted;
  const { work, lock } = await takePlace(wanted);
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
    // Outputs of an interrupted attempt are half of something; scratch is what is meant to last.
    await remove(result);
    await ensureFolder(scratch);
    await Deno.mkdir(result);
    const outputs: Record<string, string> = {};
    for (const name of Object.keys(stage.outputs)) {
      outputs[name] = join(result, name);
      await Deno.mkdir(outputs[name]);
    }
    return {
      outputs,
      scratch,
      resumed,
      commit: async (outcome) => {
        const recorded: Record<string, OutputRecord> = {};
        for (const [name, { kind, volatile }] of Object.entries(stage.outputs)) {
          recorded[name] = { kind, ...await digestFolder(outputs[name]!, volatile) };
        }
        const hash = fingerprint(dependencies);
        const made = { fingerprint: hash, dependencies, outputs: recorded };
        const record = await keep(
          { version: 1, ...outcome, ...made },
          await find(),
          ...[result, place, `${work}.old`] as const,
        );
        await remove(scratch);
        return record;
      },
      [Symbol.asyncDispose]: release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * Takes the folder to work in; or, while a machine holds it that is frozen, another one, with a copy
 * of what is there to go on from: whatever wakes up there later, the two do not meet.
 */
async function takePlace(
  { work, waiting, signal, patience }: Wanted,
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

/** Puts a whole result in its place, and returns the record of what is there then. */
async function keep(
  made: StageRecord,
  there: StageRecord | undefined,
  result: string,
  place: string,
  old: string,
): Promise<StageRecord> {
  const same = there && canonicalJson(digests(there)) === canonicalJson(digests(made));
  // The same once more: another run may be reading it, so it stays where it is, and what is
  // volatile in it as well.
  const record = withChecksum(same ? { ...made, outputs: there.outputs } : made);
  await writeState(join(same ? place : result, "record.json"), record);
  if (same) return record;
  await ensureFolder(join(place, ".."));
  // A damaged result, or one that came out differently, makes room.
  await remove(old);
  await disk.rename(place, old).catch(ignoreNotFound);
  await moveDurably(result, place);
  await remove(old);
  return record;
}

function digests({ outputs }: StageRecord): Record<string, string> {
  return Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest]));
}
