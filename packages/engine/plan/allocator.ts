/** Hands out addresses, one after the other, and collects what lies there at the start. */

/** Below lie the kernels' constants and the control block. */
const FIRST = 65536;

export class Allocator {
  #end = FIRST;
  readonly words: (readonly [address: number, words: Int32Array])[] = [];

  get end(): number {
    return this.#end;
  }

  /** Room for `bytes`, at a cache line's beginning, with room behind for kernels that read too far. */
  allocate(bytes: number): number {
    const at = this.#end;
    this.#end = Math.ceil((at + bytes + 64) / 64) * 64;
    return at;
  }

  /** Room for words, which are written there at the start. */
  place(words: Int32Array): number {
    const address = this.allocate(words.length * 4);
    this.words.push([address, words]);
    return address;
  }
}
