/** Digests of files and folders. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { isOutOfFiles } from "./errors.ts";
import { canonicalJson, sha256 } from "./fingerprint.ts";
import type { EarlierResult, Progress, StageContext } from "./stage.ts";
import type { OutputRecord } from "./stage_record.ts";

/**
 * Returns the digest of a folder, and names, sizes and digests of its files.
 * @param volatile files that are listed, and not part of the folder's digest
 * @param progress shows the bytes of a large folder
 */
export async function digestFolder(
  folder: string,
  volatile: readonly string[] = [],
  progress?: Progress,
): Promise<Omit<OutputRecord, "kind">> {
  const files: Record<string, { size: number; sha256: string }> = {};
  const names = await listFiles(folder);
  const total = names.reduce((sum, name) => sum + Deno.statSync(join(folder, name)).size, 0);
  const shown = total >= LARGE ? progress : undefined;
  shown?.start(total, "bytes");
  for (const name of names) {
    files[name] = await digestFile(join(folder, name), (bytes) => shown?.advance(bytes));
  }
  const patterns = volatile.map(filePattern);
  const lasting = Object.entries(files).filter(([file]) =>
    !patterns.some((pattern) => pattern.test(file))
  );
  const digest = sha256(canonicalJson(Object.fromEntries(lasting)));
  return { digest, files };
}

/** Returns what matches a file by its name in a kind, where `*` stands for anything but a slash. */
export function filePattern(name: string): RegExp {
  return new RegExp(`^${name.split("*").map((part) => RegExp.escape(part)).join("[^/]*")}$`);
}

/** Lists all files below a folder: relative paths with forward slashes, sorted. */
export async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  const walk = async (path: string, prefix: string) => {
    for await (const entry of Deno.readDir(path)) {
      if (entry.isDirectory) await walk(join(path, entry.name), `${prefix}${entry.name}/`);
      else files.push(prefix + entry.name);
    }
  };
  await walk(folder, "");
  return files.sort();
}

/** Bytes of a read, and of a folder whose reading is shown. */
const CHUNK = 1 << 20, LARGE = 1e8;

/** @param onBytes called with the number of bytes of each read; what it throws ends the reading */
export async function digestFile(
  path: string,
  onBytes: (bytes: number) => void = () => {},
): Promise<{ size: number; sha256: string }> {
  const hash = createHash("sha256");
  let size = 0;
  using file = await Deno.open(path);
  const expected = file.statSync().size, small = 0 < expected && expected < CHUNK;
  const buffer = new Uint8Array(small ? expected + 1 : CHUNK);
  // A small file is read faster than a promise settles.
  const read = () => small ? file.readSync(buffer) : file.read(buffer);
  for (let n = await read(); n !== null; n = await read()) {
    hash.update(buffer.subarray(0, n));
    size += n;
    onBytes(n);
  }
  return { size, sha256: hash.digest("hex") };
}

/** Returns true if a file of an earlier result is as it was recorded; logs one that is not. */
export async function isAsRecorded(
  { path, outputs }: EarlierResult,
  output: string,
  file: string,
  { signal, progress, info }: Pick<StageContext, "signal" | "progress" | "info">,
): Promise<boolean> {
  const place = join(path, output, file), { size, sha256 } = outputs[output]?.files[file] ?? {};
  progress.start(size ?? 0, "bytes");
  const digest = await digestFile(place, (bytes) => {
    signal.throwIfAborted();
    progress.advance(bytes, `verifying ${file}`);
  }).catch((error) => {
    signal.throwIfAborted();
    if (isOutOfFiles(error.message)) throw error;
  });
  if (digest && digest.sha256 === sha256) return true;
  info(`does not use "${place}" of an earlier result: it is damaged or missing`);
  return false;
}
