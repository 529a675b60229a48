/**
 * Values of a MATLAB level-5 file. Cells and structs hold the positions of their parts and decode them
 * on demand; `strings()`, `texts()` and `numbers()` decode a whole column at once.
 */
import { byteCount } from "./random_access_file.ts";
import {
  type ArrayHeader,
  convert,
  count,
  decodeUtf8,
  type MatSource,
  mxOPAQUE,
  type NumericConstructor,
  type NumericData,
} from "./mat/source.ts";

const mxCELL = 1, mxSTRUCT = 2, mxCHAR = 4, mxFUNCTION = 16;
const MAX_DEPTH = 100;
const none = new Uint8Array();

/** Array classes ("mx...") that hold numbers. */
const numeric: Record<number, { name: NumericClass; array: NumericConstructor }> = {
  6: { name: "double", array: Float64Array },
  7: { name: "single", array: Float32Array },
  8: { name: "int8", array: Int8Array },
  9: { name: "uint8", array: Uint8Array },
  10: { name: "int16", array: Int16Array },
  11: { name: "uint16", array: Uint16Array },
  12: { name: "int32", array: Int32Array },
  13: { name: "uint32", array: Uint32Array },
  14: { name: "int64", array: BigInt64Array },
  15: { name: "uint64", array: BigUint64Array },
};

/** Classes that are recognized but not decoded. */
const unsupported: Record<number, string> = {
  3: "object",
  5: "sparse matrix",
  [mxFUNCTION]: "function handle",
  [mxOPAQUE]: "object",
};

export type NumericClass =
  | ("double" | "single" | "logical" | "int8" | "uint8" | "int16" | "uint16")
  | ("int32" | "uint32" | "int64" | "uint64");

export type MatValue = MatNumeric | MatChar | MatCell | MatStruct | MatUnsupported;

/** Reads the value at `at`. */
export function valueAt(source: MatSource, at: number, end: number, depth = 0): MatValue {
  const header = source.header(at, end);
  if (depth > MAX_DEPTH) {
    throw source.error(at, `is nested more than ${MAX_DEPTH} cells and structs deep`);
  }
  if (header.class === mxCELL) return new MatCell(source, header, depth);
  if (header.class === mxSTRUCT) return new MatStruct(source, header, depth);
  if (header.class === mxCHAR) return new MatChar(source, header);
  if (header.class in numeric) return new MatNumeric(source, header);
  if (header.class in unsupported) {
    return new MatUnsupported(unsupported[header.class], header.dims);
  }
  throw source.error(at, `is of class ${header.class}, which is unknown`);
}

/** Returns the kind of value that an array is read as. */
export function kindOf({ class: of }: Pick<ArrayHeader, "class">): MatValue["kind"] {
  if (of in numeric) return "numeric";
  return of === mxCELL
    ? "cell"
    : of === mxSTRUCT
    ? "struct"
    : of === mxCHAR
    ? "char"
    : "unsupported";
}

/** Reads the names of a struct's fields. Returns them, and the position of the first value. */
export function structFields(
  source: MatSource,
  { data, end }: ArrayHeader,
): { names: string[]; next: number } {
  const width = source.tag(data, end);
  const step = width.size === 4 ? source.view.getInt32(width.data, source.little) : 0;
  const { size, data: start, next } = source.tag(width.next, end);
  if (width.type !== 5 && width.type !== 6 || step < 1 || size % step !== 0) {
    throw source.error(
      data,
      `should give the length of field names: ${count(step)} for ${byteCount(size)}`,
    );
  }
  const names = Array.from({ length: size / step }, (_, i) => {
    const bytes = source.bytes.subarray(start + i * step, start + (i + 1) * step);
    return decodeUtf8(bytes).replace(/\0.*$/s, "");
  });
  return { names, next };
}

/** Numbers in column-major order, in the typed array of their class. */
export class MatNumeric {
  readonly kind = "numeric";
  readonly class: NumericClass;
  readonly dims: readonly number[];
  readonly data: NumericData;
  readonly imaginary?: NumericData;

  constructor(source: MatSource, header: ArrayHeader) {
    const { name, array } = numeric[header.class];
    this.class = header.logical ? "logical" : name;
    this.dims = header.dims;
    if (header.data === header.end && header.count === 0) {
      this.data = new array(0);
      return;
    }
    this.data = source.numbers(header.data, header.end, header.count, array);
    if (header.complex) {
      const real = source.tag(header.data, header.end);
      this.imaginary = source.numbers(real.next, header.end, header.count, array);
    }
  }

  /** Converts the numbers to float64. */
  float64(): Float64Array {
    return this.data instanceof Float64Array
      ? this.data
      : convert(this.data, Float64Array) as Float64Array;
  }
}

/** Text: one row of characters, or several rows of equal length. */
export class MatChar {
  readonly kind = "char";
  readonly dims: readonly number[];
  readonly rows: readonly string[];

  constructor(source: MatSource, header: ArrayHeader) {
    this.dims = header.dims;
    const [height] = header.dims;
    const text = header.data === header.end ? "" : source.text(header.data, header.end);
    if (height <= 1 || header.count === 0) {
      this.rows = [text];
      return;
    }
    // Column-major. MATLAB counts UTF-16 units; some writers count code points.
    const units = [...text].length === header.count ? [...text] : text.split("");
    if (units.length !== header.count) {
      throw source.error(
        header.at,
        `holds ${count(units.length)} characters, its dimensions are ${header.dims.join(" × ")}`,
      );
    }
    const rows = new Array<string>(height).fill("");
    for (let i = 0; i < units.length; i++) rows[i % height] += units[i];
    this.rows = rows;
  }

