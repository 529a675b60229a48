/** Crops faces shard by shard: with local worker processes, or on workers of other machines. */
import { join } from "node:path";
import { z } from "zod";
import type { TableRow } from "./faces_artifact.ts";
import type { CropInit } from "./crop_worker.ts";
import type { ExpectedFace } from "./find_faces.ts";
import type { Shard } from "./shards.ts";
import type {
  StageContext,
  UnitContext,
  UnitRunner,
  WorkerPool,
} from "../../packages/pipeline/stage.ts";

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

/** Returns the number of photos of a shard. */
export function photosIn({ rows, shardSize }: Pick<CropJob, "rows" | "shardSize">, index: number) {
  return Math.min(rows.length, (index + 1) * shardSize) - index * shardSize;
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
  const { defaultPoolSize } = await import("../../packages/workers/process_pool.ts");
  const { cropShards, openCropWorkers } = await import("./crop_shards.ts");
  const { openArchives } = await import("../datasets/archives.ts");
  const { archives: path, rows, opening, shardSize } = job;
  const { onGpu } = await import("../../packages/compute/backends.ts");
  const left = indices.reduce((sum, index) => sum + photosIn(job, index), 0);
  const size = workers ||
    (opening.backend && onGpu(opening.backend) ? 1 : defaultPoolSize(left, 32));
  const kept = await getOrOpen?.(
    JSON.stringify(opening),
    () => Promise.resolve(openCropWorkers({ opening, workers: size })),
  );
  using photos = await openArchives({ path });
  const layouts = new Map(photos.datasets.map(({ name, layout }) => [name, layout]));
  yield* cropShards(
    {
      folder,
      shardSize,
      photos: rows.length,
      photo(row) {
        const { dataset, full_path } = rows[row];
        const place = photos.find(dataset, full_path);
        return place && {
          file: join(path, place.tar),
          offset: place.offset,
          size: place.size,
          known: expectedFace(rows[row], layouts.get(dataset) === "crop"),
        };
      },
      opening,
      workers: size,
    },
    indices,
    { signal, progress },
    kept,
  );
}

/** Job data of a shard. */
const partData = z.strictObject({
  index: z.int().min(0),
  shardSize: z.int().min(1),
  opening: z.strictObject({
    detector: z.strictObject({
      name: z.string(),
      minConfidence: z.number(),
      inputSizes: z.array(z.int().positive()),
      upsample: z.int().min(0).optional(),
      minFace: z.number().min(0).max(1).optional(),
    }),
    crop: z.strictObject({ margin: z.number().min(0), maxSize: z.int().min(0) }),
    photoSeconds: z.number().positive().optional(),
    backend: z.enum(["wasm", "webgpu", "node", "node-gpu", "cpu"]).optional(),
  }),
});

/** Crops shards on workers of other machines and moves the results to `scratch`. */
export async function* cropRemotely(
  job: CropJob,
  indices: readonly number[],
  fleet: WorkerPool,
  scratch: string,
): AsyncGenerator<FinishedShard> {
  const { opening, shardSize } = job;
  const { name, module, weights } = opening.detector;
  if (module !== undefined || weights !== undefined) {
    throw new Error(
      `Cannot detect faces on other machines with ` +
        (module === undefined ? `weights "${weights}"` : `the detector "${name}" of a plugin`) +
        `: the file is on this machine only. Set executor: local.`,
    );
  }
  const { importShard } = await import("./shards.ts");
  const parts = indices.map((index) => {
    const data: z.input<typeof partData> = { index, shardSize, opening: opening as never };
    return { key: String(index), items: photosIn(job, index), data };
  });
  for await (const { key, folder } of fleet.distribute(parts)) {
    const index = Number(key);
    yield { index, shard: await importShard(folder, scratch, index) };
  }
}

/** Crops one shard on a worker of another machine. */
export const shardPart: UnitRunner = {
  data: partData,
  async run({ archives, table }, data, { folder, signal, advance, workers, getOrOpen }) {
    const { readTable } = await import("./faces_artifact.ts");
    const { index, shardSize, opening } = data as z.output<typeof partData>;
    const job: CropJob = { archives, rows: await readTable(table), opening, shardSize };
    const progress = { start: () => {}, advance: (items = 1) => advance(items) };
    const here = { scratch: folder, signal, progress };
    await Array.fromAsync(cropLocally(job, [index], workers, here, getOrOpen));
    return null; // the files are the result
  },
};

/**
 * Returns the position of the labelled face. face_location is left, top, right and bottom in the
 * original photo, 1-based as in MATLAB.
 */
function expectedFace(
  { face_location: place }: TableRow,
  cropped: boolean,
): ExpectedFace | undefined {
  if (cropped) return { middle: FACE_SHARE };
  if (place?.length !== 4 || !place.every(Number.isFinite)) return undefined;
  const [left, top, right, bottom] = place;
  return { stored: { x: left - 1, y: top - 1, width: right - left, height: bottom - top } };
}
