/** Copies, hashes and decompresses local files, in one pass each. */
import { createHash } from "node:crypto";
import { createGunzip } from "node:zlib";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { counted } from "../../packages/pipeline/causes.ts";
import { RandomAccessFile, writeAllSync } from "../../packages/formats/random_access_file.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";

const CHUNK = 1 << 20;

export interface CopyOptions {
  /** Expected MD5 in lower case, if known. */
  md5?: string;
  signal?: AbortSignal;
  onStart?(size: number): void;
  /** Called with the number of bytes read. */
  onBytes?(count: number): void;
}

/**
 * Copies a file and computes its MD5. A link would let later changes of the original change the
 * artifact. `to` exists only after a complete copy with the right MD5.
 * @returns the MD5
 */
export async function copyFile(from: string, to: string, options: CopyOptions = {}) {
  using source = new RandomAccessFile(from);
  options.onStart?.(source.size);
  const hash = createHash("md5");
  const part = `${to}.part`;
  {
    using target = await Deno.open(part, { write: true, create: true, truncate: true });
    // A stream, as reading at once would let no signal arrive.
    for await (const bytes of createReadStream(from, { highWaterMark: CHUNK })) {
      options.signal?.throwIfAborted();
      hash.update(bytes);
      writeAllSync(target, bytes);
      options.onBytes?.(bytes.length);
    }
  }
  const md5 = hash.digest("hex");
  const why = source.changed()
    ? "it changed during the copy. Run again"
    : md5 !== (options.md5 ?? md5)
    ? `its MD5 is ${md5}, expected ${options.md5}. It is damaged or another version; to use it as ` +
      'it is, set its MD5 under "checksums"'
    : undefined;
  if (why) {
    await Deno.remove(part);
    throw new Error(`Cannot copy "${from}": ${why}.`);
  }
  await moveDurably(part, to);
  return md5;
}

export async function md5Of(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("md5");
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest("hex");
}

/** Limits of decompression: photos hardly compress, so anything larger is a decompression bomb. */
const MAX_GAIN = 20;
const MAX_EXTRA = 1 << 26;

/** Decompresses a .gz file. `to` exists only after complete decompression. */
export async function gunzipFile(from: string, to: string, options: Omit<CopyOptions, "md5"> = {}) {
  using source = new RandomAccessFile(from);
  const { size } = source, limit = size * MAX_GAIN + MAX_EXTRA;
  const packed = size > 0 && source.read(0, 1)[0] === 0x1f; // the signature's first byte
  options.onStart?.(size);
  const part = `${to}.part`;
  try {
    // A write stream would open the file later, and may leave it behind where unpacking fails at once.
    using target = await Deno.open(part, { write: true, create: true, truncate: true });
    await pipeline(
      createReadStream(from, { highWaterMark: CHUNK }),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          options.onBytes?.(chunk.length);
          yield chunk;
        }
      },
      createGunzip({ chunkSize: CHUNK }),
      async (chunks: AsyncIterable<Uint8Array>) => {
        let total = 0;
        for await (const chunk of chunks) {
          total += chunk.length;
          if (total > limit) {
            throw new Error(
              `its ${counted(size, "byte")} unpack to more than ${counted(limit, "byte")}, the ` +
                "limit for archives of photos",
            );
          }
          writeAllSync(target, chunk);
        }
      },
      { signal: options.signal },
    );
  } catch (cause) {
    await Deno.remove(part).catch(() => {});
    options.signal?.throwIfAborted();
    const { message, code = "" } = cause as Error & { code?: string };
    const why = !code.startsWith("Z_")
      ? ""
      : packed
      ? "; it is damaged or cut short. Download it again"
      : "; it is not packed by gzip. If it is a plain tar, name it .tar";
    throw new Error(`Cannot unpack "${from}": ${message}${why}.`, { cause });
  }
  await moveDurably(part, to);
}
