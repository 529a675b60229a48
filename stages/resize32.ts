import { join } from "node:path";
import { z } from "zod";
import type { ResizeInit, ResizeTask } from "../faces/images/resize_worker.ts";
import { defineStage } from "../packages/pipeline/stage.ts";
import { dataset, faces } from "./kinds.ts";

export default defineStage({
  name: "resize32",
  summary: "Resize the crops to the networks' input size, as one array",
  inputs: { faces },
  outputs: { dataset },
  params: z.strictObject({
    size: z.int().min(8).max(512).default(32).describe(
      "Width and height of the images in pixels; the 2021 networks take 32. Resampled with " +
        "a Lanczos filter (a = 3), widened to prevent aliasing. Smaller crops are enlarged as libvips " +
        "does: Catmull-Rom bicubic, half a pixel further right and down",
    ),
    workers: z.int().min(0).default(0).describe(
      "Number of worker processes. 0: one per core, limited by memory. Does not affect the " +
        "result",
    ),
  }),
  ignoreInCacheKey: ["workers"],
  async run({ faces: input }, { size, workers: wanted }, context) {
    const { defaultPoolSize, openPool } = await import("../packages/workers/process_pool.ts");
    const { mapOrdered } = await import("../packages/workers/ordered_map.ts");
    const { openFaces, pngName } = await import("../faces/detection/faces_artifact.ts");
    const { readCropPreprocessing, writePreprocessing } = await import(
      "../faces/images/preprocessing.ts"
    );
    const { FIT, KERNEL } = await import("../faces/images/resize.ts");
    const { attributeColumns, labelColumn } = await import("../faces/datasets/attributes.ts");
    const { NpyWriter } = await import("../packages/formats/npy.ts");
    const { writeParquet } = await import("../packages/formats/parquet.ts");
    const output = context.outputs.dataset;

    using faces = await openFaces(input.path);
    const { rows } = faces;
    context.progress.start(rows.length, "faces");
    const module = new URL("../faces/images/resize_worker.ts", import.meta.url);
    const opening: ResizeInit = { folder: input.path, size };
    const workers = wanted || defaultPoolSize(rows.length, 500);
    await using pool = openPool<ResizeTask, null>({ module, opening, workers }, context.signal);
    using images = new NpyWriter(join(output, "images.npy"), "uint8", [size, size, 3]);
    const resized = mapOrdered(batches(rows, 16), 4 * workers, async (batch) => {
      const places = batch.map(({ shard, offset, size }) => ({ shard, offset, size }));
      return { batch, result: await pool.run(places) };
    });
    for await (const { batch, result } of resized) {
      context.signal.throwIfAborted();
      if ("crashed" in result) {
        const [first, last] = [batch[0], batch.at(-1)!].map(({ photo }) => pngName(photo));
        throw new Error(
          `Cannot resize the crops ${first} to ${last} of "${input.path}": two workers crashed ` +
            `on them (${result.crashed}). If the files are damaged, repeat their stage: ` +
            `--force ${input.stage}.`,
        );
      }
      images.write(result.bytes); // [batch, size, size, 3]
      context.progress.advance(batch.length);
    }
    images.close();

    await writeParquet(join(output, "table.parquet"), {
      name: { type: "string", values: rows.map(({ name }) => name), nullable: true },
      age: labelColumn(rows.map(({ age }) => age)),
      gender: labelColumn(rows.map(({ gender }) => gender)),
      identity: { type: "string", values: rows.map(({ identity }) => identity), nullable: true },
      dataset: { type: "string", values: rows.map(({ dataset }) => dataset) },
      path: { type: "string", values: rows.map(({ full_path }) => full_path) },
      ...attributeColumns(rows.map(({ attributes }) => attributes)),
    });
    await writePreprocessing(output, {
      ...await readCropPreprocessing(input.path),
      resize: { size, kernel: KERNEL, fit: FIT },
    });
  },
});

function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
