/** Crops faces shard by shard: with worker processes of this machine, or on other machines. */
import { join } from "node:path";
import { onGpu } from "../../packages/compute/backends.ts";
import type { StageContext, UnitContext, WorkerPool } from "../../packages/pipeline/stage.ts";
import { defaultPoolSize } from "../../packages/workers/process_pool.ts";
import { type ArchivedDataset, openArchives } from "../datasets/archives.ts";
import { cropShards, openCropWorkers, shardCount, shardRows } from "./crop_shards.ts";
import type { CropUnit } from "./crop_unit.ts";
import type { CropInit } from "./crop_worker.ts";
import type { TableRow } from "./faces_artifact.ts";
import type { ExpectedFace } from "./labelled_face.ts";
import { importShard, readShard, type Shard } from "./shards.ts";

/** Photos to crop, and the parameters. */
export interface CropJob {
  /** Folder of the archives. */
  readonly archives: string;
  readonly rows: readonly TableRow[];
  readonly opening: CropInit;
  readonly shardSize: number;
}

/** A complete shard in its final place. */
export interface FinishedShard {
  readonly index: number;
  readonly shard: Shard;
}

/** Side of the face box in a _crop archive, relative to the photo: it has a margin of 40 %. */
const FACE_SHARE = 1 / 1.8;

/** Crops the faces of all photos. Complete shards of an interrupted attempt are kept. */
export async function cropFaces(
  job: CropJob,
  workers: number,
  context: Pick<StageContext, "scratch" | "signal" | "progress" | "remoteWorkers" | "info">,
): Promise<Shard[]> {
  const shards: (Shard | undefined)[] = [];
  const photos = job.rows.length, count = shardCount({ photos, shardSize: job.shardSize });
  const info = (message: string) => context.info(message);
  while (shards.length < count) {
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

/** Returns the number of photos of shards. */
function photosIn({ rows, shardSize }: CropJob, indices: readonly number[]): number {
  return indices.reduce((sum, index) => {
    const [from, to] = shardRows({ photos: rows.length, shardSize }, index);
    return sum + to - from;
  }, 0);
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
  getOrOpen?: UnitContext["getOrOpen"],
): AsyncGenerator<FinishedShard> {
  if (indices.length === 0) return;
  const { archives: path, rows, opening, shardSize } = job;
  const size = workers ||
    (opening.backend && onGpu(opening.backend) ? 1 : defaultPoolSize(photosIn(job, indices), 32));
  const kept = await getOrOpen?.(
    JSON.stringify(opening),
    () => Promise.resolve(openCropWorkers({ opening, workers: size })),
  );
  using photos = await openArchives({ path });
  const datasets = new Map(photos.datasets.map((dataset) => [dataset.name, dataset]));
  const photo = (row: number) => {
    const { dataset, full_path } = rows[row];
    const place = photos.find(dataset, full_path);
    return place && {
      file: join(path, place.tar),
      offset: place.offset,
      size: place.size,
      known: expectedFace(rows[row], datasets.get(dataset)!),
    };
  };
  const work = { folder, shardSize, photos: rows.length, photo, opening, workers: size };
  yield* cropShards(work, indices, { signal, progress }, kept);
}

/** Crops shards on workers of other machines and moves the results to `scratch`. */
export async function* cropRemotely(
  job: CropJob,
  indices: readonly number[],
  pool: WorkerPool,
  scratch: string,
): AsyncGenerator<FinishedShard> {
  const { opening, shardSize } = job;
  const { name, module } = opening.detector;
  if (module !== undefined) {
    throw new Error(
      `Cannot detect faces on other machines with the detector "${name}" of a plugin: the file ` +
        "is on this machine only. Set executor: local.",
    );
  }
  const units = indices.map((index) => {
    const data: CropUnit = { index, shardSize, opening: opening as CropUnit["opening"] };
    return { key: String(index), items: photosIn(job, [index]), data };
  });
  for await (const { key, folder } of pool.distribute(units)) {
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
