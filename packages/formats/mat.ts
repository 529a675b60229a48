/**
 * Reads structs of columns from MATLAB level-5 files (saved with -v6 or -v7), compressed or not, of
 * either byte order.
 *
 * Format: MathWorks, "MAT-File Format", chapter 1, level 5.
 *
 * Files are not trusted: every length is compared with the remaining bytes before memory is allocated,
 * and compressed data may unpack to `limit` bytes.
 */
import { Buffer } from "node:buffer";
import {
  type ArrayHeader,
  decodeUtf8,
  errorAt,
  HEAD,
  MatError,
  MatSource,
  miMATRIX,
  mxOPAQUE,
  type Place,
} from "./mat/source.ts";
import { byteCount, count } from "./random_access_file.ts";

export { MatError };

/** A file, or a part of one, for random access. */
export interface MatFile {
  readonly size: number;
  /** Returns a copy of `length` bytes from `offset` on. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
}

export interface MatOptions {
  /** Name of the file, for messages. */
  source: string;
  /** Name of the struct. */
  variable: string;
  /** Maximum bytes that compressed data may unpack to. Default: 1 GiB. */
  limit?: number;
}

export interface MatField {
  /** Decodes real numbers as float64. @throws {MatError} if it holds others */
  numbers(): Float64Array;
  /** Returns its cell. @throws {MatError} if it holds none */
  cell(): MatCell;
}

const HEADER = 128;
/** Bytes of the file to read at once. */
const CHUNK = 1 << 18;
/** Maximum compression ratio of Deflate. */
const MAX_RATIO = 1032;
/** Maximum size of an element. */
const MAX_ELEMENT = 2 ** 32 + 16;

const miCOMPRESSED = 15;
const mxCHAR = 4, mxFUNCTION = 16;
/** Array classes ("mx..."); those of 6 to 15 hold numbers. */
const CLASSES: Readonly<Record<number, string>> = {
  1: "cell",
  2: "struct",
  3: "object",
  [mxCHAR]: "char",
  5: "sparse matrix",
  [mxFUNCTION]: "function handle",
  [mxOPAQUE]: "object",
};

/**
 * Reads one struct field by field while it is unpacked, so neither the file nor the struct is in memory
 * as a whole. Calls the function of each field in `take`, in the order of the file.
 * @returns the names of all fields
 * @throws {MatError} if the file is damaged or has no such struct
 *
 * @example
 * ```ts
 * import { RandomAccessFile } from "@reproducible/formats/random_access_file";
 * import { writeMat } from "@reproducible/formats/mat_write";
 * const path = await Deno.makeTempFile();
 * await Deno.writeFile(path, writeMat("wiki", { dob: [723671], name: { cell: ["Ada"] } }));
 * using file = new RandomAccessFile(path);
 * await readMat(file, { source: "wiki.mat", variable: "wiki" }, {
 *   dob: (field) => console.log(field.numbers()),
 *   name: (field) => console.log(field.cell().strings()),
 * });
 * ```
 */
export async function readMat(
  file: MatFile,
  { source, variable, limit = 2 ** 30 }: MatOptions,
  take: Readonly<Record<string, (field: MatField) => void>>,
): Promise<readonly string[]> {
  const little = byteOrder(file.read(0, Math.min(HEADER, file.size)), source);
  const notThere = (holds: readonly string[]) =>
    new Error(
      `Cannot use "${source}": it has no struct "${variable}"; it holds ` +
        `${holds.join(", ") || "nothing"}.`,
    );
  const others: string[] = [];
  for (let at = HEADER; at < file.size;) {
    const place: Place = { little, file: source, offset: at };
    const remain = file.size - at;
    const tag = new MatSource(file.read(at, Math.min(8, remain)), place).tag(0, remain);
    const packed = tag.type === miCOMPRESSED;
    if (!packed && tag.type !== miMATRIX) {
      throw errorAt(place, 0, `is of type ${tag.type}; a variable was expected`);
    }
    const chunks = packed
      ? unpack(file, at + tag.data, tag.size, place)
      : piecesOf(file, at, tag.data + tag.size);
    await using stream = new ByteReader(chunks);
    const inner: Place = packed ? { little, file: source, unpackedFrom: at } : place;
    const head = await stream.peek(HEAD);
    const top = new MatSource(head, inner);
    if (head.length < 8) {
      throw top.error(0, `unpacks to ${byteCount(head.length)}, less than a tag`);
    }
    const size = 8 + top.view.getUint32(4, little);
    if (packed && size > tag.size * MAX_RATIO) {
      const claim = `claim to unpack to ${count(size)}, which cannot be`;
      throw errorAt(place, 0, `holds ${byteCount(tag.size)} that ${claim}`);
    }
    if (packed && size > limit) {
      const left = `the limit leaves ${count(limit)}`;
      throw errorAt(place, 0, `claims to unpack to ${byteCount(size)}, ${left}`);
    }
    const header = top.withinHead(() => top.headerWithin(0, size));
    const kind = kindOf(header);
    if (header.name === variable) {
      if (kind !== "struct") throw notThere([...others, `${variable} (${kind})`]);
      if (header.count !== 1) {
        const shape = header.dims.join(" × ");
        throw new Error(
          `Cannot use "${source}": its struct "${variable}" is an array of ${shape} structs; ` +
            `one struct of columns was expected. In MATLAB: ` +
            `${variable} = table2struct(struct2table(${variable}), 'ToScalar', true).`,
        );
      }
      const { names, next } = top.withinHead(() => top.fieldNames(header));
      await stream.skip(next);
      for (const name of names) await readField(stream, name, size, inner, take);
      if ((await stream.peek(1)).length > 0) {
        throw top.error(0, `unpacks to more than the ${byteCount(size)} that it claims`);
      }
      return names;
    }
    if (header.name !== "") others.push(`${header.name} (${kind})`);
    at += packed ? tag.data + tag.size : tag.next; // compressed elements are not padded
  }
  throw notThere(others);
}

