/**
 * Reads and writes NumPy's .npy files: little-endian, row-major arrays of numbers.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { byteCount, RandomAccessFile, writeAllSync } from "./random_access_file.ts";

const dtypes = {
  uint8: { descr: "|u1", array: Uint8Array },
  int8: { descr: "|i1", array: Int8Array },
  uint16: { descr: "<u2", array: Uint16Array },
  int16: { descr: "<i2", array: Int16Array },
  uint32: { descr: "<u4", array: Uint32Array },
  int32: { descr: "<i4", array: Int32Array },
  uint64: { descr: "<u8", array: BigUint64Array },
  int64: { descr: "<i8", array: BigInt64Array },
  float32: { descr: "<f4", array: Float32Array },
  float64: { descr: "<f8", array: Float64Array },
} as const;

export type Dtype = keyof typeof dtypes;
const DTYPES = Object.keys(dtypes) as Dtype[];
/** The typed array that holds numbers of a dtype. */
export type NpyArray<D extends Dtype = Dtype> = InstanceType<(typeof dtypes)[D]["array"]>;

/** Fixed size of the header, so the row count can be written at the end. */
const HEADER = 128;
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

/**
 * Writes an array. The product of `shape` must be the number of elements.
 *
 * @example
 * ```ts
 * const path = await Deno.makeTempFile();
 * writeNpy(path, Float32Array.from([1, 2, 3, 4, 5, 6]), [2, 3]);
 * const { data, shape } = readNpy(path, "float32");
 * ```
 */
export function writeNpy(path: string, data: NpyArray, shape: readonly number[]): void {
  const [rows = 1, ...row] = shape;
  if (!shape.every((size) => size >= 0) || rows * product(row) !== data.length) {
    throw new Error(
      `Cannot write "${path}": shape [${shape.join(", ")}] does not fit ${data.length} elements.`,
    );
  }
  const { buffer, byteOffset, byteLength } = data;
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  writeAllSync(file, headerOf(dtypeOf(data), shape));
  writeAllSync(file, new Uint8Array(buffer, byteOffset, byteLength));
}

