import { join } from "node:path";
import { z } from "zod";
import type { Backend } from "../packages/compute/backends.ts";
import { all, defineStage } from "../packages/pipeline/stage.ts";
import { dataset, faces, reference, splits } from "./kinds.ts";

/** Fixed: every pipeline asks about the same faces of a test set. */
const SEED = 20210;
/** Faces that the network is given at once. */
const BATCH = 16;

export default defineStage({
  name: "faceApi",
  summary: "Let face-api's age and gender network judge faces of the test set, to compare with",
  inputs: { faces: all(faces), dataset, splits },
  outputs: { reference },
  params: z.strictObject({
    sample: z.int().min(1).default(1000).describe(
      "At most so many faces, drawn at random; each takes 10 to 30 ms",
    ),
  }),
  compute: true,
  async run({ faces: made, dataset, splits }, { sample }, context) {
    const { openBackend } = await import("../packages/compute/open_backend.ts");
    const { random } = await import("../packages/random/random.ts");
    const { openAgeGenderNet, SIZE, withoutMargin } = await import(
      "../faces/evaluation/age_gender_net.ts"
    );
    const { writeReference } = await import("../faces/evaluation/reference_predictions.ts");
    const { findSourceFaces, openFaces } = await import("../faces/detection/faces_artifact.ts");
    const { decode } = await import("../faces/images/decode_image.ts");
    const { readPreprocessing } = await import("../faces/images/preprocessing.ts");
    const { toNetworkInput } = await import("../faces/images/fit_image.ts");
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
    const asked = Array.from(rows.subarray(0, sample).sort(), (row) => {
      const face = { dataset: people.dataset[row], path: people.path[row] };
      const crop = places.get(`${face.dataset}\n${face.path}`);
      if (crop) return { ...face, crop };
      throw new Error(
        `Cannot look at the crop of "${face.path}" of ${face.dataset}: "${dataset.stage}" has it, ` +
          `"${made.map(({ stage }) => stage).join('", "')}" not. Say which faces are meant: ` +
          `${context.id}: { inputs: { faces: ... } }.`,
      );
    });

    context.progress.start(asked.length, "faces");
    await openBackend(context.compute as Backend);
    const net = await openAgeGenderNet();
    try {
      const said = [];
      for (let start = 0; start < asked.length; start += BATCH) {
        context.signal.throwIfAborted();
        const part = asked.slice(start, start + BATCH);
        const pixels = new Uint8Array(part.length * SIZE * SIZE * 3);
        await Promise.all(part.map(async ({ crop }, i) => {
          const face = withoutMargin(await decode(crops.png(crop)), margin);
          pixels.set(await toNetworkInput(face, SIZE), i * SIZE * SIZE * 3);
        }));
        said.push(...await net.predict(pixels));
        context.progress.advance(part.length);
      }
      await writeReference(context.outputs.reference, "face-api", asked, said);
    } finally {
      net.close();
    }
  },
});
