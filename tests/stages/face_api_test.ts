import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { readReference } from "../../faces/evaluation/prediction_files.ts";
import { pngName, shardName, writeFaceRows } from "../../faces/detection/faces_artifact.ts";
import { type CropPreprocessing, writePreprocessing } from "../../faces/images/preprocessing.ts";
import { writeNpy } from "../../packages/formats/npy.ts";
import { writeParquet } from "../../packages/formats/parquet.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import faceApi from "../../stages/faceApi.ts";
import { testArtifact, testContext } from "../context.ts";

const crop: Omit<CropPreprocessing, "steps"> = {
  detector: { name: "metadata", minConfidence: 0.5, inputSizes: [] },
  crop: { margin: 0.2, maxSize: 128 },
  background: "#ffffff",
};

/** Faces of one colour each, in an artifact whose crops went through `steps`. */
async function writeFaces(folder: string, steps: string[], colours: string[]): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  using shard = new TarWriter(join(folder, shardName(0)));
  const rows = [];
  for (const [row, background] of colours.entries()) {
    const png = await sharp({ create: { width: 40, height: 40, channels: 3, background } })
      .png().toBuffer();
    const place = shard.add(pngName(row), png);
    rows.push({
      full_path: `${row}.jpg`,
      dataset: "set",
      age: 30,
      gender: 1,
      name: null,
      identity: null,
      face_location: null,
      photo: row,
      box_x: 0,
      box_y: 0,
      score: 1,
      box_width: 9,
      box_height: 9,
      shard: shardName(0),
      ...place,
    });
  }
  shard.close();
  await writeFaceRows(folder, rows);
  await writePreprocessing(folder, { ...crop, steps });
}

/** A dataset of the faces 0 to 9, made of those that went through `steps`; 6 to 9 are the test set. */
async function writeInputs(folder: string, steps: string[]) {
  const [dataset, splits] = ["dataset", "splits"].map((name) => join(folder, name));
  for (const path of [dataset, splits]) await Deno.mkdir(path);
  await writeParquet(join(dataset, "table.parquet"), {
    dataset: { type: "string", values: new Array(10).fill("set") },
    path: { type: "string", values: Array.from({ length: 10 }, (_, i) => `${i}.jpg`) },
  });
  const resize = { size: 32, kernel: "lanczos3", fit: "fill" } as const;
  await writePreprocessing(dataset, { ...crop, steps, resize });
  writeNpy(join(splits, "test.npy"), Int32Array.of(6, 7, 8, 9), [4]);
  return {
    dataset: testArtifact(dataset, "dataset", "resize32"),
    splits: testArtifact(splits, "splits", "split"),
  };
}

const grey = Array.from({ length: 10 }, (_, i) => `rgb(${20 * i}, ${20 * i}, ${20 * i})`);

Deno.test("faceApi judges the test faces, out of the crops that the dataset was made of", async () => {
  using context = testContext(faceApi);
  const { folder } = context;
  await writeFaces(join(folder, "plain"), [], new Array(10).fill("red"));
  await writeFaces(join(folder, "grey"), ["grey"], grey);
  const inputs = await writeInputs(folder, ["grey"]);
  const [plain, greyed] = ["plain", "grey"].map((name) =>
    testArtifact(join(folder, name), "faces", name)
  );
  const read = async (faces: typeof plain[], params = {}) => {
    await context.run({ ...inputs, faces }, params);
    const reference = await readReference(context.outputs.reference);
    return grey.map((_, i) => reference.of("set", `${i}.jpg`));
  };
  const both = await read([plain, greyed]);
  assert.deepEqual(both.map((said) => said !== undefined), grey.map((_, i) => i >= 6));
  for (const said of both.slice(6)) assert.ok(said!.male > 0 && said!.male < 1);
  assert.deepEqual(both, await read([greyed]));
  assert.notDeepEqual(both, await read([plain]));
  assert.equal((await read([greyed], { sample: 2 })).filter((said) => said).length, 2);
});

Deno.test("faceApi says which faces it misses", async () => {
  using context = testContext(faceApi);
  await writeFaces(join(context.folder, "few"), [], grey.slice(0, 3));
  const inputs = await writeInputs(context.folder, []);
  const faces = [testArtifact(join(context.folder, "few"), "faces", "few")];
  await assert.rejects(
    context.run({ ...inputs, faces }),
    /Cannot read the crop of "6.jpg" of set: it is in "resize32" but not in "few"\. Set the faces/,
  );
});
