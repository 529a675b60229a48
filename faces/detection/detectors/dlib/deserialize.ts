/**
 * Reads dlib's serialization. An integer is a control byte (sign in the high bit, number of bytes in
 * the low four) and its absolute value, little-endian; a real number is a mantissa and an exponent,
 * both integers; a string is its length and bytes; a bool is the character "1" or "0"; the numbers of
 * a tensor are float32, little-endian. http://dlib.net/dlib/serialize_abstract.h.html
 */
import { counted } from "../../../../packages/pipeline/causes.ts";

export class ModelFormatError extends Error {
  constructor(source: string, offset: number, problem: string) {
    super(
      `Cannot read the detector "${source}": at byte ${offset.toLocaleString("en")} ${problem}. ` +
        "It must be dlib's mmod_human_face_detector.dat, unpacked: 729,940 bytes, MD5 " +
        "8d2d36a0ab9adb57f4a866252fd9f047. Download it again, or remove `weights`: the project has the file.",
    );
    this.name = "ModelFormatError";
  }
}

/** Smallest exponent of infinity, -infinity and NaN. */
const SPECIAL = 32000;

export class Stream {
  #at = 0;
  readonly #view: DataView;

  /** @param source name of the bytes in errors */
  constructor(readonly bytes: Uint8Array, readonly source: string) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get rest(): number {
    return this.bytes.length - this.#at;
  }

  /** @throws {ModelFormatError} always */
  fail(problem: string, at = this.#at): never {
    throw new ModelFormatError(this.source, at, problem);
  }

  /** Reads an integer that a number represents exactly. */
  int(what: string): number {
    const start = this.#at;
    const control = this.#take(1, what)[0];
    const size = control & 0x0f;
    if (size < 1 || size > 8) {
      this.fail(
        `${what} should begin, a number of 1 to 8 bytes, and its first byte is for ${size}`,
        start,
      );
    }
    let value = 0;
    for (const byte of this.#take(size, what).toReversed()) value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER) this.fail(`${what} is too large a number`, start);
    return control & 0x80 ? -value : value;
  }

  /** Reads an integer that must be one of `expected`. */
  expect(what: string, ...expected: readonly number[]): number {
    const start = this.#at;
    const value = this.int(what);
    if (!expected.includes(value)) {
      this.fail(`${what} is ${value}, not ${expected.join(" or ")}`, start);
    }
    return value;
  }

  real(what: string): number {
    const mantissa = this.int(what), exponent = this.int(what);
    if (exponent >= SPECIAL) this.fail(`${what} is not a finite number`);
    return mantissa * 2 ** exponent;
  }

  bool(what: string): boolean {
    const start = this.#at;
    const character = String.fromCharCode(this.#take(1, what)[0]);
    if (character !== "0" && character !== "1") this.fail(`${what} is neither "0" nor "1"`, start);
    return character === "1";
  }

  /** Reads a tag: the type and version of the next item. */
  tag(...expected: readonly string[]): string {
    const start = this.#at;
    const length = this.int(`"${expected[0]}"`);
    const longest = Math.max(...expected.map((name) => name.length));
    const found = new TextDecoder().decode(
      this.#take(length <= longest ? length : 0, `"${expected[0]}"`),
    );
    if (!expected.includes(found)) {
      const names = expected.map((name) => `"${name}"`).join(" or ");
      this.fail(
        `${names} should begin, and ${found ? `"${found}"` : "something else"} does`,
        start,
      );
    }
    return found;
  }

  /** Reads the numbers of a tensor: samples, channels, rows and columns. */
  tensor(what: string): Float32Array {
    this.expect(`the version of ${what}`, 2);
    const start = this.#at;
    const shape = [0, 1, 2, 3].map(() => this.int(`the size of ${what}`));
    if (shape.some((size) => size < 0)) this.fail(`the size of ${what} is below zero`, start);
    const count = shape.reduce((a, b) => a * b);
    if (count * 4 > this.rest) {
      this.fail(`${what} claims ${count} numbers, with ${counted(this.rest, "byte")} left`, start);
    }
    const at = this.#at;
    this.#take(count * 4, what);
    return Float32Array.from({ length: count }, (_, i) => this.#view.getFloat32(at + i * 4, true));
  }

  /** Skips the shape of a part of another tensor. */
  alias(what: string): void {
    this.expect(`the version of ${what}`, 1);
    for (let i = 0; i < 4; i++) this.int(`the size of ${what}`);
  }

  #take(count: number, what: string): Uint8Array {
    if (count > this.rest) {
      this.fail(`${what} needs ${counted(count, "byte")}, and ${this.rest} remain`);
    }
    return this.bytes.subarray(this.#at, this.#at += count);
  }
}
