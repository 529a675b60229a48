import { join } from "node:path";
import { z } from "zod";
import { defineStage } from "../runner/stage.ts";
import { dataset, faces } from "./artifacts.ts";

export default defineStage({
  name: "resize32",
  summary: "Scale the faces to what the networks see, all in one array",
  inputs: { faces },
  outputs: { dataset },
  params: z.strictObject({
    size: z.int().min(8).max(512).default(32).describe(
      "Width and height of the images in pixels; the report's networks take 32. Scaled with " +
        "Lanczos's filter (a = 3), widened when it reduces, so that nothing is skipped",
    ),
  }),
  async run({ faces: input }, { size }, context) {
    const { decode } = await import("../faces/decode.ts");
    const { inOrder } = await import("../faces/inOrder.ts");
    const { openFaces } = await import("../faces/artifact.ts");
    const { readCropPreprocessing, writePreprocessing } = await import("../faces/preprocessing.ts");
    const { fit, kernel, toTensor } = await import("../faces/resize.ts");
    const { NpyWriter } = await import("../formats/npy.ts");
    const { writeParquet } = await import("../formats/parquet.ts");
    const output = context.outputs.dataset;

    using faces = await openFaces(input.path);
    const { rows } = faces;
    context.progress.start(rows.length, "faces");
    using images = new NpyWriter(join(output, "images.npy"), "uint8", [size, size, 3]);
    // A bounded number of crops is in memory, decoded on sharp's threads.
    const tensors = inOrder(
      rows,
      16,
      async (row) => await toTensor(await decode(faces.png(row)), size),
    );
    for await (const tensor of tensors) {
      context.signal.throwIfAborted();
      images.write(Uint8Array.from(tensor)); // [size, size, 3]; sharp's Buffer as plain bytes
      context.progress.advance();
    }
    images.close();

    await writeParquet(join(output, "table.parquet"), {
      name: { type: "string", values: rows.map(({ name }) => name), nullable: true },
      age: { type: "int32", values: rows.map(({ age }) => age) },
      gender: { type: "int32", values: rows.map(({ gender }) => gender) },
      identity: { type: "string", values: rows.map(({ identity }) => identity), nullable: true },
      dataset: { type: "string", values: rows.map(({ dataset }) => dataset) },
      path: { type: "string", values: rows.map(({ full_path }) => full_path) },
    });
    await writePreprocessing(output, {
      ...await readCropPreprocessing(input.path),
      resize: { size, kernel, fit },
    });
  },
});
