/** Files that arrive in pieces, and over more than one run. */
import { createHash, type Hash } from "node:crypto";
import { z } from "zod";
import { moveDurably } from "../pipeline/durable.ts";
import { readState, writeState } from "../pipeline/state.ts";

/** Bytes with a digest of their own: the most that a killed process fetches twice. */
const BLOCK = 1 << 16;
const DIGEST = 32;

/** Note beside a partial file: identifies the server's version of it. */
interface Part {
  url: string;
  /** ETag (a strong one) or Last-Modified. */
  validator: string | null;
  size: number | null;
}

const partShape = z.looseObject({
  url: z.string(),
  validator: z.string().nullable(),
  size: z.number().nullable(),
});

/** A file that grows, its MD5 growing with it, and what is remembered to resume it. */
export class PartialFile {
  size = 0;
  part: Part | undefined;
  #file: Deno.FsFile | undefined;
  #hash: Hash = createHash("md5");
  /** SHA-256 of each block in order; the last may be of a shorter one that `close()` left. */
  #digests: Deno.FsFile | undefined;
  #block: Hash = createHash("sha256");

  /** @param checked whether an MD5 will tell if pieces of two versions met */
  constructor(readonly path: string, readonly url: string, readonly checked: boolean) {}

  get #notes(): string {
    return `${this.path}.json`;
  }

  get validator(): string | null {
    return this.part?.validator ?? null;
  }

  /** Resumes what an earlier process left, up to the first block that is not as it arrived. */
  async open(signal?: AbortSignal): Promise<void> {
    const options = { read: true, write: true, create: true };
    this.#file = await Deno.open(this.path, options);
    this.#digests = await Deno.open(`${this.path}.blocks`, options);
    this.part = (await readState<Part>(this.#notes, { shape: partShape })).value;
    const known = this.part?.url === this.url && (this.part.validator !== null || this.checked);
    if (!known) return await this.reset();
    const digests = await Deno.readFile(`${this.path}.blocks`);
    const block = new Uint8Array(BLOCK);
    for (let at = 0, n = BLOCK; n === BLOCK; at += DIGEST) {
      signal?.throwIfAborted();
      n = 0;
      for (let read; n < BLOCK && (read = await this.#file.read(block.subarray(n))) !== null;) {
        n += read;
      }
      const bytes = block.subarray(0, n);
      const digest = createHash("sha256").update(bytes).digest();
      if (n === 0 || !digest.equals(digests.subarray(at, at + DIGEST))) break;
      this.#count(bytes);
      if (n === BLOCK) this.#block = createHash("sha256");
    }
    await this.#file.truncate(this.size);
    await this.#file.seek(this.size, Deno.SeekMode.Start);
    await this.#digests.seek(Math.floor(this.size / BLOCK) * DIGEST, Deno.SeekMode.Start);
  }

  async remember(size: number | null, validator: string | null): Promise<void> {
    this.part = { url: this.url, validator, size };
    await writeState(this.#notes, this.part);
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += this.#file!.writeSync(bytes.subarray(done));
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + BLOCK - this.size % BLOCK);
      this.#count(piece);
      if (this.size % BLOCK === 0) this.#endBlock();
      done += piece.length;
    }
  }

  #count(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#block.update(bytes);
    this.size += bytes.length;
  }

  #endBlock(): void {
    this.#digests!.writeSync(this.#block.digest());
    this.#block = createHash("sha256");
  }

  /** Forgets all. */
  async reset(): Promise<void> {
    await this.#file!.truncate(0);
    await this.#file!.seek(0, Deno.SeekMode.Start);
    await this.#digests!.truncate(0);
    await this.#digests!.seek(0, Deno.SeekMode.Start);
    await Deno.remove(this.#notes).catch(() => {});
    this.#hash = createHash("md5");
    this.#block = createHash("sha256");
    this.size = 0;
    this.part = undefined;
  }

  md5(): string {
    return this.#hash.copy().digest("hex");
  }

  /** The file is whole. */
  async finish(path: string): Promise<void> {
    this.close();
    await moveDurably(this.path, path);
    for (const end of [".json", ".blocks"]) await Deno.remove(this.path + end).catch(() => {});
  }

  close(): void {
    if (this.#digests && this.size % BLOCK > 0) this.#endBlock();
    this.#digests?.close();
    this.#digests = undefined;
    this.#file?.close();
    this.#file = undefined;
  }
}
