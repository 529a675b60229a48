/**
 * Reads MATLAB level-5 files (.mat as MATLAB saves with -v6 and -v7): compressed or not, of either
 * byte order. Values are decoded when they are asked for; see matValues.ts.
 *
 * Format: MathWorks, "MAT-File Format", chapter 1, level 5.
 *
 * A file is not trusted: every length is checked against what remains before memory is taken, and
 * all compressed data together may unpack to `limit` bytes.
 */
import { inflateSync } from "node:zlib";
import { count, MatError, MatSource } from "./mat/source.ts";
import { type MatValue, valueAt, variableName } from "./mat_values.ts";
import { byteCount } from "./byte_reader.ts";

export { MatError };
export type * from "./mat_values.ts";

export const HEADER = 128;
export const miMATRIX = 14;
export const miCOMPRESSED = 15;
/** Deflate cannot do better than 1,032 bytes out of one; a claim beyond it is a lie. */
const MAX_RATIO = 1032;

export interface MatOptions {
  /** Name of the file, for messages. */
  source: string;
  /** Most bytes that all compressed data may unpack to; IMDB's file takes less than half of it. */
  limit?: number;
}

/** The variables of a file by name. Throws `MatError`. */
export function readMat(
  bytes: Uint8Array<ArrayBuffer>,
  { source, limit = 2 ** 29 }: MatOptions,
): Map<string, MatValue> {
  const variables = new Map<string, MatValue>();
  const little = byteOrder(bytes, source);
  const file = new MatSource(bytes, { little, file: source });
  let budget = limit;
  for (let at = HEADER; at < bytes.length;) {
    const tag = file.tag(at, bytes.length);
    if (tag.type === miCOMPRESSED) {
      const data = inflate(file, at, tag.data, tag.size, budget);
      budget -= data.length;
      const unpacked = new MatSource(data, { little, file: source, unpackedFrom: at });
      add(variables, unpacked, 0, data.length);
      at = tag.data + tag.size; // compressed elements are not padded
    } else if (tag.type === miMATRIX) {
      add(variables, file, at, bytes.length);
      at = tag.next;
    } else {
      throw file.error(at, `is of type ${tag.type}; a variable was expected`);
    }
  }
  return variables;
}

function add(variables: Map<string, MatValue>, source: MatSource, at: number, end: number): void {
  const name = variableName(source, at, end);
  // MATLAB keeps what objects need in a variable without a name.
  if (name !== "") variables.set(name, valueAt(source, at, end));
}

/** Checks the 128 bytes of the file's header. True: little-endian. */
export function byteOrder(bytes: Uint8Array<ArrayBuffer>, source: string): boolean {
  const fail = (why: string) => new MatError(`Cannot read "${source}": ${why}.`);
  if (bytes.length < HEADER) {
    throw fail(
      `a MATLAB level-5 file begins with ${HEADER} bytes of header, it has ${bytes.length}`,
    );
  }
  const mark = String.fromCharCode(bytes[126], bytes[127]);
  if (mark !== "IM" && mark !== "MI") {
    throw fail(
      `it is not a MATLAB level-5 file (byte 126 should read "IM" or "MI"); ` +
        `in MATLAB, save it with -v7`,
    );
  }
  const little = mark === "IM";
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint16(124, little);
  if (version === 0x0200) {
    throw fail(`it is a version 7.3 (HDF5) file; in MATLAB, save it with -v7`);
  }
  if (version !== 0x0100) throw fail(`its version is 0x${version.toString(16)}, known is 0x100`);
  return little;
}

/** Unpacks a compressed element, which must hold one matrix, into exactly the bytes it claims. */
function inflate(
  file: MatSource,
  at: number,
  start: number,
  size: number,
  budget: number,
): Uint8Array<ArrayBuffer> {
  const packed = file.bytes.subarray(start, start + size);
  const unzip = (input: Uint8Array, options: Parameters<typeof inflateSync>[1]) => {
    try {
      // With `info`, the engine tells how much of the input it took.
      return inflateSync(input, { ...options, info: true }) as unknown as {
        buffer: Uint8Array<ArrayBuffer>;
        engine: { bytesWritten: number };
      };
    } catch (cause) {
      throw file.error(at, `cannot be unpacked (${(cause as Error).message})`, cause);
    }
  };
  // The first bytes say how long the whole will be. Z_SYNC_FLUSH takes input that goes on.
  const peek = unzip(packed.subarray(0, 1024), { finishFlush: 2, maxOutputLength: 2 ** 21 }).buffer;
  if (peek.length < 8) {
    throw file.error(at, `unpacks to ${byteCount(peek.length)}, less than a tag`);
  }
  const total = 8 + new DataView(peek.buffer, peek.byteOffset).getUint32(4, file.little);
  checkClaim(file, at, size, total, budget);
  // A chunk of the whole size: no pieces to join, and half the memory.
  const { buffer, engine } = unzip(packed, {
    maxOutputLength: total,
    chunkSize: Math.max(64, total),
  });
  if (buffer.length !== total || engine.bytesWritten !== size) {
    throw file.error(
      at,
      `unpacks to ${byteCount(buffer.length)} of ${count(total)} claimed, ` +
        `from ${byteCount(engine.bytesWritten)} of ${count(size)}`,
    );
  }
  return buffer;
}

/** Refuses compressed data that claims to unpack to more than it can, or may. */
export function checkClaim(
  file: MatSource,
  at: number,
  size: number,
  total: number,
  budget: number,
): void {
  if (total > size * MAX_RATIO) {
    throw file.error(
      at,
      `holds ${byteCount(size)} that claim to unpack to ${count(total)}, which cannot be`,
    );
  }
  if (total > budget) {
    throw file.error(
      at,
      `claims to unpack to ${byteCount(total)}, the limit leaves ${count(budget)}`,
    );
  }
}
