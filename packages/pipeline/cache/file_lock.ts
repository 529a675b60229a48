/** Locks between processes, as files. */
import { join } from "node:path";
import { RunError } from "../errors.ts";
import { entries, ignoreNotFound } from "../paths.ts";

/** Heartbeat interval of a lock's holder, in ms. */
const HEARTBEAT_MS = 1000;

/** A held lock, with a heartbeat while the holder's machine runs. */
export class Lock implements Disposable {
  readonly #beating: ReturnType<typeof setInterval>;

  constructor(readonly file: Deno.FsFile) {
    const beat = () => void file.utime(new Date(), new Date()).catch(() => {}); // works without
    this.#beating = setInterval(beat, HEARTBEAT_MS);
    this.#beating.unref(); // does not keep the process alive
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beating);
    this.file.close();
  }
}

/**
 * Acquires a lock, and waits for it if needed.
 * @param waiting called once if it waits
 * @param patience ms without a heartbeat of the holder after which it gives up, since a frozen
 *   machine keeps its locks. Default: no limit
 * @returns undefined when it gave up
 */
export async function takeLock(
  path: string,
  waiting: () => void,
  signal: AbortSignal,
  patience = Infinity,
): Promise<Lock | undefined> {
  let last = "", since = performance.now();
  for (let waits = false;;) {
    signal.throwIfAborted();
    const lock = await tryLock(path, true);
    if (lock) return new Lock(lock);
    if (!waits && await isHeld(path)) {
      waits = true;
      waiting();
    }
    const sign = await heartbeat(path);
    if (sign !== last) [last, since] = [sign, performance.now()];
    else if (performance.now() - since > patience) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Returns a text that changes while a lock's holder lives. */
async function heartbeat(path: string): Promise<string> {
  // Shared folders report the current time only of an open file.
  using file = await Deno.open(path).catch(ignoreNotFound);
  if (!file) return "it is gone";
  const { mtime, ino } = await file.stat();
  return `${ino} ${mtime?.getTime()}`;
}

/**
 * Locks an open file, or returns false while another process holds it.
 * @throws {RunError} where the file system has no locks
 */
export function lockFile(file: Deno.FsFile, path: string, exclusive: boolean): Promise<boolean> {
  return file.tryLock(exclusive).catch((cause: Error) => {
    const way = "Mount it with locks (flock), or choose another folder for the artifacts";
    throw new RunError(`Cannot lock "${path}": ${cause.message}. ${way}.`, { cause });
  });
}

/** Acquires a lock if it is free. The kernel releases it when its holder ends. */
export async function tryLock(path: string, create: boolean): Promise<Deno.FsFile | undefined> {
  for (;;) {
    using opening = new DisposableStack();
    const file = opening.use(await Deno.open(path, { create, write: true, read: true }));
    if (!await lockFile(file, path, true)) return undefined;
    // The last holder may have removed the file between our opening and locking it.
    const there = await Deno.stat(path).catch(ignoreNotFound);
    if (there?.ino !== (await file.stat()).ino) continue;
    opening.move();
    return file;
  }
}

/** Returns true if a process holds a lock, or if that is unknown. Others may look at the same time. */
export async function isHeld(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path);
    return !await file.tryLock(false);
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/**
 * Calls a function with each path of a folder whose lock, `path.lock`, has no holder, while it is held.
 * @param wanted returns false for a lock to leave alone: others would find it held for a moment
 */
export async function withFreeLocks(
  folder: string,
  wanted: (path: string) => Promise<boolean>,
  act: (path: string) => Promise<void>,
): Promise<void> {
  for (const name of await entries(folder).catch(() => [])) {
    if (!name.endsWith(".lock")) continue;
    const path = join(folder, name.slice(0, -".lock".length));
    try {
      if (!await wanted(path)) continue;
      using lock = await tryLock(`${path}.lock`, false);
      if (lock) await act(path);
    } catch {
      // Gone meanwhile, or read-only, which the first write reports.
    }
  }
}
