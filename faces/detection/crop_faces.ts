/** Crops faces shard by shard: with worker processes of this machine, or on other machines. */
import { join } from "node:path";
import { onGpu } from "../../packages/compute/backends.ts";
import type { Progress, StageContext, WorkerPool } from "../../packages/pipeline/stage.ts";
import { mapOrdered } from "../../packages/workers/ordered_map.ts";
import {
  defaultPoolSize,
  openPool,
  type ProcessPool,
} from "../../packages/workers/process_pool.ts";
import { type ArchivedDataset, openArchives } from "../datasets/archives.ts";
import { shareOf } from "../datasets/sources.ts";
import type { CropData } from "./crop_runner.ts";
import type { CropAnswer, CropInit, CropTask } from "./crop_worker.ts";
import { takeOutcomes } from "./earlier_crops.ts";
import { shardName, type TableRow } from "./faces_artifact.ts";
import type { ExpectedFace } from "./find_faces.ts";
import {
  importShard,
  type Outcome,
  outcomesOf,
  readShard,
  type Shard,
  ShardWriter,
} from "./shards.ts";

/** A shard to make, and the rows that it holds. */
export interface ShardRows {
  readonly index: number;
  readonly rows: readonly number[];
}

/** Outcomes of rows that need no detection. */
type Known = Map<number, Outcome>;

/** A complete shard in its final place. */
type CroppedShard = { readonly index: number; readonly shard: Shard };

/**
 * Crops the faces of all photos. Complete shards of an interrupted attempt are kept, and photos that
 * earlier results of the same settings and code have are not detected again.
 */
export async function cropFaces(
  photos: Photos,
  { opening, shardSize, workers }: { opening: CropInit; shardSize: number; workers: number },
  context: Pick<
    StageContext,
    "scratch" | "signal" | "progress" | "remoteWorkers" | "info" | "earlierResults"
  >,
): Promise<Shard[]> {
  const shards: Shard[] = [], missing: ShardRows[] = [];
  const { scratch: folder, progress, remoteWorkers } = context, { length } = photos;
  const info = (message: string) => context.info(message);
  for (let index = 0; index * shardSize < length; index++) {
    const shard = await readShard(folder, index, info);
    const from = index * shardSize, size = Math.min(shardSize, length - from);
    if (shard) shards[index] = shard;
    else missing.push({ index, rows: Array.from({ length: size }, (_, i) => from + i) });
  }
  const known = await takeOutcomes(missing.flatMap(({ rows }) => rows), photos, context);
  const left = unknownIn(missing, known);
  progress.start(length, "photos", length - left);
  const work = { folder, photos, known, opening, workers: poolSize(opening, workers, left) };
  const made = remoteWorkers
    ? cropRemotely(work, missing, remoteWorkers, context)
    : cropShards(work, missing, context);
  for await (const { index, shard } of made) shards[index] = shard;
  return shards;
}

/** Returns the number of photos of shards that need a detection. */
function unknownIn(shards: readonly ShardRows[], known: Known): number {
  return shards.flatMap(({ rows }) => rows.filter((row) => !known.has(row))).length;
}

/** Returns the number of processes. @param workers 0 chooses by cores, memory and photos */
export function poolSize({ backend }: CropInit, workers: number, photos: number): number {
  return workers || (backend && onGpu(backend) ? 1 : defaultPoolSize(photos, 32));
}

/** The photo of each row of a table; undefined if the archives do not have it. */
export type Photos = readonly (CropTask | undefined)[];

/** Finds the photos of a table's rows in archives. */
export async function findPhotos(path: string, rows: readonly TableRow[]): Promise<Photos> {
  using archives = await openArchives({ path });
  const datasets = new Map(archives.datasets.map((dataset) => [dataset.name, dataset]));
  return rows.map((row) => {
    const place = archives.find(row.dataset, row.full_path);
    if (!place) return;
    const { tar, offset, size } = place;
    const known = expectedFace(row, datasets.get(row.dataset)!);
    return { file: join(path, tar), offset, size, known };
  });
}

/**
 * Crops shards on workers of other machines and moves the results to `scratch`. They get the rows whose
 * outcomes are not known; the others are added here.
 */
