/** Files that arrive in pieces, and over more than one run. */
import { createHash, type Hash } from "node:crypto";
import { z } from "zod";
import { moveDurably } from "../pipeline/durable.ts";
import { readState, writeState } from "../pipeline/state.ts";

/** What is noted beside a partial file, to know whether the server's is still the same. */
const partShape = z.object({
  version: z.literal(1),
  url: z.string(),
  /** ETag (a strong one) or Last-Modified. */
  validator: z.string().nullable(),
  size: z.number().nullable(),
  checksum: z.string(),
});

type Part = Pick<z.output<typeof partShape>, "url" | "validator" | "size">;

/**
 * A file that grows, its MD5 growing with it, and what is noted to resume it: after each piece, a line
 * with the size and the MD5 of all up to there. A resumed file is kept as far as its lines agree.
 */
export class PartialFile {
  size = 0;
  part: Part | undefined;
  #file: Deno.FsFile | undefined;
  #digests: Deno.FsFile | undefined;
  #hash: Hash = createHash("md5");

  /** @param checked whether an MD5 will tell if pieces of two versions met */
  constructor(readonly path: string, readonly url: string, readonly checked: boolean) {}

  get #notes(): string {
    return `${this.path}.json`;
  }

  get #digestsPath(): string {
    return `${this.path}.digests`;
  }

  get validator(): string | null {
    return this.part?.validator ?? null;
  }

  /**
   * Resumes what an earlier process left, as far as it is undamaged and of the same file.
   * @param onTrouble called with the reason why some of it is fetched again
   */
  async open(signal?: AbortSignal, onTrouble?: (message: string) => void): Promise<void> {
    this.#file = await Deno.open(this.path, { read: true, write: true, create: true });
    this.#digests = await Deno.open(this.#digestsPath, { read: true, write: true, create: true });
    const { value, problem } = await readState<Part>(this.#notes, { shape: partShape });
    this.part = value;
    const found = (await this.#file.stat()).size;
    const known = value?.url === this.url && (value.validator !== null || this.checked);
    if (!known) await this.reset();
    else await this.#keepUndamaged(signal);
    if (problem !== undefined || (known && this.size < found)) {
      onTrouble?.(
        `what had arrived is damaged after byte ${this.size.toLocaleString("en")}; the rest is ` +
          "fetched again",
      );
    }
  }

  /** Reads the file up to the last line of digests that agrees with it, and cuts off the rest. */
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
    writeAll(this.#file!, bytes);
    this.#hash.update(bytes);
    this.size += bytes.length;
    writeAll(this.#digests!, new TextEncoder().encode(`${this.size} ${this.md5()}\n`));
  }

  /** Forgets all. */
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

  /** Moves the whole file to its place. */
  async finish(path: string): Promise<void> {
    this.close();
    await moveDurably(this.path, path);
    for (const note of [this.#notes, this.#digestsPath]) await Deno.remove(note).catch(() => {});
  }

  close(): void {
    this.#file?.close();
    this.#digests?.close();
    this.#file = this.#digests = undefined;
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** Shortens a file and goes to its end. */
async function cut(file: Deno.FsFile, size: number): Promise<void> {
  await file.truncate(size);
  await file.seek(size, Deno.SeekMode.Start);
}
