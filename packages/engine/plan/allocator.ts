/** Bump allocator that also collects initial values. */

/** Below lie the kernels' constants and the control block. */
const FIRST = 65536;

export class Allocator {
  #end = FIRST;
  readonly words: (readonly [address: number, words: Int32Array])[] = [];

  get end(): number {
    return this.#end;
  }

  /** Allocates `bytes`, cache line aligned, with padding for kernels that read past the end. */
  allocate(bytes: number): number {
    const at = this.#end;
    this.#end = Math.ceil((at + bytes + 64) / 64) * 64;
    return at;
  }

  /** Allocates and initializes words. */
  place(words: Int32Array): number {
    const address = this.allocate(words.length * 4);
    this.words.push([address, words]);
    return address;
  }
}
