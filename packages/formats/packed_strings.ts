/** Many short texts in one piece of memory: a string of its own for each would take several times as much. */
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class PackedStrings {
  /** UTF-8, one text after the other. */
  #bytes: Uint8Array;
  /** Where each text ends. */
  #ends: Uint32Array;
  #used = 0;
  #count = 0;

  /**
   * @param length how many texts will be added
   * @param bytes how much they may take; more is found if need be
   */
  constructor(readonly length: number, bytes: number) {
    this.#bytes = new Uint8Array(bytes);
    this.#ends = new Uint32Array(length);
  }

  /** Adds a text that is UTF-8 already. */
  addBytes(text: Uint8Array): void {
    this.#room(text.length);
    this.#bytes.set(text, this.#used);
    this.#end(text.length);
  }

  add(text: string): void {
    this.#room(3 * text.length);
    this.#end(encoder.encodeInto(text, this.#bytes.subarray(this.#used)).written);
  }

  at(i: number): string {
    const bytes = this.#bytes.subarray(this.#start(i), this.#ends[i]);
    // Short ASCII, as almost all is, comes faster without a decoder.
    return bytes.length <= 128 && bytes.every((byte) => byte < 0x80)
      ? String.fromCharCode.apply(null, bytes as unknown as number[])
      : decoder.decode(bytes);
  }

  isEmpty(i: number): boolean {
    return this.#ends[i] === this.#start(i);
  }

  #start(i: number): number {
    return i === 0 ? 0 : this.#ends[i - 1];
  }

  #room(bytes: number): void {
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
