/** Crops one shard on a worker of another machine. */
import { z } from "zod";
import { cropConfig, detectorConfig } from "../images/preprocessing.ts";
import type { ShardRunner } from "../../packages/pipeline/stage.ts";

/** Job data of a shard. */
const cropData = z.strictObject({
  index: z.int().min(0),
  rows: z.array(z.int().min(0)).min(1),
  opening: z.strictObject({
    // Files of the other machine are not opened.
    detector: detectorConfig.extend({
      module: z.undefined().optional(),
      weights: z.undefined().optional(),
    }),
    crop: cropConfig.strict(),
    photoSeconds: z.number().positive().optional(),
    backend: z.enum(["wasm", "webgpu", "node", "node-gpu", "cpu"]).optional(),
  }),
});

export type CropData = z.output<typeof cropData>;

export const cropRunner: ShardRunner = {
  data: cropData,
  async run({ archives, table }, data, { folder, signal, advance, workers, getOrOpen }) {
    const { readTable } = await import("./faces_artifact.ts");
    const { cropShards, findPhotos, openCropWorkers, poolSize } = await import("./crop_faces.ts");
    const { index, rows, opening } = data as CropData;
    const photos = await findPhotos(archives, await readTable(table));
    const progress = { start: () => {}, advance: (items = 1) => advance(items) };
    const size = poolSize(opening, workers, rows.length);
    const work = { folder, photos, known: new Map(), opening, workers: size };
    const open = () => Promise.resolve(openCropWorkers(work));
    const pool = await getOrOpen(JSON.stringify(opening), open);
    await Array.fromAsync(cropShards(work, [{ index, rows }], { signal, progress }, pool));
    return null; // the files are the result
  },
};
