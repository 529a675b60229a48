/** Attempts at results: made aside, and published when complete. */
import { dirname, join } from "node:path";
import { expectation } from "../config/zod_issues.ts";
import { digestFolder, listFiles } from "../digest.ts";
import { disk, ensureFolder, moveDurably } from "../durable.ts";
import { quote, RunError } from "../errors.ts";
import type { ArtifactStore } from "../artifact_store.ts";
import { type CacheKey, fingerprint } from "../fingerprint.ts";
import { type Lock, takeLock } from "./file_lock.ts";
import { entries, ignoreNotFound, remove } from "../paths.ts";
import {
  digestsOf,
  type OutputRecord,
  recordSchema,
  type StageOutcome,
  type StageRecord,
} from "../stage_record.ts";
import type { Progress, Stage } from "../stage.ts";
import { withChecksum, writeState } from "../state.ts";

/** The reason why an attempt waits. */
export const BEING_MADE = "another run is making this; waiting for it";

/** Exclusive folders of one attempt. */
export interface Attempt {
  /** Output → its empty folder. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  /** True if an interrupted attempt left files. */
  readonly resumed: boolean;
  /** Publishes all outputs at once. @param progress shows the reading of large ones */
  commit(outcome: StageOutcome, progress?: Progress): Promise<StageRecord>;
  /** Publishes outputs that were made elsewhere, with their record. */
  adopt(record: StageRecord): Promise<StageRecord>;
  /** Releases the folders. `scratch` stays for the next attempt unless this one was committed. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens an attempt at a result.
 * @param info logs that it waits while another run makes the same one
 */
export async function openAttempt(
  store: ArtifactStore,
  stage: Pick<Stage, "name" | "outputs">,
  cacheKey: CacheKey,
  info: (line: string) => void,
  signal: AbortSignal,
): Promise<Attempt> {
  const hash = fingerprint(cacheKey);
  const { patience } = store.options;
  const wanted = store.workOf(stage.name, hash);
  await ensureFolder(dirname(wanted));
  await assertOneDisk(dirname(store.pathOf(stage.name, hash)), dirname(wanted));
  const { work, lock } = await acquireWorkDir(wanted, () => info(BEING_MADE), signal, patience);
  await using opening = new AsyncDisposableStack();
  opening.use(lock);
  opening.defer(() => removeLeftovers(work));
  const [scratch, result] = [join(work, "scratch"), join(work, "result")];
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
    const there = await store.find(stage.name, hash, Object.keys(outputs));
    const place = store.pathOf(stage.name, hash);
    const published = await publish(record, there.record, result, place, `${work}.old`);
    for (const path of [scratch, store.pulledOf(stage.name, hash)]) await remove(path);
    return published;
  };
  const commit: Attempt["commit"] = async (outcome, progress) => {
    const recorded: Record<string, OutputRecord> = {};
    for (const [name, { kind, volatile }] of Object.entries(stage.outputs)) {
      recorded[name] = { kind, ...await digestFolder(outputs[name]!, volatile, progress) };
    }
    const made = { fingerprint: hash, dependencies: cacheKey, outputs: recorded };
    const record = { version: 1 as const, ...outcome, ...made };
    // A plugin without TypeScript may return anything, which no later run could read.
    const refused = (what: string) =>
      new Error(`Cannot keep what stage "${outcome.id}" returned: ${what}. See StageResult.`);
    const { error } = recordSchema.strict().safeParse(JSON.parse(JSON.stringify(record)));
    const issue = error?.issues[0], place = issue?.path.join(".");
    if (issue) throw refused(`${place && `${place}: `}${expectation(issue)}`);
    for (const file of outcome.show ?? []) {
      if (await Deno.lstat(join(result, file)).catch(ignoreNotFound)) continue;
      throw refused(`show names ${quote(file)}, and it wrote no such OUTPUT/FILE`);
    }
    return await adopt(record);
  };
  const open = opening.move();
  return {
    outputs,
    scratch,
    resumed,
    commit,
    adopt,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Throws if a finished result could not be renamed into a stage's folder. */
async function assertOneDisk(place: string, work: string): Promise<void> {
  const [one, other] = await Promise.all(
    [place, work].map((path) => Deno.stat(path).catch(ignoreNotFound)),
  );
  // Another run may make the folder in between.
  const isLost = !one && (await Deno.lstat(place).catch(ignoreNotFound))?.isSymlink;
  if (!isLost && (!one || !other || one.dev === other.dev)) return;
  const what = isLost ? "a link to nothing" : `on another disk than ${dirname(place)}`;
  throw new RunError(
    `Cannot keep results: ${place} is ${what}. Move the whole folder there, and name it: ` +
      "--set artifacts=FOLDER.",
  );
}

/**
 * Acquires the work folder. While a frozen machine holds it, acquires another one with a copy of its
 * scratch: the two do not collide when that machine wakes up.
 */
async function acquireWorkDir(
  work: string,
  ...waits: [waiting: () => void, signal: AbortSignal, patience?: number]
): Promise<{ work: string; lock: Lock }> {
  for (let n = 0, before: string | undefined;; n++) {
    const own = n === 0 ? work : `${work}+${n}`;
    const lock = await takeLock(`${own}.lock`, ...waits);
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
  const same = there && digestsOf(there) === digestsOf(made);
  // An equal result stays with its volatile files: another run may be reading it.
  const record = withChecksum(same ? { ...made, outputs: there.outputs } : made);
  await writeState(join(same ? place : result, "record.json"), record);
  if (same) return record;
  await ensureFolder(dirname(place));
  await remove(old);
  await disk.rename(place, old).catch(ignoreNotFound);
  await moveDurably(result, place);
  await remove(old);
  return record;
}

/** Removes everything of an attempt but its scratch. Its lock has to be held. */
export async function removeLeftovers(work: string): Promise<void> {
  await remove(`${work}.old`);
  await remove(join(work, "result"));
  if (await hasScratch(work)) return;
  await remove(work);
  await Deno.remove(`${work}.lock`).catch(ignoreNotFound);
}

/** True if `removeLeftovers` would remove something, were the attempt not at work. */
export async function hasLeftovers(work: string): Promise<boolean> {
  if (!await hasScratch(work) || (await entries(work)).includes("result")) return true;
  return (await entries(`${work}.old`)).length > 0;
}

/** True if an interrupted attempt left files to resume from. */
export async function hasScratch(work: string): Promise<boolean> {
  return (await entries(join(work, "scratch"))).length > 0;
}

/** Copies a folder recursively; files that vanish meanwhile are left out. */
async function copy(from: string, to: string): Promise<void> {
  for (const name of await listFiles(from).catch(ignoreNotFound) ?? []) {
    await Deno.mkdir(dirname(join(to, name)), { recursive: true });
    await Deno.copyFile(join(from, name), join(to, name)).catch(ignoreNotFound);
  }
}
