/**
 * Tags, array headers, numbers and text of MATLAB level-5 files. Each length is compared with the
 * remaining bytes before it is used.
 */
import { byteCount } from "../random_access_file.ts";
import { Buffer } from "node:buffer";

/** A file that cannot be read: the reason, with the position. */
export class MatError extends Error {
  override readonly name = "MatError";
}

/** Objects of newer MATLAB; their headers are shorter. */
export const mxOPAQUE = 17;
const miMATRIX = 14;
const MAX_DIMENSIONS = 64;
/** Maximum bytes of a decoded array: numbers may be stored in an eighth of their decoded size. */
const MAX_DECODED = 2 ** 30;

/** Type and position of an element. */
interface Tag {
  readonly type: number;
  readonly size: number;
  readonly data: number;
  readonly next: number;
}

/** Header of an array. */
export interface ArrayHeader {
  readonly class: number;
  readonly complex: boolean;
  readonly logical: boolean;
  readonly dims: readonly number[];
  /** Product of the dimensions. */
  readonly count: number;
  readonly name: string;
  /** Positions of the header, the data and the end. */
  readonly at: number;
  readonly data: number;
  readonly end: number;
}

const empty: Pick<ArrayHeader, "class" | "complex" | "logical" | "dims" | "count" | "name"> = {
  class: 6,
  complex: false,
  logical: false,
  dims: [0, 0],
  count: 0,
  name: "",
};

/** Bytes to decode: of the file, or unpacked from a compressed element. */
export class MatSource {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  readonly little: boolean;
  /** Name of the file, for messages. */
  readonly file: string;
  #unpackedFrom: number | undefined;
  #offset: number;

