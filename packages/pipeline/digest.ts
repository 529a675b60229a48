/** Digests of files and folders. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonicalJson, sha256 } from "./fingerprint.ts";
import type { OutputRecord } from "./stage_record.ts";

/**
 * Returns the digest of a folder, and names, sizes and digests of its files.
 * @param volatile files that are listed, and not part of the folder's digest
 */
export async function digestFolder(
  folder: string,
  volatile: readonly string[] = [],
): Promise<Omit<OutputRecord, "kind">> {
  const files: Record<string, { size: number; sha256: string }> = {};
  for (const name of await listFiles(folder)) files[name] = await digestFile(join(folder, name));
  const lasting = Object.entries(files).filter(([name]) => !volatile.includes(name));
  const digest = sha256(canonicalJson(Object.fromEntries(lasting)));
  return { digest, files };
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

/** @param onBytes called with the number of bytes of each read */
export async function digestFile(
  path: string,
  onBytes: (bytes: number) => void = () => {},
): Promise<{ size: number; sha256: string }> {
  const hash = createHash("sha256");
  let size = 0;
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) {
    hash.update(buffer.subarray(0, n));
    size += n;
    onBytes(n);
  }
  return { size, sha256: hash.digest("hex") };
}
