/**
 * Writes MATLAB level-5 files with one compressed struct of rows of doubles, and of cells of text or
 * doubles. MATLAB, Octave and SciPy read them.
 */
import { Buffer } from "node:buffer";
import { deflateSync } from "node:zlib";

/** A field: a 1×N row of doubles, or a 1×N cell of texts or rows of doubles. */
export type MatField = ArrayLike<number> | {
  readonly cell: readonly (string | ArrayLike<number>)[];
};

const mi = { int8: 1, int32: 5, uint32: 6, double: 9, matrix: 14, compressed: 15, utf8: 16 };
const mx = { cell: 1, struct: 2, char: 4, double: 6 };
/** Bytes of a field name, with its closing NUL. */
const NAME = 32;

/**
 * Returns the bytes of a file that holds one 1×1 struct.
 *
 * @example
 * ```ts
 * const bytes = writeMat("wiki", { dob: [723671, NaN], name: { cell: ["Ada", "Émile"] } });
 * ```
 */
export function writeMat(
  variable: string,
  fields: Readonly<Record<string, MatField>>,
): Uint8Array<ArrayBuffer> {
  for (const name of [variable, ...Object.keys(fields)]) {
    if (!/^[A-Za-z]\w*$/.test(name) || name.length >= NAME) {
      throw new Error(
        `Cannot write a MATLAB variable or field "${name}": names are a letter, then letters, ` +
          `digits and _, at most ${NAME - 1} in all.`,
      );
    }
  }
  const names = new Uint8Array(Object.keys(fields).length * NAME);
  Object.keys(fields).forEach((name, i) => names.set(ascii(name), i * NAME));
  const struct = matrix(mx.struct, [1, 1], variable, [
    element(mi.int32, int32(NAME), true),
    element(mi.int8, names),
    ...Object.values(fields).map(field),
  ]);
  const packed = deflateSync(struct, { level: 9 });

  const file = new Uint8Array(128 + 8 + packed.length);
  file.set(ascii("MATLAB 5.0 MAT-file".padEnd(124)));
  file.set([0, 1, ...ascii("IM")], 124); // version 1, little-endian
  file.set(int32(mi.compressed, packed.length), 128);
  file.set(packed, 136);
  return file;
}

function field(value: MatField): Uint8Array {
  if (!("cell" in value)) return row(value);
  const parts = value.cell.map((part) => typeof part === "string" ? char(part) : row(part));
  return matrix(mx.cell, [1, parts.length], "", parts);
}

function row(values: ArrayLike<number>): Uint8Array {
  const data = new Uint8Array(Float64Array.from(values).buffer);
  return matrix(mx.double, [1, values.length], "", [element(mi.double, data)]);
}

function char(text: string): Uint8Array {
  // MATLAB's empty text is 0×0. SciPy counts code points; where UTF-16 units differ, it fails.
  const dims = text === "" ? [0, 0] : [1, [...text].length];
  return matrix(mx.char, dims, "", [element(mi.utf8, new TextEncoder().encode(text))]);
}

function matrix(kind: number, dims: number[], name: string, parts: Uint8Array[]): Uint8Array {
  const head = [element(mi.uint32, int32(kind, 0)), element(mi.int32, int32(...dims))];
  return element(mi.matrix, Buffer.concat([...head, element(mi.int8, ascii(name)), ...parts]));
}

/** Returns a tag and its data, padded to 8 bytes; a `small` tag contains at most 4 bytes of data. */
function element(type: number, data: Uint8Array, small = false): Uint8Array {
  const result = new Uint8Array(small ? 8 : 8 + Math.ceil(data.length / 8) * 8);
  result.set(int32(small ? data.length << 16 | type : type, data.length));
  result.set(data, small ? 4 : 8);
  return result;
}

function int32(...values: number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
