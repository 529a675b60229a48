/**
 * The lower half of the MATLAB level-5 reader: tags, headers of arrays, numbers and text, each
 * length held against what remains before it is believed.
 */

import { convert, type NumericConstructor, type NumericData, storage, swap } from "./numbers.ts";
import { decodeUtf32, decodeUtf8, latin1, utf16be, utf16le } from "./text.ts";
import { byteCount } from "../byte_reader.ts";

/** A file that cannot be read: what is wrong, where, and what was expected. */
export class MatError extends Error {
  override readonly name = "MatError";
}

/** Objects of newer MATLAB; their headers are shorter. */
export const mxOPAQUE = 17;
const miMATRIX = 14;
const MAX_DIMENSIONS = 64;
/** Bytes of one decoded array: numbers may be stored in an eighth of what they take in memory. */
const MAX_DECODED = 2 ** 30;

/** A tag: a type, and where its data lies. */
interface Tag {
  readonly type: number;
  readonly size: number;
  readonly data: number;
  readonly next: number;
}

/** What precedes the data of any array. */
export interface ArrayHeader {
  readonly class: number;
  readonly complex: boolean;
  readonly logical: boolean;
  readonly dims: readonly number[];
  /** Product of the dimensions. */
  readonly count: number;
  readonly name: string;
  /** Where the header began, where the data begins, where the array ends. */
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

/** Bytes that values are decoded from: the file's own, or a part of it unpacked. */
export class MatSource {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  readonly little: boolean;
  /** Name of the file, for messages. */
  readonly file: string;
  #unpackedFrom: number | undefined;
  #offset: number;

  /**
   * @param unpackedFrom where, in the file, the bytes lay compressed
   * @param offset where the bytes begin in the file or, compressed, in what was unpacked
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

  /** The tag at `at`, its data checked to lie before `end`. */
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

  /** The header of the matrix whose tag is at `at`. */
  header(at: number, limit: number): ArrayHeader {
    const tag = this.tag(at, limit);
    if (tag.type !== miMATRIX) {
      throw this.error(at, `is of storage type ${tag.type}, an array was expected`);
    }
    return this.headerWithin(at, tag.data + tag.size, tag.data);
  }

  /** The header of the matrix at `at`, which is known to be one and to end at `end`. */
  headerWithin(at: number, end: number, data = at + 8): ArrayHeader {
    if (data === end) return { ...empty, at, data: end, end };
    const tag = { data };
    const flags = this.tag(tag.data, end);
    if (flags.size !== 8) throw this.error(tag.data, "should hold 8 bytes of array flags");
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

  /** `length` numbers from the tag at `at`, as the class keeps them, however they are stored. */
  numbers(at: number, end: number, length: number, target: NumericConstructor): NumericData {
    const tag = this.tag(at, end);
    const stored = storage[tag.type];
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

  /** Refuses arrays that would take too much memory. */
  afford(at: number, length: number, width: number): void {
    if (length * width <= MAX_DECODED) return;
    throw this.error(
      at,
      `would take ${byteCount(length * width)} of memory, more than ${count(MAX_DECODED)}`,
    );
  }

  /** Numbers as float64 into a part of an array, without an array of its own for the usual double. */
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

  /** Text from the tag at `at` as it is stored, if that is ASCII, a character a byte. */
  ascii(at: number, end: number): Uint8Array | undefined {
    const { type, size, data } = this.tag(at, end);
    if (type !== 16 && type !== 1 && type !== 2) return undefined;
    for (let i = data; i < data + size; i++) if (this.bytes[i] >= 0x80) return undefined;
    return this.bytes.subarray(data, data + size);
  }

  /** Text from the tag at `at`; malformed parts show as U+FFFD. */
  text(at: number, end: number): string {
    const { type, size, data } = this.tag(at, end);
    const bytes = this.bytes.subarray(data, data + size);
    switch (type) {
      case 1: // int8 and uint8: a character a byte
      case 2:
        return latin1(bytes);
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

  /** Where `length` arrays, one after the other, begin. */
  children(at: number, end: number, length: number): Uint32Array {
    // Each takes a tag, so a count that lies costs no memory.
    if (length * 8 > end - at) {
      throw this.error(
        at,
        `should be the first of ${count(length)} arrays, which do not fit in ` +
          `the ${byteCount(end - at)} left`,
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

export function count(n: number): string {
  return n.toLocaleString("en");
}
