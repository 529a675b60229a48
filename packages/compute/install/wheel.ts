/** Fetches wheels, checks them and takes out what is needed. */
import { createHash } from "node:crypto";
import { statfs } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { ZipFile } from "../../formats/zip.ts";
import type { Progress } from "../../pipeline/stage.ts";
import { fetchFile } from "../../download/http.ts";
import type { Wheel } from "./pypi.ts";

export interface Work {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  line(text: string): void;
}

/** Fetches a wheel into a folder, going on where an earlier attempt stopped, and checks it. */
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
  const sum = await sha256(path);
  if (sum !== wheel.sha256) {
    await Deno.remove(path);
    throw new Error(
      `Cannot use "${wheel.file}": its SHA-256 is ${sum}, but the index says ${wheel.sha256}. It ` +
        "was removed; run the command again.",
    );
  }
  return path;
}

/** Unpacks those files of a wheel that `wanted` takes, and returns their names. */
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
      throw new Error(`Cannot unpack "${entry.name}" of "${path}": it leads outside.`);
    }
    const parent = dirname(target);
    if (!made.has(parent)) await Deno.mkdir(parent, { recursive: true });
    made.add(parent);
    await archive.extract(entry, target);
    work.progress.advance(entry.size, "unpacking");
  }
  return entries.map(({ name }) => name);
}

/** @throws if the disk has less room than `bytes` and a little */
async function demandSpace(folder: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free > bytes * 1.02) return;
  throw new Error(
    `Cannot make room for "${what}": it needs ${megabytes(bytes)}, but ${folder} has ` +
      `${megabytes(free)} left. Free some, or set FACES_CACHE to a folder on another disk.`,
  );
}

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const piece = new Uint8Array(1 << 20);
  for (let count; (count = await file.read(piece)) !== null;) hash.update(piece.subarray(0, count));
  return hash.digest("hex");
}