/** Returns the header of version 1.0. @throws if it has too many axes */
function headerOf(dtype: Dtype, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${dtypes[dtype].descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  if (text.length > HEADER - 11) {
    throw new Error(`Cannot write an array of ${shape.length} axes: its header is too long.`);
  }
  const header = new Uint8Array(HEADER).fill(0x20);
  header.set(MAGIC);
  header.set([1, 0, HEADER - 10, 0], 6); // version, length of the rest
  header.set(new TextEncoder().encode(text), 10);
  header[HEADER - 1] = 0x0a;
  return header;
}

/** Writes an array by rows, whose number may be unknown. The file is valid only after `close()`. */
export class NpyWriter implements Disposable {
  /** Rows written so far. */
  rows = 0;
  #file: Deno.FsFile;
  #rowLength: number;
  #open = true;

  /** @param rowShape shape without the first axis: `[32, 32, 3]` for an array [rows, 32, 32, 3] */
  constructor(path: string, readonly dtype: Dtype, readonly rowShape: readonly number[] = []) {
    this.#rowLength = product(rowShape) || 1;
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    this.#file.seekSync(HEADER, Deno.SeekMode.Start);
  }

  /** Appends one or more rows. */
  write(data: NpyArray): void {
    if (dtypeOf(data) !== this.dtype || data.length % this.#rowLength !== 0) {
      throw new Error(
        `Cannot append ${data.length} numbers of ${dtypeOf(data)} to rows of ` +
          `[${this.rowShape.join(", ")}] ${this.dtype}.`,
      );
    }
    writeAllSync(this.#file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.rows += data.length / this.#rowLength;
  }

  /** Writes the header and closes the file. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#file.seekSync(0, Deno.SeekMode.Start);
      writeAllSync(this.#file, headerOf(this.dtype, [this.rows, ...this.rowShape]));
    } finally {
      this.#file.close();
    }
  }

  /** Closes the file; without `close()` before, it is not valid. */
  [Symbol.dispose](): void {
    if (this.#open) this.#file.close();
    this.#open = false;
  }
}

/** An array in a file, read by rows. */
export class NpyFile<D extends Dtype = Dtype> implements Disposable {
  readonly dtype: D;
  readonly shape: readonly number[];
  #file: RandomAccessFile;
  #start: number;
  #rowLength: number;

  /** @throws if the file is damaged, or has another dtype than `dtype` */
  constructor(path: string, dtype?: D) {
    using opened = new DisposableStack();
    this.#file = opened.use(new RandomAccessFile(path));
    const header = parseHeader(this.#file);
    if (dtype !== undefined && header.dtype !== dtype) {
      throw new Error(`Cannot read "${path}": it holds ${header.dtype}, not ${dtype}.`);
    }
    this.dtype = header.dtype as D;
    this.shape = header.shape;
    this.#start = header.start;
    this.#rowLength = product(header.shape.slice(1));
    opened.move(); // stays open
  }

  /** Length of the first axis. */
  get rows(): number {
    return this.shape[0] ?? 1;
  }

  /** Reads the rows from `start` to `start + count - 1`. */
  read(start: number = 0, count: number = this.rows - start): NpyArray<D> {
    if (start < 0 || count < 0 || start + count > this.rows) {
      throw new RangeError(
        `Cannot read rows ${start} to ${start + count} of "${this.#file.path}": ` +
          `it has ${this.rows}.`,
      );
    }
    const { array } = dtypes[this.dtype];
    const width = this.#rowLength * array.BYTES_PER_ELEMENT;
    const bytes = this.#file.read(this.#start + start * width, count * width);
    return new array(bytes.buffer) as NpyArray<D>;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads an array. @throws if it is damaged, or has another dtype than `dtype` */
export function readNpy<D extends Dtype = Dtype>(
  path: string,
  dtype?: D,
): { data: NpyArray<D>; shape: readonly number[]; dtype: D } {
  using file = new NpyFile<D>(path, dtype);
  return { data: file.read(), shape: file.shape, dtype: file.dtype };
}

function parseHeader(file: RandomAccessFile): { dtype: Dtype; shape: number[]; start: number } {
  const fail = (why: string) => new Error(`Cannot read "${file.path}": ${why}.`);
  const head = file.read(0, Math.min(12, file.size));
  if (head.length < 12 || MAGIC.some((byte, i) => head[i] !== byte)) {
    throw fail("it is not a .npy file");
  }
  const major = head[6];
  if (major < 1 || major > 3) throw fail(`its format version is ${major}, known are 1 to 3`);
  const view = new DataView(head.buffer);
  // Version 1 has a 16-bit length, later ones 32 bits.
  const prefix = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > Math.min(65_536, file.size - prefix)) {
    throw fail(`its header claims ${byteCount(length)}`);
  }
  const text = new TextDecoder().decode(file.read(prefix, length));
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1];
  const tuple = /'shape':\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  if (descr === undefined || tuple === undefined || order === undefined) {
    throw fail(`its header is invalid: ${JSON.stringify(text.slice(0, 100))}`);
  }
  const plain = descr.replace(/^[<>=](?=[ui]1$)/, "|"); // cnpy writes an order of single bytes too
  const dtype = DTYPES.find((name) => dtypes[name].descr === plain);
  if (dtype === undefined) {
    throw fail(`its element type is '${descr}', known are little-endian ${DTYPES.join(", ")}`);
  }
  const shape = tuple.split(",").filter((part) => part.trim() !== "").map(Number);
  if (order === "True" && shape.length > 1) {
    throw fail("it is in column-major order; save it again with numpy.ascontiguousarray");
  }
  const start = prefix + length;
  const expected = product(shape) * dtypes[dtype].array.BYTES_PER_ELEMENT;
  if (file.size - start !== expected) {
    throw fail(
      `shape [${shape.join(", ")}] of ${dtype} needs ${byteCount(expected)}, ` +
        `it has ${(file.size - start).toLocaleString("en")}`,
    );
  }
  return { dtype, shape, start };
}

function dtypeOf(data: NpyArray): Dtype {
  const dtype = DTYPES.find((name) => data.constructor === dtypes[name].array);
  if (dtype !== undefined) return dtype;
  throw new TypeError(`Cannot write a ${data.constructor.name} to a .npy file.`);
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a * b, 1);
}
