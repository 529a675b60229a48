/** Crops complete shards with a process pool. */
import type { Progress } from "../../packages/pipeline/stage.ts";
import { openPool, type ProcessPool } from "../../packages/workers/process_pool.ts";
import type { CropAnswer, CropInit, CropTask } from "./crop_worker.ts";
import { mapOrdered } from "../../packages/workers/ordered_map.ts";
import { type Shard, ShardWriter } from "./shards.ts";

/** Photos and parameters of the shards. */
export interface ShardWork {
  /** Output folder of the shards. */
  readonly folder: string;
  /** Photos per shard; the last shard has the remainder. */
  readonly shardSize: number;
  /** Number of rows of the table. */
  readonly photos: number;
  /** Returns the photo of a row; undefined if the archives do not have it. */
  photo(row: number): CropTask | undefined;
  readonly opening: CropInit;
  /** Number of workers, if no pool is given. */
  readonly workers: number;
  /** Module of the workers. Default: `crop_worker.ts`. */
  readonly module?: URL;
}

/** Returns the number of shards. */
export function shardCount({ photos, shardSize }: Pick<ShardWork, "photos" | "shardSize">): number {
  return Math.ceil(photos / shardSize);
}

/** Returns the rows of a shard: the first, and the one after the last. */
export function shardRows(
  { photos, shardSize }: Pick<ShardWork, "photos" | "shardSize">,
  index: number,
): [from: number, to: number] {
  return [index * shardSize, Math.min(photos, (index + 1) * shardSize)];
}

/** Photos after which a part of a shard is saved: an interrupted run repeats at most these. */
const SAVED = 50;

/** Side in pixels up to which many crops are buffered. */
const MAX_BUFFERED_SIZE = 512;

/** A process pool that crops faces. */
export type CropWorkers = ProcessPool<CropTask, CropAnswer>;

/** Opens a pool. @param signal when it aborts, the workers are killed */
export function openCropWorkers(
  { module = new URL("./crop_worker.ts", import.meta.url), opening, workers }: Pick<
    ShardWork,
    "module" | "opening" | "workers"
  >,
  signal?: AbortSignal,
): CropWorkers {
  const run = opening.plugin !== undefined;
  return openPool({ module, opening, workers, run, seconds: opening.photoSeconds }, signal);
}

/**
 * Crops shards and yields each when it is complete, in order; workers already process the next one.
 * The bytes do not depend on the number of workers.
 * @param given an open pool, which stays open. Default: a pool for these shards only
 */
export async function* cropShards(
  work: ShardWork,
  indices: Iterable<number>,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
  given?: CropWorkers,
): AsyncGenerator<{ index: number; shard: Shard }> {
  const { workers } = work;
  const { maxSize } = work.opening.crop;
  const ahead = workers * (maxSize > 0 && maxSize <= MAX_BUFFERED_SIZE ? 8 : 2);
  await using own = given ? undefined : openCropWorkers(work, signal);
  const pool = given ?? own!;
  const begun = new Map<number, ShardWriter>();
  let writer: ShardWriter | undefined;
  try {
    const wanted = [...indices];
    for (const index of wanted) {
      const resumed = await ShardWriter.resume(work.folder, index);
      if (!resumed) continue;
      begun.set(index, resumed);
      progress.advance(resumed.next - shardRows(work, index)[0]);
    }
    const outcomes = mapOrdered(
      rowsOf(work, wanted, begun),
      ahead,
      async ({ index, row, last }) => {
        const photo = work.photo(row);
        return { index, row, last, result: photo && await pool.run(photo) };
      },
    );
    for await (const { index, row, last, result } of outcomes) {
      signal.throwIfAborted();
      writer ??= begun.get(index) ?? new ShardWriter(work.folder, index);
      if (result === undefined) {
        writer.problem({ row, problem: "missing", detail: "the archive has no such file" });
      } else if ("crashed" in result) {
        const detail = `two workers crashed on it (${result.crashed})`;
        writer.problem({ row, problem: "crashed", detail });
      } else if ("problem" in result.answer) {
        writer.problem({ row, ...result.answer });
      } else {
        const { box, score, found } = result.answer;
        writer.add({ row, box, score }, result.bytes);
        if (found > 1) {
          const detail = `${found} detected; the best match with the label is used`;
          writer.problem({ row, problem: "several_faces", detail });
        }
      }
      progress.advance();
      if (last) {
        const shard = await writer.finish();
        writer = undefined;
        yield { index, shard };
      } else if ((row + 1) % SAVED === 0) {
        await writer.save(row + 1);
      }
    }
  } finally {
    for (const open of [writer, ...begun.values()]) open?.[Symbol.dispose]();
  }
}

function* rowsOf(
  work: ShardWork,
  indices: readonly number[],
  begun: ReadonlyMap<number, ShardWriter>,
) {
  for (const index of indices) {
    const [from, to] = shardRows(work, index);
    for (let row = begun.get(index)?.next ?? from; row < to; row++) {
      yield { index, row, last: row === to - 1 };
    }
  }
}
