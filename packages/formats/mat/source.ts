/** Tags, array headers, numbers and text of MATLAB level-5 files. */
import { Buffer } from "node:buffer";
import { byteCount, count } from "../random_access_file.ts";

/** A file that cannot be read: the reason, with the position. */
export class MatError extends Error {
  override readonly name = "MatError";
}

/** Maximum bytes of a struct's header and field names. */
export const HEAD = 1 << 16;
/** Objects of newer MATLAB; their headers are shorter. */
export const mxOPAQUE = 17;
export const miMATRIX = 14;
const MAX_DIMENSIONS = 64;
/** Maximum bytes of a decoded array: numbers may be stored in an eighth of their decoded size. */
const MAX_DECODED = 2 ** 30;

export interface ArrayHeader {
  readonly class: number;
  readonly complex: boolean;
  readonly dims: readonly number[];
  /** Product of the dimensions. */
  readonly count: number;
  readonly name: string;
  /** Positions of the header, the data and the end. */
  readonly at: number;
  readonly data: number;
  readonly end: number;
}

/** Origin of bytes. */
export interface Place {
  readonly little: boolean;
  /** Name of the file, for messages. */
  readonly file: string;
  /** Position of the compressed element in the file. */
  readonly unpackedFrom?: number;
  /** Position of the bytes in the file or in the unpacked element. */
  readonly offset?: number;
}

export function errorAt(place: Place, at: number, why: string, cause?: unknown): MatError {
  const inside = place.unpackedFrom === undefined
    ? ""
    : ` of the data unpacked from byte ${count(place.unpackedFrom)}`;
  return new MatError(
    `Cannot read "${place.file}": the element at byte ${count(at + (place.offset ?? 0))}` +
      `${inside} ${why}.`,
    { cause },
  );
}

/** Type and position of an element. */
interface Tag {
  readonly type: number;
  readonly size: number;
  readonly data: number;
  readonly next: number;
}

/**
 * Tags, array headers, numbers and text in some bytes. Each length is compared with the remaining bytes
 * before it is used.
 */
export class MatSource {
  readonly view: DataView;
  readonly #little: boolean;

