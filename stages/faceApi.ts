import { join } from "node:path";
import { z } from "zod";
import type { Backend } from "../packages/compute/backends.ts";
import { all, defineStage } from "../packages/pipeline/stage.ts";
import { dataset, faces, reference, splits } from "./kinds.ts";

/** Constant, so that every pipeline draws the same faces of a test set. */
const SEED = 20210;
/** Faces per batch. */
const BATCH_SIZE = 16;

export default defineStage({
  name: "faceApi",
  summary: "Predict age and gender of test faces with face-api's network, as a reference",
  inputs: { faces: all(faces), dataset, splits },
  outputs: { reference },
  params: z.strictObject({
    sample: z.int().min(1).default(1000).describe(
      "Maximum number of faces, a random subset; each takes 10 to 30 ms",
    ),
  }),
  compute: true,
  async run({ faces: made, dataset, splits }, { sample }, context) {
    const { openBackend } = await import("../packages/compute/open_backend.ts");
    const { random } = await import("../packages/random/random.ts");
    const { openAgeGenderNet, withoutMargin } = await import(
      "../faces/evaluation/age_gender_net.ts"
    );
    const { FACE_SIZE } = await import("../faces/detection/tfjs_detector.ts");
    const { writeReference } = await import("../faces/evaluation/prediction_files.ts");
    const { findSourceFaces, openFaces } = await import("../faces/detection/faces_artifact.ts");
    const { decode } = await import("../faces/images/decode_image.ts");
    const { readPreprocessing } = await import("../faces/images/preprocessing.ts");
    const { toNetworkInput } = await import("../faces/images/resize.ts");
    const { readNpy } = await import("../packages/formats/npy.ts");
    const { readParquet } = await import("../packages/formats/parquet.ts");

    const people = await readParquet(join(dataset.path, "table.parquet"), {
      dataset: "string",
      path: "string",
    });
    const { margin } = (await readPreprocessing(dataset.path)).crop;
    using crops = await openFaces((await findSourceFaces(dataset.path, made))!.path);
    const places = new Map(crops.rows.map((row) => [`${row.dataset}\n${row.full_path}`, row]));
    const rows = readNpy(join(splits.path, "test.npy"), "int32").data;
    random(SEED, "faceApi").shuffle(rows);
    const selected = Array.from(rows.subarray(0, sample).sort(), (row) => {
      const face = { dataset: people.dataset[row], path: people.path[row] };
      const crop = places.get(`${face.dataset}\n${face.path}`);
      if (crop) return { ...face, crop };
      const searched = made.map(({ stage }) => `"${stage}"`).join(", ");
      throw new Error(
        `Cannot read the crop of "${face.path}" of ${face.dataset}: it is in ` +
          `"${dataset.stage}" but not in ${searched}. Set the faces it was made from: ` +
          `${context.id}: { inputs: { faces: ... } }.`,
      );
    });

    context.progress.start(selected.length, "faces");
    await openBackend(context.compute as Backend);
    const net = await openAgeGenderNet();
    try {
      const predictions = [];
      for (let start = 0; start < selected.length; start += BATCH_SIZE) {
        context.signal.throwIfAborted();
        const part = selected.slice(start, start + BATCH_SIZE);
        const pixels = new Uint8Array(part.length * FACE_SIZE * FACE_SIZE * 3);
        await Promise.all(part.map(async ({ crop }, i) => {
          const face = await withoutMargin(await decode(crops.png(crop)), margin);
          pixels.set(await toNetworkInput(face, FACE_SIZE), i * FACE_SIZE * FACE_SIZE * 3);
        }));
        predictions.push(...await net.predict(pixels));
        context.progress.advance(part.length);
      }
      await writeReference(context.outputs.reference, "face-api", selected, predictions);
    } finally {
      net.close();
    }
  },
});
