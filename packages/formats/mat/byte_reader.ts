/** Takes exact numbers of bytes from a stream of chunks. */
import { Buffer } from "node:buffer";

export class ByteReader implements AsyncDisposable {
  #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array();
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

  /** Takes a copy of the next `length` bytes; returns undefined if the stream ends before. */
  async take(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    const whole = await this.#each(length, (part) => {
      bytes.set(part, filled);
      filled += part.length;
    });
    return whole ? bytes : undefined;
  }

  /** Skips `length` bytes; returns false if the stream ends before. */
  skip(length: number): Promise<boolean> {
    return this.#each(length, () => {});
  }

  /** Returns true at the end of the stream. */
  async ended(): Promise<boolean> {
    return (await this.peek(1)).length === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }

  async #each(length: number, use: (part: Uint8Array) => void): Promise<boolean> {
    for (let left = length; left > 0;) {
      if (this.#current.length === 0) {
        const { value, done } = await this.#chunks.next();
        if (done) return false;
        this.#current = value;
      }
      const part = this.#current.subarray(0, left);
      use(part);
      this.#current = this.#current.subarray(part.length);
      left -= part.length;
      this.position += part.length;
    }
    return true;
  }
}
