/** Reads of any range of bytes of a file, at any time, by many callers. */
import { byteCount } from "./byte_reader.ts";

/** An open file. Reads are synchronous: a seek and a read which nothing can come between. */
export class RandomAccessFile implements Disposable {
  readonly path: string;
  /** Size in bytes when it was opened. */
  readonly size: number;
  #file: Deno.FsFile;
  #mtime: number | undefined;

  constructor(path: string) {
    try {
      this.#file = Deno.openSync(path);
    } catch (cause) {
      throw new Error(`Cannot open "${path}": ${(cause as Error).message}.`, { cause });
    }
    this.path = path;
    const { size, isFile, mtime } = this.#file.statSync();
    if (!isFile) {
      this.#file.close();
      throw new Error(`Cannot open "${path}": it is not a file.`);
    }
    this.size = size;
    this.#mtime = mtime?.getTime();
  }

  /** Returns whether the file was written to since it was opened, as far as its date tells. */
  changed(): boolean {
    const { size, mtime } = this.#file.statSync();
    return size !== this.size || mtime?.getTime() !== this.#mtime;
  }

  /** The `length` bytes from `offset` on, in memory of their own. All of them, or an error. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    // Checked before memory is taken: a length that lies must not cost more than an error.
    this.#check(offset, length);
    return this.#fill(new Uint8Array(length), offset);
  }

  /** Fills `target` with the bytes from `offset` on. */
  readInto(target: Uint8Array, offset: number): void {
    this.#check(offset, target.length);
    this.#fill(target, offset);
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.size) return;
    throw new Error(
      `Cannot read ${byteCount(length)} at byte ${offset.toLocaleString("en")} ` +
        `of "${this.path}": it ends at ${this.size.toLocaleString("en")}.`,
    );
  }

  #fill<T extends Uint8Array>(target: T, offset: number): T {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let filled = 0; filled < target.length;) {
      const count = this.#file.readSync(target.subarray(filled));
      if (count === null) {
        throw new Error(`Cannot read "${this.path}": it became shorter while it was read.`);
      }
      filled += count;
    }
    return target;
  }
}
