/** Locks between runs: files that only one of them holds at a time. */
import { ignoreNotFound } from "../paths.ts";

/** Heartbeat interval of a lock's holder, in ms. */
const HEARTBEAT_MS = 1000;

/** A lock that is held. It shows that its holder lives, as long as the holder's machine does. */
export class Lock implements Disposable {
  readonly #beating: ReturnType<typeof setInterval>;

  constructor(readonly file: Deno.FsFile) {
    const beat = () => void file.utime(new Date(), new Date()).catch(() => {}); // it goes without
    this.#beating = setInterval(beat, HEARTBEAT_MS);
    this.#beating.unref(); // nobody stays for it
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beating);
    this.file.close();
  }
}

/**
 * Takes a lock, or tells that it has to wait and does.
 * @param patience ms without a sign of life of its holder after which it waits no longer: a machine
 *   that is frozen keeps its locks. Without it, it waits for ever
 * @returns undefined when it has lost patience
 */
export async function takeLock(
  path: string,
  waiting: () => void,
  signal: AbortSignal,
  patience = Infinity,
): Promise<Lock | undefined> {
  let last = "", since = performance.now();
  for (let told = false;;) {
    signal.throwIfAborted();
    const lock = await tryLock(path, true);
    if (lock) return new Lock(lock);
    if (!told) waiting();
    told = true;
    if (Number.isFinite(patience)) {
      const sign = await signOfLife(path);
      if (sign !== last) [last, since] = [sign, performance.now()];
      else if (performance.now() - since > patience) return undefined;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Something that changes as long as a lock's holder lives. */
async function signOfLife(path: string): Promise<string> {
  try {
    // Opened, since shared folders tell the true time only then.
    using file = await Deno.open(path);
    const { mtime, ino } = await file.stat();
    return `${ino} ${mtime?.getTime()}`;
  } catch (error) {
    ignoreNotFound(error);
    return "it is gone";
  }
}

/** Takes a lock if nobody has it. The kernel frees it when its holder dies, however it dies. */
export async function tryLock(path: string, create: boolean): Promise<Deno.FsFile | undefined> {
  for (;;) {
    const file = await Deno.open(path, { create, write: true, read: true });
    let ours = false;
    try {
      if (!await file.tryLock(true)) return undefined;
      // The last holder may have removed the file between our opening and locking it.
      const there = await Deno.stat(path).catch(ignoreNotFound);
      ours = there?.ino === (await file.stat()).ino;
      if (ours) return file;
    } finally {
      if (!ours) file.close();
    }
  }
}
