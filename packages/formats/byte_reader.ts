/** Bytes that arrive in pieces, taken in the sizes that a reader needs. */

export class ByteReader implements AsyncDisposable {
  #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array();
  /** Bytes taken so far. */
  position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes without taking them: `length`, or fewer where the stream ends. */
  async peek(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts = [this.#current];
    let have = this.#current.length;
    while (have < length) {
      const { value, done } = await this.#chunks.next();
      if (done) break;
      parts.push(value);
      have += value.length;
    }
    const joined = new Uint8Array(have);
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
    this.#current = joined;
    return joined.slice(0, length);
  }

  /** The next `length` bytes, in memory of their own; undefined if the stream ends before. */
  async take(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    const whole = await this.#each(length, (part) => {
      bytes.set(part, filled);
      filled += part.length;
    });
    return whole ? bytes : undefined;
  }

  /** Passes over `length` bytes; false if the stream ends before. */
  skip(length: number): Promise<boolean> {
    return this.#each(length, () => {});
  }

  /** Whether nothing more comes. */
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

/** Returns "1 byte", "2,000 bytes". */
export function byteCount(n: number): string {
  return `${n.toLocaleString("en")} ${n === 1 ? "byte" : "bytes"}`;
}
