/** Locks between runs: files that only one of them holds at a time. */
import { ignoreMissing } from "./paths.ts";

/** Takes a lock, or tells that it has to wait and does. */
export async function takeLock(
  path: string,
  waiting: () => void,
  signal: AbortSignal,
): Promise<Deno.FsFile> {
  for (let told = false;;) {
    signal.throwIfAborted();
    const lock = await tryLock(path, true);
    if (lock) return lock;
    if (!told) waiting();
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
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
      const there = await Deno.stat(path).catch(ignoreMissing);
      ours = there?.ino === (await file.stat()).ino;
      if (ours) return file;
    } finally {
      if (!ours) file.close();
    }
  }
}
