/** Crops one shard on a worker of another machine. */
import { z } from "zod";
import { cropConfig, detectorConfig } from "../images/preprocessing.ts";
import type { ShardRunner } from "../../packages/pipeline/stage.ts";

/** Job data of a shard. */
const cropData = z.strictObject({
  index: z.int().min(0),
  shardSize: z.int().min(1),
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
    const { cropLocally } = await import("./crop_faces.ts");
    const { index, ...params } = data as CropData;
    const job = { archives, rows: await readTable(table), ...params };
    const progress = { start: () => {}, advance: (items = 1) => advance(items) };
    const context = { scratch: folder, signal, progress };
    await Array.fromAsync(cropLocally(job, [index], workers, context, getOrOpen));
    return null; // the files are the result
  },
};
