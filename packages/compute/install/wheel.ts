/** Downloads wheels, verifies them and unpacks some of their files. */
import { dirname, join, resolve, sep } from "node:path";
import { checkSpace, freeBytes } from "../../download/disk_space.ts";
import { ZipFile } from "../../formats/zip.ts";
import type { Progress } from "../../pipeline/stage.ts";
import { digestFile } from "../../pipeline/digest.ts";
import { fetchFile } from "../../download/http.ts";
import type { Wheel } from "./pypi.ts";

export interface Work {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  line(text: string): void;
}

/** Downloads a wheel into a folder, resuming an earlier attempt, and verifies its SHA-256. */
export async function fetchWheel(wheel: Wheel, folder: string, work: Work): Promise<string> {
  const path = join(folder, wheel.file);
  if (!await Deno.stat(path).catch(() => undefined)) {
    if (wheel.size !== undefined) await demandSpace(folder, wheel.size, wheel.file);
    await fetchFile(wheel.url, {
      path,
      signal: work.signal,
      onStart: (size, have) => work.progress.start(size ?? wheel.size ?? 0, "bytes", have),
      onBytes: (count) => work.progress.advance(count, wheel.name),
      onTrouble: (message) => work.line(`  ${wheel.name}: ${message}`),
    });
  }
  const { sha256: sum } = await digestFile(path);
  if (sum !== wheel.sha256) {
    await Deno.remove(path);
    throw new Error(
      `Cannot use "${wheel.file}": its SHA-256 is ${sum}, the index has ${wheel.sha256}. The ` +
        "file was removed; run the command again.",
    );
  }
  return path;
}

/** Unpacks the files of a wheel that `wanted` selects. Returns their names. */
export async function unpackWheel(
  path: string,
  folder: string,
  wanted: (name: string) => boolean,
  work: Work,
): Promise<string[]> {
  using archive = new ZipFile(path);
  const entries = archive.entries.filter(({ name }) => wanted(name));
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  await Deno.mkdir(folder, { recursive: true });
  await demandSpace(folder, bytes, path);
  work.progress.start(bytes, "bytes");
  const made = new Set<string>();
  for (const entry of entries) {
    work.signal.throwIfAborted();
    const target = resolve(folder, entry.name);
    if (!target.startsWith(resolve(folder) + sep)) {
      throw new Error(
        `Cannot unpack "${entry.name}" of "${path}": it leads outside of the folder.`,
      );
    }
    const parent = dirname(target);
    if (!made.has(parent)) await Deno.mkdir(parent, { recursive: true });
    made.add(parent);
    await archive.extract(entry, target);
    work.progress.advance(entry.size, "unpacking");
  }
  return entries.map(({ name }) => name);
}

async function demandSpace(folder: string, bytes: number, what: string): Promise<void> {
  const wayOut = "set FACES_CACHE to a folder on another disk";
  await checkSpace(folder, bytes * 1.02, what, freeBytes, wayOut);
}
