/** Writes all bytes at a file's position. */
export function writeAllSync(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** An open file for reads at any position. Reads are synchronous, so callers can share it. */
export class RandomAccessFile implements Disposable {
  /** Size in bytes when it was opened. */
  readonly size: number;
  #file: Deno.FsFile;
  #mtime: number | undefined;

  constructor(readonly path: string) {
    try {
      this.#file = Deno.openSync(path);
    } catch (cause) {
      throw new Error(`Cannot open "${path}": ${(cause as Error).message}.`, { cause });
    }
    const { size, isFile, mtime } = this.#file.statSync();
    if (!isFile) {
      this.#file.close();
      throw new Error(`Cannot open "${path}": it is not a file.`);
    }
    this.size = size;
    this.#mtime = mtime?.getTime();
  }

  /** Returns true if size or date changed since the file was opened. */
  changed(): boolean {
    const { size, mtime } = this.#file.statSync();
    return size !== this.size || mtime?.getTime() !== this.#mtime;
  }

  /** Reads exactly `length` bytes from `offset` on into new memory. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    // Checked before memory is allocated.
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      throw new Error(
        `Cannot read ${byteCount(length)} at byte ${count(offset)} of "${this.path}": it ends at ` +
          `${count(this.size)}.`,
      );
    }
    const bytes = new Uint8Array(length);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let filled = 0; filled < length;) {
      const read = this.#file.readSync(bytes.subarray(filled));
      if (read === null) {
        throw new Error(`Cannot read "${this.path}": it was truncated during the read.`);
      }
      filled += read;
    }
    return bytes;
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Files for reads at any position, of which the last one stays open: there may be thousands. */
export class RandomAccessFiles implements Disposable {
  #last: RandomAccessFile | undefined;

  /** Reads exactly `length` bytes of a file from `offset` on into new memory. */
  read(path: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#last?.path !== path) {
      const next = new RandomAccessFile(path);
      this.#last?.close();
      this.#last = next;
    }
    return this.#last.read(offset, length);
  }

  [Symbol.dispose](): void {
    this.#last?.close();
  }
}

/** Returns "2,000". */
export function count(n: number): string {
  return n.toLocaleString("en");
}

/** Returns "1 byte" or "2,000 bytes". */
export function byteCount(n: number): string {
  return `${count(n)} ${n === 1 ? "byte" : "bytes"}`;
}
