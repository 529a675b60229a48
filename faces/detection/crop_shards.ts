/** Cuts out the faces of whole shards, with a crew of workers. */
import type { Progress } from "../../packages/pipeline/stage.ts";
import { openPool, type ProcessPool } from "../../packages/workers/process_pool.ts";
import type { CropAnswer, CropInit, CropTask } from "./crop_worker.ts";
import { mapOrdered } from "../../packages/workers/ordered_map.ts";
import { type Shard, ShardWriter } from "./shards.ts";

/** What the shards are made of. */
export interface ShardWork {
  /** Where the shards are written. */
  readonly folder: string;
  /** Photos in a shard; the last one has what is left. */
  readonly shardSize: number;
  /** Rows of the table. */
  readonly photos: number;
  /** The photo of a row; undefined: the archives do not have it. */
  photo(row: number): CropTask | undefined;
  readonly opening: CropInit;
  /** How many, if no crew is given. */
  readonly workers: number;
  /** Module of the workers; `cutWorker.ts` unless given. */
  readonly module?: URL;
}

/** How many shards there are. */
export function shardCount({ photos, shardSize }: Pick<ShardWork, "photos" | "shardSize">): number {
  return Math.ceil(photos / shardSize);
}

/** Photos of a shard: its first row, and the one after its last. */
export function shardRows(
  { photos, shardSize }: Pick<ShardWork, "photos" | "shardSize">,
  index: number,
): [from: number, to: number] {
  return [index * shardSize, Math.min(photos, (index + 1) * shardSize)];
}

/** Faces of more pixels, which `maxSize: 0` lets through, are not held in memory in numbers. */
const small = 512;

/** Processes that cut faces out. */
export type CropWorkers = ProcessPool<CropTask, CropAnswer>;

/** @param signal when it aborts, they end at once */
export function openCropWorkers(
  { module = new URL("./crop_worker.ts", import.meta.url), opening, workers }: Pick<
    ShardWork,
    "module" | "opening" | "workers"
  >,
  signal?: AbortSignal,
): CropWorkers {
  return openPool({ module, opening, workers, seconds: opening.photoSeconds }, signal);
}

/**
 * Makes these shards, each whole before the next, though workers are ahead of the one that is
 * written. The bytes do not depend on the number of workers.
 * @param given processes that are open, and stay so; without, some are opened for these shards
 */
export async function* cropShards(
  work: ShardWork,
  indices: Iterable<number>,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
  given?: CropWorkers,
): AsyncGenerator<{ index: number; shard: Shard }> {
  const { workers } = work;
  const { maxSize } = work.opening.crop;
  const ahead = workers * (maxSize > 0 && maxSize <= small ? 8 : 2);
  await using own = given ? undefined : openCropWorkers(work, signal);
  const crew = given ?? own!;
  let writer: ShardWriter | undefined;
  try {
    const outcomes = mapOrdered(rowsOf(work, indices), ahead, async ({ index, row, last }) => {
      const photo = work.photo(row);
      return { index, row, last, result: photo && await crew.run(photo) };
    });
    for await (const { index, row, last, result } of outcomes) {
      signal.throwIfAborted();
      writer ??= new ShardWriter(work.folder, index);
      if (result === undefined) {
        writer.problem({ row, problem: "missing", detail: "the archive has no such file" });
      } else if ("died" in result) {
        const detail = `the process that read it died, and so did another (${result.died})`;
        writer.problem({ row, problem: "crashed", detail });
      } else if ("problem" in result.answer) {
        writer.problem({ row, ...result.answer });
      } else {
        const { box, score, found } = result.answer;
        writer.add({ row, box, score }, result.bytes);
        if (found > 1) {
          const detail = `${found} found; the one that agrees best is used`;
          writer.problem({ row, problem: "several_faces", detail });
        }
      }
      progress.advance();
      if (last) {
        const shard = await writer.finish();
        writer = undefined;
        yield { index, shard };
      }
    }
  } finally {
    writer?.[Symbol.dispose]();
  }
}

function* rowsOf(work: ShardWork, indices: Iterable<number>) {
  for (const index of indices) {
    const [from, to] = shardRows(work, index);
    for (let row = from; row < to; row++) yield { index, row, last: row === to - 1 };
  }
}
