/**
 * Shards of faces in the making: each is whole in a folder that outlives an interrupted run, or not
 * there. A shard holds the faces of a fixed range of the table's rows.
 */
import { join } from "node:path";
import { z } from "zod";
import { TarWriter } from "../../packages/formats/tar.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";
import { digestFile, readState, removeDamaged, writeState } from "../../packages/pipeline/state.ts";
import { pngName, shardName } from "./faces_artifact.ts";
import type { Box } from "../images/image.ts";

/** A face in a shard. */
export interface ShardFace {
  /** Row of its photo in the table. */
  readonly row: number;
  readonly box: Box;
  readonly score: number;
  readonly offset: number;
  readonly size: number;
}

/** What is to be said of a photo; `several_faces` is used all the same. */
export interface Problem {
  readonly row: number;
  readonly problem: "missing" | "unreadable" | "crashed" | "no_face" | "several_faces";
  readonly detail: string;
}

/** What a shard holds. */
export interface Shard {
  readonly faces: readonly ShardFace[];
  readonly problems: readonly Problem[];
}

const whole = z.number().int().min(0);
const record = z.looseObject({
  /** SHA-256 of the tar. */
  sha256: z.string(),
  faces: z.array(z.strictObject({
    row: whole,
    box: z.strictObject({ x: z.number(), y: z.number(), width: z.number(), height: z.number() }),
    score: z.number(),
    offset: whole,
    size: whole,
  })),
  problems: z.array(z.strictObject({
    row: whole,
    problem: z.enum(["missing", "unreadable", "crashed", "no_face", "several_faces"]),
    detail: z.string(),
  })),
});

/**
 * Reads a whole shard of an earlier attempt.
 * @param info told that there is one that is damaged, which is removed; without it, it stays
 * @returns undefined if there is none
 */
export async function readShard(
  folder: string,
  index: number,
  info?: (message: string) => void,
): Promise<Shard | undefined> {
  const path = recordPath(folder, index), tar = join(folder, shardName(index));
  const { value, problem } = await readState<z.output<typeof record>>(path, { shape: record });
  if (value && (await digestFile(tar))?.sha256 === value.sha256) {
    return { faces: value.faces, problems: value.problems };
  }
  if (info && (value || problem !== undefined)) {
    await removeDamaged(tar, info);
    await Deno.remove(path);
  }
  return undefined;
}

/** Writes a shard. It counts only when it is finished: its record is written last. */
export class ShardWriter implements Disposable {
  readonly #folder: string;
  readonly #index: number;
  readonly #tar: TarWriter;
  readonly #faces: ShardFace[] = [];
  readonly #problems: Problem[] = [];

  constructor(folder: string, index: number) {
    this.#folder = folder;
    this.#index = index;
    this.#tar = new TarWriter(join(folder, `${shardName(index)}.part`));
  }

  add(face: Pick<ShardFace, "row" | "box" | "score">, png: Uint8Array): void {
    const { offset, size } = this.#tar.add(pngName(face.row), png);
    this.#faces.push({ ...face, offset, size });
  }

  problem(problem: Problem): void {
    this.#problems.push(problem);
  }

  async finish(): Promise<Shard> {
    this.#tar.close();
    const shard = { faces: this.#faces, problems: this.#problems };
    const tar = join(this.#folder, shardName(this.#index));
    await moveDurably(`${tar}.part`, tar);
    const { sha256 } = (await digestFile(tar))!;
    await writeState(recordPath(this.#folder, this.#index), { sha256, ...shard });
    return shard;
  }

  [Symbol.dispose](): void {
    this.#tar[Symbol.dispose]();
  }
}

/** Other machines' files may take seconds to be seen in a shared folder, in ms. */
const SIGHT = 15_000;

/** Puts a shard that was made in another folder in its place: the tar, then the record. */
export async function importShard(from: string, to: string, index: number): Promise<Shard> {
  for (const began = Date.now();;) {
    const shard = await readShard(from, index);
    if (shard) {
      await moveDurably(join(from, shardName(index)), join(to, shardName(index)));
      await moveDurably(recordPath(from, index), recordPath(to, index));
      return shard;
    }
    if (Date.now() - began > SIGHT) {
      throw new Error(
        `Cannot take "${shardName(index)}" from "${from}", where a worker has put it: it is not ` +
          "there, or not whole. Do all machines have the same artifact folder?",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * Puts a shard's tar into the output. It stays where it was as well, so that a run that is killed
 * now need not make it again; a second name for the same bytes costs nothing.
 */
export async function publishShard(folder: string, index: number, output: string): Promise<void> {
  const from = join(folder, shardName(index)), to = join(output, shardName(index));
  await Deno.link(from, to).catch(() => Deno.copyFile(from, to)); // some file systems have no links
}

function recordPath(folder: string, index: number): string {
  return join(folder, shardName(index).replace(/\.tar$/, ".json"));
}