  constructor(readonly bytes: Uint8Array<ArrayBuffer>, readonly place: Place) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = place.little;
  }

  error(at: number, why: string, cause?: unknown): MatError {
    return errorAt(this.place, at, why, cause);
  }

  noArray(at: number, type: number): MatError {
    return this.error(at, `is of storage type ${type}, an array was expected`);
  }

  /** Runs a read of the first `HEAD` bytes of a struct; reports a header that is longer. */
  withinHead<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw this.error(0, `has no complete header in its first ${byteCount(HEAD)}`, cause);
    }
  }

  /** Reads the tag at `at`; checks that its data ends before `end`. */
  tag(at: number, end: number): Tag {
    if (at + 8 > end) {
      throw this.error(at, `should begin with a tag of 8 bytes, ${count(end - at)} remain`);
    }
    const word = this.view.getUint32(at, this.#little);
    const small = word >>> 16;
    if (small !== 0) {
      // Up to four bytes sit in the tag itself.
      if (small > 4) {
        throw this.error(at, `claims ${byteCount(small)} in a small element, which holds 4`);
      }
      return { type: word & 0xffff, size: small, data: at + 4, next: at + 8 };
    }
    const size = this.view.getUint32(at + 4, this.#little);
    const data = at + 8;
    if (size > end - data) {
      throw this.error(at, `claims ${byteCount(size)}, ${count(end - data)} remain`);
    }
    return { type: word, size, data, next: Math.min(data + Math.ceil(size / 8) * 8, end) };
  }

  /** Reads the header of the array whose tag is at `at`. */
  header(at: number, limit: number): ArrayHeader {
    const tag = this.tag(at, limit);
    if (tag.type !== miMATRIX) throw this.noArray(at, tag.type);
    return this.headerWithin(at, tag.data + tag.size, tag.data);
  }

  /** Reads the header of the array at `at` that ends at `end`. */
  headerWithin(at: number, end: number, data = at + 8): ArrayHeader {
    if (data === end) {
      return { class: 6, complex: false, dims: [0, 0], count: 0, name: "", at, data, end };
    }
    const flags = this.tag(data, end);
    if (flags.size !== 8) throw this.error(data, "should hold 8 bytes of array flags");
    const word = this.view.getUint32(flags.data, this.#little);
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
        const dim = dims[i] = this.view.getInt32(shape.data + 4 * i, this.#little);
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
      dims,
      count: product,
      name: this.#name(name.data, name.size),
      at,
      data: name.next,
      end,
    };
  }

  /** Reads the names of a struct's fields. Returns them, and the position of the first value. */
  fieldNames({ data, end }: ArrayHeader): { names: string[]; next: number } {
    const width = this.tag(data, end);
    const step = width.size === 4 ? this.view.getInt32(width.data, this.#little) : 0;
    const { size, data: start, next } = this.tag(width.next, end);
    if (next > this.bytes.length) throw new RangeError("The field names are not all there.");
    if (width.type !== 5 && width.type !== 6 || step < 1 || size % step !== 0) {
      const lengths = `${count(step)} for ${byteCount(size)}`;
      throw this.error(data, `should give the length of field names: ${lengths}`);
    }
    const names = Array.from({ length: size / step }, (_, i) => this.#name(start + i * step, step));
    return { names, next };
  }

  #name(data: number, size: number): string {
    if (size === 0) return "";
    return decodeUtf8(this.bytes.subarray(data, data + size)).replace(/\0.*$/s, "");
  }

  /** @throws if an array of doubles would take too much memory */
  afford(at: number, length: number): void {
    if (8 * length <= MAX_DECODED) return;
    const most = `more than ${count(MAX_DECODED)}`;
    throw this.error(at, `would take ${byteCount(8 * length)} of memory, ${most}`);
  }

  /** Reads `length` numbers of any type from the tag at `at`. */
  numbers(at: number, end: number, length: number): Float64Array {
    const tag = this.tag(at, end);
    const stored = STORAGE[tag.type];
    if (!stored) throw this.error(at, `is of storage type ${tag.type}, which holds no numbers`);
    const width = stored.array.BYTES_PER_ELEMENT;
    if (tag.size !== length * width) {
      const wanted = `${count(length)} numbers of ${stored.name} take ${count(length * width)}`;
      throw this.error(at, `holds ${byteCount(tag.size)}, ${wanted}`);
    }
    this.afford(at, length);
    const raw = this.bytes.slice(tag.data, tag.data + tag.size);
    if (!this.#little && width > 1) {
      for (let i = 0; i < raw.length; i += width) raw.subarray(i, i + width).reverse();
    }
    const data = new stored.array(raw.buffer);
    if (data instanceof Float64Array) return data;
    const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
    return big ? Float64Array.from(data, Number) : new Float64Array(data);
  }

  /** Reads numbers into a part of an array; doubles without a temporary array. */
  numbersInto(target: Float64Array, start: number, at: number, end: number, length: number): void {
    const { type, size, data } = this.tag(at, end);
    if (type === 9 && size === 8 * length) {
      for (let i = 0; i < length; i++) {
        target[start + i] = this.view.getFloat64(data + 8 * i, this.#little);
      }
    } else {
      target.set(this.numbers(at, end, length), start);
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
        return (this.#little ? utf16le : utf16be).decode(bytes);
      case 6: // uint32 holds code points
      case 18: {
        if (size % 4 !== 0) throw this.error(at, `holds ${byteCount(size)} of 4-byte characters`);
        const codes = Array.from(
          { length: size / 4 },
          (_, i) => this.view.getUint32(data + 4 * i, this.#little),
        );
        return codes.map((code) => code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code))
          .join("").toWellFormed();
      }
      default:
        throw this.error(at, `is of storage type ${type}, which holds no text`);
    }
  }

  /** Returns the positions of `length` consecutive arrays. */
  children(at: number, end: number, length: number): Uint32Array {
    // Each has a tag, so a wrong count costs no memory.
    if (length * 8 > end - at) {
      const rest = `which do not fit in the ${byteCount(end - at)} that remain`;
      throw this.error(at, `should be the first of ${count(length)} arrays, ${rest}`);
    }
    const positions = new Uint32Array(length);
    for (let i = 0; i < length; i++) {
      const tag = this.tag(at, end);
      if (tag.type !== miMATRIX) throw this.noArray(at, tag.type);
      positions[i] = at;
      at = tag.next;
    }
    return positions;
  }
}

/** Storage types ("mi..."): types of numbers in the file, independent of their class. */
const STORAGE: Readonly<Record<number, { name: string; array: NumericConstructor }>> = {
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

interface NumericConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): ArrayLike<number> | BigInt64Array | BigUint64Array;
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
