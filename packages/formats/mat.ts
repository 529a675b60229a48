/**
 * Reads MATLAB level-5 files (saved with -v6 or -v7), compressed or not, of either byte order.
 *
 * Format: MathWorks, "MAT-File Format", chapter 1, level 5.
 *
 * Files are not trusted: every length is compared with the remaining bytes before memory is allocated,
 * and all compressed data together may unpack to `limit` bytes.
 */
import { byteCount } from "./random_access_file.ts";
import { inflateSync } from "node:zlib";
import { ByteReader } from "./mat/byte_reader.ts";
import { count, MatError, MatSource } from "./mat/source.ts";
import {
  fieldOf,
  kindOf,
  type MatField,
  type MatValue,
  structFields,
  valueAt,
} from "./mat_values.ts";

export { MatError };
export type * from "./mat_values.ts";

const HEADER = 128;
const miMATRIX = 14;
const miCOMPRESSED = 15;
/** Maximum compression ratio of Deflate. */
const MAX_RATIO = 1032;

export interface MatOptions {
  /** Name of the file, for messages. */
  source: string;
  /** Maximum bytes that all compressed data may unpack to. Default: 512 MiB. */
  limit?: number;
}

/**
 * Reads the variables of a file by name.
 * @throws {MatError} if it is damaged
 *
 * @example
 * ```ts
 * import { writeMat } from "@reproducible/formats/mat_write";
 * const bytes = writeMat("wiki", { dob: [723671], name: { cell: ["Ada"] } });
 * const wiki = readMat(bytes, { source: "wiki.mat" }).get("wiki");
 * if (wiki?.kind === "struct") console.log(wiki.numbers("dob"), wiki.cell("name").strings());
 * ```
 */
export function readMat(
  bytes: Uint8Array<ArrayBuffer>,
  { source, limit = 2 ** 29 }: MatOptions,
): Map<string, MatValue> {
  const variables = new Map<string, MatValue>();
  const add = (source: MatSource, at: number, end: number) => {
    const { name } = source.header(at, end);
    // Variables without a name hold parts of objects.
    if (name !== "") variables.set(name, valueAt(source, at, end));
  };
  const little = byteOrder(bytes, source);
  const file = new MatSource(bytes, { little, file: source });
  let budget = limit;
  for (let at = HEADER; at < bytes.length;) {
    const tag = file.tag(at, bytes.length);
    if (tag.type === miCOMPRESSED) {
      const data = inflate(file, at, tag.data, tag.size, budget);
      budget -= data.length;
      const unpacked = new MatSource(data, { little, file: source, unpackedFrom: at });
      add(unpacked, 0, data.length);
      at = tag.data + tag.size; // compressed elements are not padded
    } else if (tag.type === miMATRIX) {
      add(file, at, bytes.length);
      at = tag.next;
    } else {
      throw file.error(at, `is of type ${tag.type}; a variable was expected`);
    }
  }
  return variables;
}

/** Checks the file's header of 128 bytes. Returns true if the file is little-endian. */
function byteOrder(bytes: Uint8Array<ArrayBuffer>, source: string): boolean {
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

/** Unpacks a compressed element, which must hold one array of the size that its tag claims. */
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
      // With `info`, the engine reports the number of input bytes that it used.
      return inflateSync(input, { ...options, info: true }) as unknown as {
        buffer: Uint8Array<ArrayBuffer>;
        engine: { bytesWritten: number };
      };
    } catch (cause) {
      throw file.error(at, `cannot be unpacked (${(cause as Error).message})`, cause);
    }
  };
  // The first bytes hold the unpacked size. Z_SYNC_FLUSH allows incomplete input.
  const peek = unzip(packed.subarray(0, 1024), { finishFlush: 2, maxOutputLength: 2 ** 21 }).buffer;
  if (peek.length < 8) {
    throw file.error(at, `unpacks to ${byteCount(peek.length)}, less than a tag`);
  }
  const total = 8 + new DataView(peek.buffer, peek.byteOffset).getUint32(4, file.little);
  checkClaim(file, at, size, total, budget);
  // One chunk of the complete size: no chunks to join, and half the memory.
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

