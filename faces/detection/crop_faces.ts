/** Makes shards of faces: on this machine, or as parts that workers on others do. */
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

/** What shards are made of. */
export interface ShardsOf {
  /** Folder of the archives. */
  readonly archives: string;
  readonly rows: readonly TableRow[];
  readonly opening: CropInit;
  readonly shardSize: number;
}

/** A shard that is whole, and in its place. */
export interface Made {
  readonly index: number;
  readonly shard: Shard;
}

/** The share of a _crop archive's photo that is the face's box, in the middle: 40 % more around it. */
const middle = 1 / 1.8;

/** How many photos a shard is made of. */
export function photosIn({ rows, shardSize }: Pick<ShardsOf, "rows" | "shardSize">, index: number) {
  return Math.min(rows.length, (index + 1) * shardSize) - index * shardSize;
}

/** Makes shards with workers of this machine; 0 is as many as there had better be. */
export async function* cropLocally(
  of: ShardsOf,
  indices: readonly number[],
  workers: number,
  { scratch: folder, signal, progress }: Pick<StageContext, "scratch" | "signal" | "progress">,
  keep?: UnitContext["keep"],
): AsyncGenerator<Made> {
  if (indices.length === 0) return;
  const { defaultPoolSize } = await import("../../packages/workers/process_pool.ts");
  const { cropShards, openCropWorkers } = await import("./crop_shards.ts");
  const { openArchives } = await import("../datasets/archives.ts");
  const { archives: path, rows, opening, shardSize } = of;
  const { onGpu } = await import("../../packages/compute/backends.ts");
  const left = indices.reduce((sum, index) => sum + photosIn(of, index), 0);
  const size = workers ||
    (opening.backend && onGpu(opening.backend) ? 1 : defaultPoolSize(left, 32));
  const kept = await keep?.(
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
          known: knownPlace(rows[row], layouts.get(dataset) === "crop"),
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

/** What a worker is told of a shard. */
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

/** Has shards made by workers on other machines, and puts them in their places here. */
export async function* cropRemotely(
  of: ShardsOf,
  indices: readonly number[],
  fleet: WorkerPool,
  scratch: string,
): AsyncGenerator<Made> {
  const { opening, shardSize } = of;
  const { name, module, weights } = opening.detector;
  if (module !== undefined || weights !== undefined) {
    throw new Error(
      `Cannot find faces on other machines with ` +
        (module === undefined ? `weights "${weights}"` : `the detector "${name}" of a plugin`) +
        `: it is a file of this machine. Take executor: local.`,
    );
  }
  const { importShard } = await import("./shards.ts");
  const parts = indices.map((index) => {
    const data: z.input<typeof partData> = { index, shardSize, opening: opening as never };
    return { key: String(index), items: photosIn(of, index), data };
  });
  for await (const { key, folder } of fleet.distribute(parts)) {
    const index = Number(key);
    yield { index, shard: await importShard(folder, scratch, index) };
  }
}

/** A shard, as a worker on another machine makes it. */
export const shardPart: UnitRunner = {
  data: partData,
  async run({ archives, table }, data, { folder, signal, advance, workers, keep }) {
    const { readTable } = await import("./faces_artifact.ts");
    const { index, shardSize, opening } = data as z.output<typeof partData>;
    const of: ShardsOf = { archives, rows: await readTable(table), opening, shardSize };
    const progress = { start: () => {}, advance: (items = 1) => advance(items) };
    const here = { scratch: folder, signal, progress };
    await Array.fromAsync(cropLocally(of, [index], workers, here, keep));
    return null; // the files say it all
  },
};

/**
 * Where the data set says that the face is. face_location is left, top, right and bottom in the
 * original photo, counted from 1 as MATLAB does.
 */
function knownPlace(
  { face_location: place }: TableRow,
  cropped: boolean,
): ExpectedFace | undefined {
  if (cropped) return { middle };
  if (place?.length !== 4 || !place.every(Number.isFinite)) return undefined;
  const [left, top, right, bottom] = place;
  return { stored: { x: left - 1, y: top - 1, width: right - left, height: bottom - top } };
}
