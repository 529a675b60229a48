/** Files that are on this machine already: copied, hashed and unpacked, in one pass each. */
import { createHash } from "node:crypto";
import { createGunzip } from "node:zlib";
import { createReadStream } from "node:fs";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";

/** Bytes at a time. */
const CHUNK = 1 << 20;

export interface CopyOptions {
  /** The MD5 it must have, in lower case, if one is known. */
  md5?: string;
  signal?: AbortSignal;
  onStart?(size: number): void;
  onBytes?(count: number): void;
}

/**
 * Copies a file and takes its MD5. A copy and not a link, so that whoever changes the original
 * later does not change the artifact. Nothing is at `to` unless it is whole and its MD5 right.
 */
export async function copyFile(
  from: string,
  to: string,
  options: CopyOptions = {},
): Promise<{ md5: string; size: number }> {
  using source = new RandomAccessFile(from);
  options.onStart?.(source.size);
  const hash = createHash("md5");
  const part = `${to}.part`;
  {
    using target = await Deno.open(part, { write: true, create: true, truncate: true });
    for (let at = 0; at < source.size;) {
      options.signal?.throwIfAborted();
      const bytes = source.read(at, Math.min(CHUNK, source.size - at));
      hash.update(bytes);
      await writeAll(target, bytes);
      at += bytes.length;
      options.onBytes?.(bytes.length);
    }
  }
  const md5 = hash.digest("hex");
  if (source.changed()) {
    await Deno.remove(part);
    throw new Error(`Cannot take "${from}": it was changed while it was copied. Run again.`);
  }
  if (options.md5 !== undefined && md5 !== options.md5) {
    await Deno.remove(part);
    throw new Error(
      `Cannot take "${from}": its MD5 is ${md5}, expected was ${options.md5}. Either it is damaged ` +
        `or another version; to take it as it is, give its MD5 under "checksums".`,
    );
  }
  await moveDurably(part, to);
  return { md5, size: source.size };
}

/** The MD5 of a file. */
export async function md5Of(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("md5");
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest("hex");
}

export interface GunzipOptions {
  signal?: AbortSignal;
  onStart?(size: number): void;
  /** Told of compressed bytes. */
  onBytes?(count: number): void;
}

/** Photos hardly compress; what unpacks to this many times its size, and some, is no photos. */
const MAX_GAIN = 20;
const MAX_EXTRA = 1 << 26;

/** Unpacks a .gz. Nothing is at `to` unless it is whole. */
export async function gunzipFile(
  from: string,
  to: string,
  options: GunzipOptions = {},
): Promise<void> {
  const { size } = await Deno.stat(from);
  const limit = size * MAX_GAIN + MAX_EXTRA;
  options.onStart?.(size);
  const part = `${to}.part`;
  const input = createReadStream(from, { highWaterMark: CHUNK });
  const unzip = createGunzip({ chunkSize: CHUNK });
  input.on("error", (error) => unzip.destroy(error));
  try {
    using target = await Deno.open(part, { write: true, create: true, truncate: true });
    let total = 0;
    input.pipe(unzip);
    // Only now: a listener sets the stream flowing, and what flows before the pipe is there is lost.
    input.on("data", (chunk) => options.onBytes?.(chunk.length));
    for await (const chunk of unzip) {
      options.signal?.throwIfAborted();
      total += chunk.length;
      if (total > limit) {
        throw new Error(
          `its ${size.toLocaleString("en")} bytes unpack to more than ` +
            `${limit.toLocaleString("en")}, as no archive of photos does`,
        );
      }
      await writeAll(target, chunk);
    }
  } catch (cause) {
    await Deno.remove(part).catch(() => {});
    options.signal?.throwIfAborted();
    throw new Error(`Cannot unpack "${from}": ${(cause as Error).message}.`, { cause });
  } finally {
    input.destroy();
    unzip.destroy();
  }
  await moveDurably(part, to);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}
