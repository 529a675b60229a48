/**
 * Reads and writes shards of crops. A shard holds the faces of a fixed range of table rows and is
 * written atomically to a folder that survives an interrupted run.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";
import { digestFile } from "../../packages/pipeline/digest.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { readState, removeDamaged, writeState } from "../../packages/pipeline/state.ts";
import { pngName, shardName } from "./faces_artifact.ts";

const whole = z.number().int().min(0);
const record = z.looseObject({
  /** SHA-256 of the tar, of a part of a shard as far as it is saved. */
  sha256: z.string(),
  photos: z.array(z.strictObject({
    /** Row in the table. */
    row: whole,
    /** See `photoKey()`. Only photos that were searched for faces have one. */
    key: z.string().optional(),
    face: z.strictObject({
      box: z.strictObject({ x: z.number(), y: z.number(), width: z.number(), height: z.number() }),
      score: z.number(),
      offset: whole,
      size: whole,
    }).optional(),
    problem: z.strictObject({
      kind: z.enum(["missing", "unreadable", "crashed", "no_face", "several_faces"]),
      detail: z.string(),
    }).optional(),
  })),
});
const part = record.extend({ size: whole });

/** Content of a shard. A photo with the problem `several_faces` is used nevertheless. */
export type Shard = z.output<typeof record>["photos"];
type Photo = Shard[number];
export type Problem = NonNullable<Photo["problem"]>["kind"];

/** Result for a photo. */
export interface Outcome extends Pick<Photo, "key" | "problem"> {
  readonly face?: Omit<NonNullable<Photo["face"]>, "offset" | "size"> | undefined;
  /** Returns the crop, where there is a face. */
  png?(): Uint8Array;
}

/**
 * Reads a complete shard of an earlier attempt.
 * @param info logs the removal of a damaged shard; without it, damaged shards stay
 * @returns undefined if there is none
 */
export async function readShard(
  folder: string,
  index: number,
  info?: (message: string) => void,
): Promise<Shard | undefined> {
  const path = recordPath(folder, index), tar = join(folder, shardName(index));
  const { value, problem } = await readState<z.output<typeof record>>(path, { shape: record });
  if (value && (await digestFile(tar).catch(ignoreNotFound))?.sha256 === value.sha256) {
    return value.photos;
  }
  if (info && (value || problem !== undefined)) {
    await removeDamaged(tar, info);
    await Deno.remove(path);
  }
  return undefined;
}

/** Writes a shard. It is valid only after `finish`, which writes its record last. */
export class ShardWriter implements Disposable {
  readonly #path: string;
  readonly #tar: TarWriter;
  /** SHA-256 of the bytes that were read so far. */
  readonly #hash = createHash("sha256");
  #hashed = 0;
  readonly #shard: Shard;

  constructor(readonly folder: string, readonly index: number, saved?: z.output<typeof part>) {
    this.#path = join(folder, `${shardName(index)}.part`);
    this.#tar = new TarWriter(this.#path, saved?.size);
    this.#shard = saved?.photos ?? [];
  }

  /** Number of rows that it has. */
  get length(): number {
    return this.#shard.length;
  }

  /** Continues a shard that an interrupted attempt saved; undefined if there is none. */
  static async resume(folder: string, index: number): Promise<ShardWriter | undefined> {
    const record = join(folder, `${shardName(index)}.part.json`);
    const { value } = await readState<z.output<typeof part>>(record, { shape: part });
    if (!value) return undefined;
    const writer = new ShardWriter(folder, index, value);
    if (await writer.#digest() === value.sha256) return writer;
    writer[Symbol.dispose]();
  }

  /** Returns the SHA-256 of all that is written; reads what has come since the last call. */
  async #digest(): Promise<string> {
    using file = await Deno.open(this.#path);
    await file.seek(this.#hashed, Deno.SeekMode.Start);
    for await (const chunk of file.readable) {
      this.#hash.update(chunk);
      this.#hashed += chunk.length;
    }
    return this.#hash.copy().digest("hex");
  }

  /** Saves all rows so far. */
  async save(): Promise<void> {
    const sha256 = await this.#digest(), photos = this.#shard;
    await writeState(`${this.#path}.json`, { sha256, size: this.#hashed, photos });
  }

  /** Adds the next row. */
  add(row: number, { key, face, problem, png }: Outcome): void {
    const place = () => {
      const { offset, size } = this.#tar.add(pngName(row), png!());
      return { offset, size };
    };
    this.#shard.push({ row, key, face: face && { ...face, ...place() }, problem });
  }

  async finish(): Promise<Shard> {
    this.#tar.close();
    const sha256 = await this.#digest();
    await moveDurably(this.#path, join(this.folder, shardName(this.index)));
    await writeState(recordPath(this.folder, this.index), { sha256, photos: this.#shard });
    await Deno.remove(`${this.#path}.json`).catch(ignoreNotFound);
    return this.#shard;
  }

  [Symbol.dispose](): void {
    this.#tar[Symbol.dispose]();
  }
}

/** Files of other machines may take seconds to appear in a shared folder. */
const VISIBILITY_TIMEOUT_MS = 15_000;

/** Reads a shard that another machine made. @param to moves it there: first the tar, then the record */
export async function importShard(from: string, index: number, to?: string): Promise<Shard> {
  for (const began = Date.now();;) {
    const shard = await readShard(from, index);
    if (shard && to !== undefined) {
      await moveDurably(join(from, shardName(index)), join(to, shardName(index)));
      await moveDurably(recordPath(from, index), recordPath(to, index));
    }
    if (shard) return shard;
    if (Date.now() - began > VISIBILITY_TIMEOUT_MS) {
      throw new Error(
        `Cannot import "${shardName(index)}" from "${from}": a worker finished it, but it is ` +
          "missing or incomplete. Check that all machines share the same artifact folder.",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Returns the outcomes of a shard by row. @param path of its tar, which is opened for each crop */
export function outcomesOf(shard: Shard, path: string): [row: number, Outcome][] {
  return shard.map(({ row, key, face, problem }) => {
    const png = () => {
      using tar = new RandomAccessFile(path);
      return tar.read(face!.offset, face!.size);
    };
    return [row, { key, face: face && { box: face.box, score: face.score }, problem, png }];
  });
}

/**
 * Links a shard's tar into the output. The original stays, so a crash at this point does not lose it;
 * a hard link takes no space.
 */
export async function publishShard(folder: string, index: number, output: string): Promise<void> {
  const from = join(folder, shardName(index)), to = join(output, shardName(index));
  await Deno.link(from, to).catch(() => Deno.copyFile(from, to)); // no hard links here
}

function recordPath(folder: string, index: number): string {
  return join(folder, shardName(index).replace(/\.tar$/, ".json"));
}