/** @throws if compressed data claims to unpack to more than is possible or allowed */
function checkClaim(
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

/** A file, or a part of one, for random access. */
export interface MatFile {
  readonly size: number;
  /** Returns a copy of `length` bytes from `offset` on. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
}

export interface MatStructOptions extends MatOptions {
  /** Name of the struct. */
  variable: string;
}

/** Bytes of the file to read at once. */
const CHUNK = 1 << 18;
/** Maximum bytes of a struct's header and field names. */
const HEAD = 1 << 16;

/**
 * Reads one struct field by field while it is unpacked, so neither the file nor the struct is in memory
 * as a whole. Calls the function of each field in `take`, in the order of the file.
 * @returns the names of all fields
 * @throws {MatError} if the file is damaged or has no such struct
 */
export async function readMatStruct(
  file: MatFile,
  { source, variable, limit = 2 ** 30 }: MatStructOptions,
  take: Readonly<Record<string, (field: MatField) => void>>,
): Promise<readonly string[]> {
  const little = byteOrder(file.read(0, Math.min(HEADER, file.size)), source);
  const others: string[] = [];
  for (let at = HEADER; at < file.size;) {
    const place = { little, file: source, offset: at };
    const remain = file.size - at;
    const tag = new MatSource(file.read(at, Math.min(8, remain)), place).tag(0, remain);
    if (tag.type !== miCOMPRESSED && tag.type !== miMATRIX) {
      throw new MatSource(new Uint8Array(), place)
        .error(0, `is of type ${tag.type}; a variable was expected`);
    }
    const packed = tag.type === miCOMPRESSED;
    const chunks = packed
      ? unpack(file, at + tag.data, tag.size)
      : piecesOf(file, at, tag.data + tag.size);
    await using stream = new ByteReader(chunks);
    const inner = packed ? { little, file: source, unpackedFrom: at } : place;
    const error = (where: number, why: string, cause?: unknown) =>
      new MatSource(new Uint8Array(), inner).error(where, why, cause);
    try {
      const head = await stream.peek(HEAD);
      const top = new MatSource(head, inner);
      if (head.length < 8) throw error(0, `unpacks to ${byteCount(head.length)}, less than a tag`);
      const size = 8 + top.view.getUint32(4, little);
      if (packed) checkClaim(new MatSource(new Uint8Array(), place), 0, tag.size, size, limit);
      const header = headOf(() => top.headerWithin(0, size), error);
      const kind = kindOf(header);
      if (header.name === variable) {
        if (kind === "struct" && header.count !== 1) {
          throw new Error(
            `Cannot use "${source}": its struct "${variable}" is an array of ` +
              `${
                header.dims.join(" × ")
              } structs; one struct of columns was expected. In MATLAB: ` +
              `${variable} = table2struct(struct2table(${variable}), 'ToScalar', true).`,
          );
        }
        if (kind !== "struct") {
          throw notThere(source, variable, [...others, `${variable} (${kind})`]);
        }
        const { names, next } = headOf(() => structFields(top, header), error);
        await stream.skip(next);
        await readFields(stream, names, size, inner, take);
        if (!await stream.ended()) {
          throw error(0, `unpacks to more than the ${byteCount(size)} that it claims`);
        }
        return names;
      }
      if (header.name !== "") others.push(`${header.name} (${kind})`);
    } catch (cause) {
      if (!(cause instanceof Unpacking)) throw cause;
      throw new MatSource(new Uint8Array(), place).error(0, cause.message, cause);
    }
    at += packed ? tag.data + tag.size : tag.next;
  }
  throw notThere(source, variable, others);
}

type Place = ConstructorParameters<typeof MatSource>[1];

/** Reads the fields of a struct from the stream. */
async function readFields(
  stream: ByteReader,
  names: readonly string[],
  end: number,
  place: Place,
  take: Readonly<Record<string, (field: MatField) => void>>,
): Promise<void> {
  for (const name of names) {
    const at = stream.position;
    const here = { ...place, offset: at + (place.offset ?? 0) };
    const tagBytes = await stream.peek(8);
    const { type, next } = new MatSource(tagBytes, here).tag(0, Math.min(end - at, MAX));
    if (tagBytes.length < 8) throw short(here);
    if (type !== miMATRIX) {
      throw new MatSource(tagBytes, here)
        .error(0, `is of storage type ${type}, an array was expected`);
    }
    const use = Object.hasOwn(take, name) ? take[name] : undefined;
    if (!use) {
      if (!await stream.skip(next)) throw short(here);
      continue;
    }
    const bytes = await stream.take(next);
    if (!bytes) throw short(here);
    const source = new MatSource(bytes, here);
    use(fieldOf(name, valueAt(source, 0, next, 1), source, 0));
  }
}

/** Maximum size of an element. */
const MAX = 2 ** 32 + 16;

function short(place: Place): MatError {
  return new MatSource(new Uint8Array(), place).error(0, "claims more bytes than there are");
}

/** Runs a read of the first `HEAD` bytes of a struct; reports a header that is longer. */
function headOf<T>(read: () => T, error: (at: number, why: string, cause: unknown) => MatError): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw error(0, `has no complete header in its first ${byteCount(HEAD)}`, cause);
  }
}

function notThere(source: string, variable: string, others: readonly string[]): Error {
  return new Error(
    `Cannot use "${source}": it has no struct "${variable}"; it holds ` +
      `${others.join(", ") || "nothing"}.`,
  );
}

/** An error of the decompression. */
class Unpacking extends Error {}

async function* piecesOf(
  file: MatFile,
  start: number,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < size; at += CHUNK) {
    yield file.read(start + at, Math.min(CHUNK, size - at));
  }
}

/** Unpacks a part of the file. @throws if it is truncated, or has bytes after its end */
async function* unpack(file: MatFile, start: number, size: number): AsyncGenerator<Uint8Array> {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  const feed = async () => {
    for await (const piece of piecesOf(file, start, size)) await writer.write(piece);
    await writer.close();
  };
  const fed = feed().catch((error) => error); // reported by the reader
  try {
    for await (const chunk of stream.readable) yield chunk;
  } catch (cause) {
    throw new Unpacking(`cannot be unpacked (${(cause as Error).message})`, { cause });
  }
  await fed;
}