  /**
   * @param options.unpackedFrom position of the compressed element in the file
   * @param options.offset position of the bytes in the file or in the unpacked element
   */
  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    options: {
      little: boolean;
      file: string;
      unpackedFrom?: number | undefined;
      offset?: number | undefined;
    },
  ) {
    // A Node Buffer, whose slices share memory, becomes a plain array.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.little = options.little;
    this.file = options.file;
    this.#unpackedFrom = options.unpackedFrom;
    this.#offset = options.offset ?? 0;
  }

  error(at: number, why: string, cause?: unknown): MatError {
    const inside = this.#unpackedFrom === undefined
      ? ""
      : ` of the data unpacked from byte ${count(this.#unpackedFrom)}`;
    const message = `Cannot read "${this.file}": the element at byte ${count(at + this.#offset)}` +
      `${inside} ${why}.`;
    return new MatError(message, cause === undefined ? undefined : { cause });
  }

  /** Reads the tag at `at`; checks that its data ends before `end`. */
  tag(at: number, end: number): Tag {
    if (at + 8 > end) {
      throw this.error(at, `should begin with a tag of 8 bytes, ${count(end - at)} remain`);
    }
    const word = this.view.getUint32(at, this.little);
    const small = word >>> 16;
    if (small !== 0) {
      // Up to four bytes sit in the tag itself.
      if (small > 4) {
        throw this.error(at, `claims ${byteCount(small)} in a small element, which holds 4`);
      }
      return { type: word & 0xffff, size: small, data: at + 4, next: at + 8 };
    }
    const size = this.view.getUint32(at + 4, this.little);
    const data = at + 8;
    if (size > end - data) {
      throw this.error(at, `claims ${byteCount(size)}, ${count(end - data)} remain`);
    }
    return { type: word, size, data, next: Math.min(data + Math.ceil(size / 8) * 8, end) };
  }

  /** Reads the header of the array whose tag is at `at`. */
  header(at: number, limit: number): ArrayHeader {
    const tag = this.tag(at, limit);
    if (tag.type !== miMATRIX) {
      throw this.error(at, `is of storage type ${tag.type}, an array was expected`);
    }
    return this.headerWithin(at, tag.data + tag.size, tag.data);
  }

  /** Reads the header of the array at `at` that ends at `end`. */
  headerWithin(at: number, end: number, data = at + 8): ArrayHeader {
    if (data === end) return { ...empty, at, data: end, end };
    const flags = this.tag(data, end);
    if (flags.size !== 8) throw this.error(data, "should hold 8 bytes of array flags");
    const word = this.view.getUint32(flags.data, this.little);
    const kind = word & 0xff;
    let next = flags.next;
    let dims: number[] = [];
    let product = 0;
    // Objects of newer MATLAB have no dimensions.
    if (kind !== mxOPAQUE) {
      const shape = this.tag(next, end);
      const rank = shape.size / 4;
      // int32 as MATLAB writes them; uint32, as SciPy reads them too.
      if (
        shape.type !== 5 && shape.type !== 6 || !Number.isInteger(rank) || rank < 2 ||
        rank > MAX_DIMENSIONS
      ) {
        throw this.error(next, `claims ${byteCount(shape.size)} of dimensions`);
      }
      dims = new Array<number>(rank);
      product = 1;
      for (let i = 0; i < rank; i++) {
        const dim = dims[i] = this.view.getInt32(shape.data + 4 * i, this.little);
        if (dim < 0) throw this.error(next, `claims a dimension of ${count(dim)}`);
        product *= dim;
      }
      if (!Number.isSafeInteger(product)) {
        throw this.error(next, `claims dimensions ${dims.join(" × ")}`);
      }
      next = shape.next;
    }
    const name = this.tag(next, end);
    return {
      class: kind,
      complex: (word & 0x0800) !== 0,
      logical: (word & 0x0200) !== 0,
      dims,
      count: product,
      name: this.#ascii(name),
      at,
      data: name.next,
      end,
    };
  }

  #ascii({ data, size }: Tag): string {
    if (size === 0) return "";
    return decodeUtf8(this.bytes.subarray(data, data + size)).replace(/\0.*$/s, "");
  }

  /** Reads `length` numbers from the tag at `at` into the array type of their class. */
  numbers(at: number, end: number, length: number, target: NumericConstructor): NumericData {
    const tag = this.tag(at, end);
    const stored = STORAGE[tag.type];
    if (!stored) throw this.error(at, `is of storage type ${tag.type}, which holds no numbers`);
    const width = stored.array.BYTES_PER_ELEMENT;
    if (tag.size !== length * width) {
      throw this.error(
        at,
        `holds ${byteCount(tag.size)}, ` +
          `${count(length)} numbers of ${stored.name} take ${count(length * width)}`,
      );
    }
    this.afford(at, length, target.BYTES_PER_ELEMENT);
    const raw = this.bytes.slice(tag.data, tag.data + tag.size);
    if (!this.little && width > 1) swap(raw, width);
    const data = new stored.array(raw.buffer);
    if (stored.array === target) return data;
    const result = convert(data, target);
    if (result === undefined) {
      throw this.error(at, `holds a number that ${target.name.replace("Array", "")} cannot`);
    }
    return result;
  }

  /** @throws if an array would take too much memory */
  afford(at: number, length: number, width: number): void {
    if (length * width <= MAX_DECODED) return;
    throw this.error(
      at,
      `would take ${byteCount(length * width)} of memory, more than ${count(MAX_DECODED)}`,
    );
  }

  /** Reads numbers as float64 into a part of an array; doubles without a temporary array. */
  floatsInto(target: Float64Array, start: number, at: number, end: number, length: number): void {
    const { type, size, data } = this.tag(at, end);
    if (type === 9 && size === 8 * length) {
      for (let i = 0; i < length; i++) {
        target[start + i] = this.view.getFloat64(data + 8 * i, this.little);
      }
    } else {
      target.set(this.numbers(at, end, length, Float64Array) as Float64Array, start);
    }
  }

  /** Returns the bytes of the text at `at` if it is ASCII, one byte per character. */
  ascii(at: number, end: number): Uint8Array | undefined {
    const { type, size, data } = this.tag(at, end);
    if (type !== 16 && type !== 1 && type !== 2) return undefined;
    for (let i = data; i < data + size; i++) if (this.bytes[i] >= 0x80) return undefined;
    return this.bytes.subarray(data, data + size);
  }

  /** Reads the text at `at`; malformed parts become U+FFFD. */
  text(at: number, end: number): string {
    const { type, size, data } = this.tag(at, end);
    const bytes = this.bytes.subarray(data, data + size);
    switch (type) {
      case 1: // int8 and uint8: one byte per character
      case 2:
        return Buffer.from(bytes).toString("latin1");
      case 16:
        return decodeUtf8(bytes);
      case 4: // uint16 holds UTF-16 units
      case 17:
        return (this.little ? utf16le : utf16be).decode(bytes);
      case 6:
      case 18:
        if (size % 4 !== 0) throw this.error(at, `holds ${byteCount(size)} of 4-byte characters`);
        return decodeUtf32(bytes, this.little);
      default:
        throw this.error(at, `is of storage type ${type}, which holds no text`);
    }
  }

  /** Returns the positions of `length` consecutive arrays. */
  children(at: number, end: number, length: number): Uint32Array {
    // Each has a tag, so a wrong count costs no memory.
    if (length * 8 > end - at) {
      throw this.error(
        at,
        `should be the first of ${count(length)} arrays, which do not fit in ` +
          `the ${byteCount(end - at)} that remain`,
      );
    }
    const positions = new Uint32Array(length);
    for (let i = 0; i < length; i++) {
      const tag = this.tag(at, end);
      if (tag.type !== miMATRIX) {
        throw this.error(at, `is of storage type ${tag.type}, an array was expected`);
      }
      positions[i] = at;
      at = tag.next;
    }
    return positions;
  }
}

