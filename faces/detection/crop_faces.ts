/** Crops faces shard by shard: with worker processes of this machine, or on other machines. */
import { join } from "node:path";
import { onGpu } from "../../packages/compute/backends.ts";
import type {
  Progress,
  ShardContext,
  StageContext,
  WorkerPool,
} from "../../packages/pipeline/stage.ts";
import { mapOrdered } from "../../packages/workers/ordered_map.ts";
import {
  defaultPoolSize,
  openPool,
  type ProcessPool,
} from "../../packages/workers/process_pool.ts";
import { type ArchivedDataset, openArchives } from "../datasets/archives.ts";
import type { CropData } from "./crop_runner.ts";
import type { CropAnswer, CropInit, CropTask } from "./crop_worker.ts";
import type { TableRow } from "./faces_artifact.ts";
import type { ExpectedFace } from "./find_faces.ts";
import { importShard, readShard, type Shard, ShardWriter } from "./shards.ts";

export interface CropJob {
  readonly archives: string;
  readonly rows: readonly TableRow[];
  readonly opening: CropInit;
  readonly shardSize: number;
}

/** A complete shard in its final place. */
type CroppedShard = { readonly index: number; readonly shard: Shard };

/** Side of the face box in a _crop archive, relative to the photo: it has a margin of 40 %. */
export const FACE_SHARE = 1 / 1.8;

/** Crops the faces of all photos. Complete shards of an interrupted attempt are kept. */
export async function cropFaces(
  job: CropJob,
  workers: number,
  context: Pick<StageContext, "scratch" | "signal" | "progress" | "remoteWorkers" | "info">,
): Promise<Shard[]> {
  const shards: (Shard | undefined)[] = [];
  const photos = job.rows.length;
  const info = (message: string) => context.info(message);
  while (shards.length * job.shardSize < photos) {
    shards.push(await readShard(context.scratch, shards.length, info));
  }
  const missing = [...shards.keys()].filter((index) => shards[index] === undefined);
  context.progress.start(photos, "photos", photos - photosIn(job, missing));
  const made = context.remoteWorkers
    ? cropRemotely(job, missing, context.remoteWorkers, context.scratch)
    : cropLocally(job, missing, workers, context);
  for await (const { index, shard } of made) shards[index] = shard;
  return shards as Shard[]; // complete from here on
}

/** Returns the number of photos of a shard: the last one has the remainder. */
function sizeOf({ photos, shardSize }: { photos: number; shardSize: number }, index: number) {
  return Math.min(shardSize, photos - index * shardSize);
}

function photosIn({ rows, shardSize }: CropJob, indices: readonly number[]): number {
  const sizes = indices.map((index) => sizeOf({ photos: rows.length, shardSize }, index));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Crops shards with worker processes of this machine.
 * @param workers number of processes; 0 chooses by cores, memory and work
 */
export async function* cropLocally(
  job: CropJob,
  indices: readonly number[],
  workers: number,
  { scratch: folder, signal, progress }: Pick<StageContext, "scratch" | "signal" | "progress">,
  getOrOpen?: ShardContext["getOrOpen"],
): AsyncGenerator<CroppedShard> {
  if (indices.length === 0) return;
  const { archives: path, rows, opening, shardSize } = job;
  const size = workers ||
    (opening.backend && onGpu(opening.backend) ? 1 : defaultPoolSize(photosIn(job, indices), 32));
  using photos = await openArchives({ path });
  const datasets = new Map(photos.datasets.map((dataset) => [dataset.name, dataset]));
  const photo = (row: number) => {
    const { dataset, full_path } = rows[row];
    const place = photos.find(dataset, full_path);
    if (!place) return;
    const { tar, offset, size } = place;
    const known = expectedFace(rows[row], datasets.get(dataset)!);
    return { file: join(path, tar), offset, size, known };
  };
  const work = { folder, shardSize, photos: rows.length, photo, opening, workers: size };
  const kept = await getOrOpen?.(
    JSON.stringify(opening),
    () => Promise.resolve(openCropWorkers(work)),
  );
  yield* cropShards(work, indices, { signal, progress }, kept);
}

/** Crops shards on workers of other machines and moves the results to `scratch`. */
async function* cropRemotely(
  job: CropJob,
  indices: readonly number[],
  pool: WorkerPool,
  scratch: string,
): AsyncGenerator<CroppedShard> {
  const { opening, shardSize } = job;
  const { name, module, weights } = opening.detector;
  if (module !== undefined || weights !== undefined) {
    throw new Error(
      `Cannot detect faces on other machines with ` +
        (module === undefined ? `weights "${weights}"` : `the detector "${name}" of a plugin`) +
        `: the file is on this machine only. Set executor: local.`,
    );
  }
  const shards = indices.map((index) => {
    const data: CropData = { index, shardSize, opening: opening as CropData["opening"] };
    return { key: String(index), items: photosIn(job, [index]), data };
  });
  for await (const { key, folder } of pool.distribute(shards)) {
    const index = Number(key);
    yield { index, shard: await importShard(folder, scratch, index) };
  }
}

/**
 * Returns the position of the labelled face. face_location is left, top, right and bottom in the
 * original photo, 1-based as in MATLAB.
 */
function expectedFace(
  { face_location: place }: TableRow,
  { layout, margin, detect }: Pick<ArchivedDataset, "layout" | "margin" | "detect">,
): ExpectedFace | undefined {
  const given = detect === false ? { given: true } as const : {};
  if (layout === "aligned") return { middle: 1, ...given };
  if (layout === "crop") {
    return { middle: margin === undefined ? FACE_SHARE : 1 / (1 + 2 * margin), ...given };
  }
  if (place?.length !== 4 || !place.every(Number.isFinite)) return undefined;
  const [left, top, right, bottom] = place;
  return { stored: { x: left - 1, y: top - 1, width: right - left, height: bottom - top } };
}

export interface ShardWork {
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

/** Photos after which a part of a shard is saved: an interrupted run repeats at most these. */
const SAVED = 50;

/** Side in pixels up to which many crops are buffered. */
const MAX_BUFFERED_SIZE = 512;

/** Opens a pool. @param signal when it aborts, the workers are killed */
function openCropWorkers(
  { module = new URL("./crop_worker.ts", import.meta.url), opening, workers }: ShardWork,
  signal?: AbortSignal,
): ProcessPool<CropTask, CropAnswer> {
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
  indices: readonly number[],
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
  given?: ProcessPool<CropTask, CropAnswer>,
): AsyncGenerator<CroppedShard> {
  const { maxSize } = work.opening.crop;
  const ahead = work.workers * (maxSize > 0 && maxSize <= MAX_BUFFERED_SIZE ? 8 : 2);
  await using own = given ? undefined : openCropWorkers(work, signal);
  const pool = given ?? own!;
  const begun = new Map<number, ShardWriter>();
  let writer: ShardWriter | undefined;
  try {
    for (const index of indices) {
      const resumed = await ShardWriter.resume(work.folder, index);
      if (!resumed) continue;
      begun.set(index, resumed);
      progress.advance(resumed.next - index * work.shardSize);
    }
    const outcomes = mapOrdered(rowsOf(work, indices, begun), ahead, async (place) => {
      const photo = work.photo(place.row);
      return { ...place, result: photo && await pool.run(photo) };
    });
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
    const from = index * work.shardSize, to = from + sizeOf(work, index);
    for (let row = begun.get(index)?.next ?? from; row < to; row++) {
      yield { index, row, last: row === to - 1 };
    }
  }
}