/** Checks the file's header of 128 bytes. Returns true if the file is little-endian. */
function byteOrder(bytes: Uint8Array<ArrayBuffer>, source: string): boolean {
  const fail = (why: string) => new MatError(`Cannot read "${source}": ${why}.`);
  if (bytes.length < HEADER) {
    throw fail(`a MATLAB level-5 file begins with 128 bytes of header, it has ${bytes.length}`);
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

/** Reads a field of a struct that ends at `end`, or skips it. */
async function readField(
  stream: ByteReader,
  name: string,
  end: number,
  place: Place,
  take: Readonly<Record<string, (field: MatField) => void>>,
): Promise<void> {
  const here = { ...place, offset: stream.position + (place.offset ?? 0) };
  const short = () => errorAt(here, 0, "claims more bytes than there are");
  const tagBytes = await stream.peek(8);
  const tag = new MatSource(tagBytes, here);
  const { type, next } = tag.tag(0, Math.min(end - stream.position, MAX_ELEMENT));
  if (tagBytes.length < 8) throw short();
  if (type !== miMATRIX) throw tag.noArray(0, type);
  if (!Object.hasOwn(take, name)) {
    if (!await stream.skip(next)) throw short();
    return;
  }
  const bytes = new Uint8Array(next);
  if (!await stream.skip(next, bytes)) throw short();
  const source = new MatSource(bytes, here);
  const header = source.header(0, next), kind = kindOf(header);
  const unlike = (wanted: string) =>
    source.error(0, `has field "${name}" of kind ${kind}, expected ${wanted}`);
  take[name]({
    numbers() {
      if (kind !== "numeric" || header.complex) throw unlike("real numbers");
      if (header.data === header.end && header.count === 0) return new Float64Array();
      return source.numbers(header.data, header.end, header.count);
    },
    cell() {
      if (kind !== "cell") throw unlike("a cell");
      return new MatCell(source, header);
    },
  });
}

const isNumeric = (header: ArrayHeader) => header.class >= 6 && header.class <= 15;

function kindOf(header: ArrayHeader): string {
  return isNumeric(header) ? "numeric" : CLASSES[header.class] ?? `class ${header.class}`;
}

/** An array of arrays, which decodes all parts at once. */
export class MatCell {
  readonly length: number;
  #source: MatSource;
  #header: ArrayHeader;
  #positions: Uint32Array;

  constructor(source: MatSource, header: ArrayHeader) {
    this.length = header.count;
    this.#source = source;
    this.#header = header;
    this.#positions = source.children(header.data, header.end, header.count);
  }

  /** Decodes every part as text; an empty array becomes the empty string. */
  strings(): string[] {
    const texts = this.texts();
    return Array.from({ length: this.length }, (_, i) => texts.at(i));
  }

  /** Decodes every part as text into one buffer, for columns of which only some rows are used. */
  texts(): PackedStrings {
    const source = this.#source;
    const texts = new PackedStrings(this.length, 32 * this.length);
    for (const [i, at] of this.#positions.entries()) {
      const header = source.header(at, this.#header.end);
      if (header.class === mxCHAR && header.dims[0] === 1) {
        const bytes = header.data === header.end ? NONE : source.ascii(header.data, header.end);
        if (bytes) texts.addBytes(bytes);
        else texts.add(source.text(header.data, header.end));
      } else if (header.count === 0 && header.class < mxFUNCTION) {
        texts.addBytes(NONE);
      } else {
        throw source.error(at, `(part ${count(i)} of a cell) is not a row of text`);
      }
    }
    return texts;
  }

  /** Decodes every part as `width` numbers; an empty array becomes `width` times NaN. */
  numbers(width: number): Float64Array {
    const source = this.#source;
    source.afford(this.#header.at, this.length * width);
    const result = new Float64Array(this.length * width);
    for (let i = 0; i < this.length; i++) {
      const at = this.#positions[i];
      const header = source.header(at, this.#header.end);
      if (isNumeric(header) && header.count === width) {
        source.numbersInto(result, i * width, header.data, header.end, width);
      } else if (isNumeric(header) && header.count === 0) {
        result.fill(NaN, i * width, (i + 1) * width);
      } else {
        throw source.error(at, `(part ${count(i)} of a cell) is not ${width} numbers`);
      }
    }
    return result;
  }
}

const NONE = new Uint8Array();
const encoder = new TextEncoder();

/** Strings in one buffer, which takes a fraction of the memory of separate strings. */
export class PackedStrings {
  #bytes: Uint8Array<ArrayBuffer>;
  /** End of each string. */
  #ends: Uint32Array;
  #used = 0;
  #count = 0;

  /** @param bytes initial capacity for all `length` strings; it grows as needed */
  constructor(readonly length: number, bytes: number) {
    this.#bytes = new Uint8Array(bytes);
    this.#ends = new Uint32Array(length);
  }

  addBytes(text: Uint8Array): void {
    this.#reserve(text.length);
    this.#bytes.set(text, this.#used);
    this.#end(text.length);
  }

  add(text: string): void {
    this.#reserve(3 * text.length);
    this.#end(encoder.encodeInto(text, this.#bytes.subarray(this.#used)).written);
  }

  at(i: number): string {
    return decodeUtf8(this.#bytes.subarray(this.#start(i), this.#ends[i]));
  }

  isEmpty(i: number): boolean {
    return this.#ends[i] === this.#start(i);
  }

  #start(i: number): number {
    return i === 0 ? 0 : this.#ends[i - 1];
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const size = Math.max(2 * this.#bytes.length, this.#used + bytes);
    this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(size));
  }

  #end(bytes: number): void {
    this.#used += bytes;
    this.#ends[this.#count++] = this.#used;
  }
}

/** Takes exact numbers of bytes from a stream of chunks. */
class ByteReader implements AsyncDisposable {
  #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = NONE;
  /** Bytes taken so far. */
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Returns the next `length` bytes, or fewer at the end of the stream, without taking them. */
  async peek(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts = [this.#current];
    let have = this.#current.length;
    while (have < length) {
      const { value, done } = await this.#chunks.next();
      if (done) break;
      parts.push(value);
      have += value.length;
    }
    this.#current = Buffer.concat(parts);
    return Uint8Array.from(this.#current.subarray(0, length));
  }

  /** Skips `length` bytes, or copies them into an array; returns false if the stream ends before. */
  async skip(length: number, into?: Uint8Array): Promise<boolean> {
    for (let done = 0; done < length;) {
      if (this.#current.length === 0) {
        const next = await this.#chunks.next();
        if (next.done) return false;
        this.#current = next.value;
      }
      const part = this.#current.subarray(0, length - done);
      into?.set(part, done);
      this.#current = this.#current.subarray(part.length);
      done += part.length;
      this.position += part.length;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }
}

async function* piecesOf(
  file: MatFile,
  start: number,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < size; at += CHUNK) yield file.read(start + at, Math.min(CHUNK, size - at));
}

/** Unpacks a part of the file. @throws {MatError} if it is truncated, or has bytes after its end */
async function* unpack(
  file: MatFile,
  start: number,
  size: number,
  place: Place,
): AsyncGenerator<Uint8Array> {
  try {
    yield* ReadableStream.from(piecesOf(file, start, size))
      .pipeThrough(new DecompressionStream("deflate"));
  } catch (cause) {
    throw errorAt(place, 0, `cannot be unpacked (${(cause as Error).message})`, cause);
  }
}