async function* cropRemotely(
  work: ShardWork,
  shards: readonly ShardRows[],
  pool: WorkerPool,
  context: Pick<StageContext, "signal" | "progress">,
): AsyncGenerator<CroppedShard> {
  const { opening, known } = work, { name, module, weights } = opening.detector;
  if (module !== undefined || weights !== undefined) {
    throw new Error(
      `Cannot detect faces on other machines with ` +
        (module === undefined ? `weights "${weights}"` : `the detector "${name}" of a plugin`) +
        `: the file is on this machine only. Set executor: local.`,
    );
  }
  const parts = shards.map((shard) => {
    const rows = shard.rows.filter((row) => !known.has(row)), { index } = shard;
    const data: CropData = { index, rows, opening: opening as CropData["opening"] };
    return { key: String(index), items: rows.length, data, shard };
  });
  const complete = parts.filter(({ items }) => items === 0).map(({ shard }) => shard);
  yield* cropShards(work, complete, context);
  for await (const { key, folder } of pool.distribute(parts.filter(({ items }) => items > 0))) {
    const { data: { index, rows }, shard } = parts.find((part) => part.key === key)!;
    const isWhole = rows.length === shard.rows.length;
    const made = await importShard(folder, index, isWhole ? work.folder : undefined);
    if (isWhole) yield { index, shard: made };
    else {
      const tar = join(folder, shardName(index));
      for (const [row, outcome] of outcomesOf(made, tar)) known.set(row, outcome);
      yield* cropShards(work, [shard], context);
    }
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
  if (layout === "crop") return { middle: shareOf(margin), ...given };
  if (place?.length !== 4 || !place.every(Number.isFinite)) return undefined;
  const [left, top, right, bottom] = place;
  return { stored: { x: left - 1, y: top - 1, width: right - left, height: bottom - top } };
}

export interface ShardWork {
  readonly folder: string;
  readonly photos: Photos;
  readonly known: Known;
  readonly opening: CropInit;
  /** Number of workers, if no pool is given. */
  readonly workers: number;
  /** Module of the workers. Default: `crop_worker.ts`. */
  readonly module?: URL;
}

/** Detections after which a part of a shard is saved: an interrupted run repeats at most these. */
const SAVED = 50;

/** Side in pixels up to which many crops are buffered. */
const MAX_BUFFERED_SIZE = 512;

/** Opens a pool. @param signal when it aborts, the workers are killed */
export function openCropWorkers(
  { module = new URL("./crop_worker.ts", import.meta.url), opening, workers }: Pick<
    ShardWork,
    "module" | "opening" | "workers"
  >,
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
  shards: readonly ShardRows[],
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
  given?: ProcessPool<CropTask, CropAnswer>,
): AsyncGenerator<CroppedShard> {
  const { maxSize } = work.opening.crop;
  const ahead = work.workers * (maxSize > 0 && maxSize <= MAX_BUFFERED_SIZE ? 8 : 2);
  await using own = given ? undefined : openCropWorkers(work, signal);
  const pool = given ?? own!;
  const begun = new Map<number, ShardWriter>();
  let writer: ShardWriter | undefined, detected = 0;
  try {
    for (const { index, rows } of shards) {
      const resumed = await ShardWriter.resume(work.folder, index);
      if (!resumed) continue;
      begun.set(index, resumed);
      const done = { index, rows: rows.slice(0, resumed.length) };
      progress.advance(unknownIn([done], work.known));
    }
    const outcomes = mapOrdered(rowsOf(shards, begun), ahead, async (place) => {
      const known = work.known.get(place.row);
      return { ...place, known, outcome: known ?? await detect(work.photos[place.row], pool) };
    });
    for await (const { index, row, last, known, outcome } of outcomes) {
      signal.throwIfAborted();
      writer ??= begun.get(index) ?? new ShardWriter(work.folder, index);
      writer.add(row, outcome);
      if (!known) progress.advance();
      if (last) {
        const shard = await writer.finish();
        writer = undefined;
        yield { index, shard };
      } else if (!known && ++detected % SAVED === 0) {
        await writer.save();
      }
    }
  } finally {
    for (const open of [writer, ...begun.values()]) open?.[Symbol.dispose]();
  }
}

function* rowsOf(shards: readonly ShardRows[], begun: ReadonlyMap<number, ShardWriter>) {
  for (const { index, rows } of shards) {
    const left = rows.slice(begun.get(index)?.length);
    for (const row of left) yield { index, row, last: row === rows.at(-1) };
  }
}

async function detect(
  photo: CropTask | undefined,
  pool: ProcessPool<CropTask, CropAnswer>,
): Promise<Outcome> {
  if (!photo) return { problem: { kind: "missing", detail: "the archive has no such file" } };
  const result = await pool.run(photo);
  if ("answer" in result) return { ...result.answer, png: () => result.bytes };
  const detail = `two workers crashed on it (${result.crashed})`;
  return { problem: { kind: "crashed", detail } };
}
