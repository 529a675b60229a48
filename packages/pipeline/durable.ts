/**
 * Durable writes: a file or a folder is published completely or not at all, even after a power cut.
 *
 * A file system may store a new name before the bytes behind it. So the bytes are flushed before the
 * rename, and the folder after it.
 */
import { dirname, join } from "node:path";

/** System calls of durable writes; a test replaces them and loses unflushed data. */
export const disk = {
  mkdir: (path: string): Promise<void> => Deno.mkdir(path),
  write: (path: string, data: Uint8Array): Promise<void> => Deno.writeFile(path, data),
  rename: (from: string, to: string): Promise<void> => Deno.rename(from, to),
  /** Flushes the bytes of a file, or the names in a folder. */
  flush: async (path: string): Promise<void> => {
    const { isDirectory } = await Deno.lstat(path);
    if (isDirectory && Deno.build.os === "windows") return; // it flushes names by itself
    // Windows flushes only what is open for writing.
    using file = await Deno.open(path, { read: true, write: Deno.build.os === "windows" });
    await file.sync().catch((error) => {
      // Some network file systems cannot flush folders.
      if (!isDirectory || !["EINVAL", "ENOSYS", "ENOTSUP"].includes(error.code)) throw error;
    });
  },
};

/** Writes a file completely or not at all. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const aside = `${path}.${crypto.randomUUID().slice(0, 8)}`;
  try {
    await disk.write(aside, typeof data === "string" ? new TextEncoder().encode(data) : data);
    await moveDurably(aside, path);
  } catch (error) {
    await Deno.remove(aside).catch(() => {}); // the first error is the one to throw
    throw error;
  }
}

/** Moves a finished file or folder to its place, on the same file system. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await flushAll(from);
  await disk.rename(from, to);
  await disk.flush(dirname(to));
}

/** Creates a folder and the folders above it that are missing. */
export async function ensureFolder(path: string): Promise<void> {
  if (await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false)) return;
  await ensureFolder(dirname(path));
  await disk.mkdir(path).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error; // another process was faster
  });
  await disk.flush(dirname(path));
}

async function flushAll(path: string): Promise<void> {
  const { isDirectory, isSymlink } = await Deno.lstat(path);
  if (isSymlink) return;
  if (isDirectory) {
    for await (const { name } of Deno.readDir(path)) await flushAll(join(path, name));
  }
  await disk.flush(path);
}
