/** Columns of a struct in a MATLAB level-5 file: rows of numbers, and cells of texts or numbers. */
import { byteCount } from "./random_access_file.ts";
import { type ArrayHeader, count, decodeUtf8, type MatSource, mxOPAQUE } from "./mat/source.ts";

const mxCELL = 1, mxCHAR = 4, mxFUNCTION = 16;
const none = new Uint8Array();

/** Array classes ("mx...") without numbers. */
const KINDS: Record<number, string> = {
  ...{ [mxCELL]: "cell", 2: "struct", 3: "object", [mxCHAR]: "char", 5: "sparse matrix" },
  ...{ [mxFUNCTION]: "function handle", [mxOPAQUE]: "object" },
};

/** Returns true for the classes double, single and integers. */
function isNumeric(kind: number): boolean {
  return kind >= 6 && kind <= 15;
}

/** Describes the class of an array. */
export function kindOf({ class: kind }: Pick<ArrayHeader, "class">): string {
  return isNumeric(kind) ? "numeric" : KINDS[kind] ?? `class ${kind}`;
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

/** A field of a struct. Its values are decoded on demand. */
export class MatField {
  #source: MatSource;
  #header: ArrayHeader;

  constructor(readonly name: string, source: MatSource, end: number) {
    this.#source = source;
    this.#header = source.header(0, end);
  }

  /** Decodes real numbers as float64. @throws {MatError} if it holds others */
  numbers(): Float64Array {
    const { class: kind, complex, data, end, count } = this.#header;
    if (!isNumeric(kind) || complex) throw this.#unlike("real numbers");
    if (data === end && count === 0) return new Float64Array();
    return this.#source.numbers(data, end, count);
  }

  /** Returns its cell. @throws {MatError} if it holds none */
  cell(): MatCell {
    if (this.#header.class !== mxCELL) throw this.#unlike("a cell");
    return new MatCell(this.#source, this.#header);
  }

  #unlike(wanted: string) {
    const kind = kindOf(this.#header);
    return this.#source.error(0, `has field "${this.name}" of kind ${kind}, expected ${wanted}`);
  }
}

/** An array of arrays. */
class MatCell {
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
      if (isNumeric(header.class) && header.count === width) {
        source.floatsInto(result, i * width, header.data, header.end, width);
      } else if (isNumeric(header.class) && header.count === 0) {
        result.fill(NaN, i * width, (i + 1) * width);
      } else {
        throw source.error(at, `, part ${count(i)} of a cell, is not ${width} numbers`);
      }
    }
    return result;
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