  /** The rows, joined by newlines. */
  get text(): string {
    return this.rows.join("\n");
  }
}

/** An array of arrays. */
export class MatCell {
  readonly kind = "cell";
  readonly dims: readonly number[];
  readonly length: number;
  #source: MatSource;
  #header: ArrayHeader;
  #positions: Uint32Array;
  #depth: number;

  constructor(source: MatSource, header: ArrayHeader, depth: number) {
    this.dims = header.dims;
    this.length = header.count;
    this.#source = source;
    this.#header = header;
    this.#depth = depth;
    this.#positions = source.children(header.data, header.end, header.count);
  }

  /** Decodes part `i`, in column-major order. */
  at(i: number): MatValue {
    return valueAt(this.#source, this.#positions[i], this.#header.end, this.#depth + 1);
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
        const bytes = header.data === header.end ? none : source.ascii(header.data, header.end);
        if (bytes) texts.addBytes(bytes);
        else texts.add(source.text(header.data, header.end));
      } else if (header.count === 0 && header.class < mxFUNCTION) {
        texts.addBytes(none);
      } else {
        throw source.error(at, `, part ${count(i)} of a cell, is not a row of text`);
      }
    }
    return texts;
  }

  /** Decodes every part as `width` numbers; an empty array becomes `width` times NaN. */
  numbers(width: number): Float64Array {
    const source = this.#source;
    source.afford(this.#header.at, this.length, width * Float64Array.BYTES_PER_ELEMENT);
    const result = new Float64Array(this.length * width);
    for (let i = 0; i < this.length; i++) {
      const at = this.#positions[i];
      const header = source.header(at, this.#header.end);
      if (header.class in numeric && header.count === width) {
        source.floatsInto(result, i * width, header.data, header.end, width);
      } else if (header.class in numeric && header.count === 0) {
        result.fill(NaN, i * width, (i + 1) * width);
      } else {
        throw source.error(at, `, part ${count(i)} of a cell, is not ${width} numbers`);
      }
    }
    return result;
  }
}

/** A struct, or an array of structs with the same fields. */
export class MatStruct {
  readonly kind = "struct";
  readonly dims: readonly number[];
  readonly length: number;
  readonly fields: readonly string[];
  #source: MatSource;
  #header: ArrayHeader;
  #positions: Uint32Array;
  #depth: number;

  constructor(source: MatSource, header: ArrayHeader, depth: number) {
    const { names, next } = structFields(source, header);
    this.dims = header.dims;
    this.length = header.count;
    this.fields = names;
    this.#source = source;
    this.#header = header;
    this.#depth = depth;
    this.#positions = source.children(next, header.end, this.length * this.fields.length);
  }

  /** Decodes a field of the struct, or of struct `index` of an array, in column-major order. */
  get(field: string, index = 0): MatValue {
    const column = this.fields.indexOf(field);
    if (column < 0 || !(index >= 0 && index < this.length)) {
      throw this.#source.error(
        this.#header.at,
        column < 0
          ? `has no field "${field}", only ${this.fields.join(", ")}`
          : `has ${count(this.length)} structs, number ${index} is not one of them`,
      );
    }
    const at = this.#positions[index * this.fields.length + column];
    return valueAt(this.#source, at, this.#header.end, this.#depth + 1);
  }

  /** Decodes a field of real numbers as float64. */
  numbers(field: string): Float64Array {
    return fieldOf(field, this.get(field), this.#source, this.#header.at).numbers();
  }

  /** Decodes a field that holds a cell. */
  cell(field: string): MatCell {
    return fieldOf(field, this.get(field), this.#source, this.#header.at).cell();
  }
}

/** A field of a struct. */
export interface MatField {
  /** Decodes real numbers as float64. @throws {MatError} if it holds others */
  numbers(): Float64Array;
  /** Returns its cell. @throws {MatError} if it holds none */
  cell(): MatCell;
}

/** Checks the kind of a field's value when it is used. */
export function fieldOf(name: string, value: MatValue, source: MatSource, at: number): MatField {
  const unlike = (wanted: string) => {
    const kind = value.kind === "unsupported" ? value.class : value.kind;
    return source.error(at, `has field "${name}" of kind ${kind}, expected ${wanted}`);
  };
  return {
    numbers() {
      if (value.kind === "numeric" && !value.imaginary) return value.float64();
      throw unlike("real numbers");
    },
    cell() {
      if (value.kind === "cell") return value;
      throw unlike("a cell");
    },
  };
}

/** A value of a class that is not decoded. */
export class MatUnsupported {
  readonly kind = "unsupported";
  readonly class: string;

  constructor(name: string, readonly dims: readonly number[]) {
    this.class = name;
  }
}

const encoder = new TextEncoder();

/** Strings in one buffer, which takes a fraction of the memory of separate strings. */
export class PackedStrings {
  #bytes: Uint8Array;
  /** End of each string. */
  #ends: Uint32Array;
  #used = 0;
  #count = 0;

  /** @param bytes initial capacity for all `length` strings; it grows as needed */
  constructor(readonly length: number, bytes: number) {
    this.#bytes = new Uint8Array(bytes);
    this.#ends = new Uint32Array(length);
  }

  /** Adds a string of UTF-8 bytes. */
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
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#used + bytes));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }

  #end(bytes: number): void {
    this.#used += bytes;
    this.#ends[this.#count++] = this.#used;
  }
}
