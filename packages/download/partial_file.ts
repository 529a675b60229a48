/** Files that arrive in pieces, and over more than one run. */
import { createHash, type Hash } from "node:crypto";
import { moveDurably } from "../pipeline/durable.ts";

/** What is remembered beside a partial file, to know whether the server's is still the same. */
interface Part {
  url: string;
  /** ETag (a strong one) or Last-Modified. */
  validator: string | null;
  size: number | null;
}

/** A file that grows, its MD5 growing with it, and what is remembered to resume it. */
export class PartialFile {
  size = 0;
  part: Part | undefined;
  #file: Deno.FsFile | undefined;
  #hash: Hash = createHash("md5");

  /** @param checked whether an MD5 will tell if pieces of two versions met */
  constructor(readonly path: string, readonly url: string, readonly checked: boolean) {}

  get #notes(): string {
    return `${this.path}.json`;
  }

  get validator(): string | null {
    return this.part?.validator ?? null;
  }

  /** Takes up what an earlier process left, if it can be trusted to be of the same file. */
  async open(signal?: AbortSignal): Promise<void> {
    this.#file = await Deno.open(this.path, { read: true, write: true, create: true });
    try {
      this.part = JSON.parse(await Deno.readTextFile(this.#notes));
    } catch {
      this.part = undefined; // never begun, or killed just then
    }
    const known = this.part?.url === this.url && (this.part.validator !== null || this.checked);
    if (!known) return await this.reset();
    const buffer = new Uint8Array(1 << 20);
    for (let n; (n = await this.#file.read(buffer)) !== null; this.size += n) {
      signal?.throwIfAborted();
      this.#hash.update(buffer.subarray(0, n));
    }
  }

  async remember(size: number | null, validator: string | null): Promise<void> {
    this.part = { url: this.url, validator, size };
    await Deno.writeTextFile(this.#notes, JSON.stringify(this.part));
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += this.#file!.writeSync(bytes.subarray(done));
    this.#hash.update(bytes);
    this.size += bytes.length;
  }

  /** Forgets all. */
  async reset(): Promise<void> {
    await this.#file!.truncate(0);
    await this.#file!.seek(0, Deno.SeekMode.Start);
    await Deno.remove(this.#notes).catch(() => {});
    this.#hash = createHash("md5");
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
    await Deno.remove(this.#notes).catch(() => {});
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
