/** Downloads in progress, over more than one run. */
import { createHash, type Hash } from "node:crypto";
import { z } from "zod";
import { moveDurably } from "../pipeline/durable.ts";
import { count, writeAllSync } from "../formats/random_access_file.ts";
import { readState, writeState } from "../pipeline/state.ts";

/** Notes beside a partial file and a complete one: the version of the file on the server. */
const originShape = z.looseObject({
  url: z.string(),
  /** ETag (a strong one) or Last-Modified. */
  validator: z.string().nullable(),
  size: z.number().nullable(),
});

/** Address and version of a downloaded file. */
export type Origin = Pick<z.output<typeof originShape>, "url" | "validator" | "size">;

/** Reads the note beside a file; undefined if there is none, or it is damaged. */
export async function readOrigin(path: string): Promise<Origin | undefined> {
  const { value } = await readState<Origin>(`${path}.origin`, { shape: originShape });
  return value && { url: value.url, validator: value.validator, size: value.size };
}

/**
 * A partial file and its MD5. After each chunk, a line with the size and the MD5 so far is appended to
 * `<path>.digests`. A resumed file is kept up to the last line that agrees with it.
 */
export class PartialFile {
  size = 0;
  part: Origin | undefined;
  readonly #notes: string;
  readonly #digestsPath: string;
  #file: Deno.FsFile | undefined;
  #digests: Deno.FsFile | undefined;
  #hash: Hash = createHash("md5");

  /** @param checked true if the MD5 of the complete file is known and will be compared */
  constructor(readonly path: string, readonly url: string, readonly checked: boolean) {
    [this.#notes, this.#digestsPath] = [`${path}.json`, `${path}.digests`];
  }

  /**
   * Resumes what an earlier process left, as far as it is undamaged and of the same file.
   * @param onTrouble called with the reason if some of it is downloaded again
   */
  async open(signal?: AbortSignal, onTrouble?: (message: string) => void): Promise<void> {
    this.#file = await Deno.open(this.path, { read: true, write: true, create: true });
    this.#digests = await Deno.open(this.#digestsPath, { read: true, write: true, create: true });
    const { value, problem } = await readState<Origin>(this.#notes, { shape: originShape });
    this.part = value;
    const found = (await this.#file.stat()).size;
    const known = value?.url === this.url && (value.validator !== null || this.checked);
    if (!known) await this.reset();
    else await this.#keepUndamaged(signal);
    if (problem !== undefined || (known && this.size < found)) {
      onTrouble?.(
        `the partial file is damaged after byte ${count(this.size)}; the rest is ` +
          "downloaded again",
      );
    }
  }

  /** Truncates the file after the last line of digests that agrees with it. */
  async #keepUndamaged(signal?: AbortSignal): Promise<void> {
    const text = await Deno.readTextFile(this.#digestsPath);
    const buffer = new Uint8Array(1 << 20);
    let kept = 0;
    for (const line of text.split("\n").slice(0, -1)) {
      const [, size, md5] = /^(\d+) ([0-9a-f]{32})$/.exec(line) ?? [];
      const hash = this.#hash.copy();
      let left = Number(size) - this.size;
      while (left > 0) {
        signal?.throwIfAborted();
        const n = await this.#file!.read(buffer.subarray(0, left));
        if (n === null) break;
        hash.update(buffer.subarray(0, n));
        left -= n;
      }
      if (left !== 0 || hash.copy().digest("hex") !== md5) break;
      [this.#hash, this.size] = [hash, Number(size)];
      kept += line.length + 1;
    }
    await cut(this.#file!, this.size);
    await cut(this.#digests!, kept);
  }

  async remember(size: number | null, validator: string | null): Promise<void> {
    this.part = { url: this.url, validator, size };
    await writeState(this.#notes, { version: 1, ...this.part });
  }

  append(bytes: Uint8Array): void {
    writeAllSync(this.#file!, bytes);
    this.#hash.update(bytes);
    this.size += bytes.length;
    writeAllSync(this.#digests!, new TextEncoder().encode(`${this.size} ${this.md5()}\n`));
  }

  async reset(): Promise<void> {
    await cut(this.#file!, 0);
    await cut(this.#digests!, 0);
    await Deno.remove(this.#notes).catch(() => {});
    this.#hash = createHash("md5");
    this.size = 0;
    this.part = undefined;
  }

  md5(): string {
    return this.#hash.copy().digest("hex");
  }

  async finish(path: string): Promise<void> {
    this.close();
    await writeState(`${path}.origin`, { version: 1, ...this.part, size: this.size });
    await moveDurably(this.path, path);
    for (const note of [this.#notes, this.#digestsPath]) await Deno.remove(note).catch(() => {});
  }

  close(): void {
    this.#file?.close();
    this.#digests?.close();
    this.#file = this.#digests = undefined;
  }
}

async function cut(file: Deno.FsFile, size: number): Promise<void> {
  await file.truncate(size);
  await file.seek(size, Deno.SeekMode.Start);
}