/** Storage types ("mi..."): types of numbers in the file, independent of their class. */
const STORAGE: Record<number, { name: string; array: NumericConstructor }> = {
  1: { name: "int8", array: Int8Array },
  2: { name: "uint8", array: Uint8Array },
  3: { name: "int16", array: Int16Array },
  4: { name: "uint16", array: Uint16Array },
  5: { name: "int32", array: Int32Array },
  6: { name: "uint32", array: Uint32Array },
  7: { name: "single", array: Float32Array },
  9: { name: "double", array: Float64Array },
  12: { name: "int64", array: BigInt64Array },
  13: { name: "uint64", array: BigUint64Array },
};

export type NumericData =
  | (Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array)
  | (Float32Array | Float64Array | BigInt64Array | BigUint64Array);

export interface NumericConstructor {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): NumericData;
  new (buffer: ArrayBuffer): NumericData;
}

/**
 * Converts numbers to another type. Floats may lose precision.
 * @returns undefined if another number would change
 */
export function convert(data: NumericData, target: NumericConstructor): NumericData | undefined {
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  if (target === BigInt64Array || target === BigUint64Array) {
    const result = new target(data.length);
    for (let i = 0; i < data.length; i++) {
      if (!big && !Number.isInteger(data[i])) return undefined;
      result[i] = BigInt(data[i]);
      if (result[i] !== BigInt(data[i])) return undefined;
    }
    return result;
  }
  const numbers = big ? Float64Array.from(data as BigInt64Array, Number) : data as Float64Array;
  const result = new (target as typeof Float64Array)(numbers);
  if (target !== Float64Array && target as unknown !== Float32Array) {
    for (let i = 0; i < result.length; i++) if (result[i] !== numbers[i]) return undefined;
  }
  return result;
}

/** Reverses the bytes of each number, in place. */
function swap(bytes: Uint8Array, width: number): void {
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
}

const utf8 = new TextDecoder();
/** UTF-16 of either byte order. */
const utf16le = new TextDecoder("utf-16le"), utf16be = new TextDecoder("utf-16be");

/** Decodes UTF-8; malformed parts become U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  // Short ASCII, as most text is, is faster without a decoder.
  if (bytes.length > 256) return utf8.decode(bytes);
  for (let i = 0; i < bytes.length; i++) if (bytes[i] >= 0x80) return utf8.decode(bytes);
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** Decodes UTF-32; invalid characters become U+FFFD. */
function decodeUtf32(bytes: Uint8Array, little: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4) {
    const code = view.getUint32(i, little);
    text += code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
  }
  return text.toWellFormed();
}

export function count(n: number): string {
  return n.toLocaleString("en");
}
