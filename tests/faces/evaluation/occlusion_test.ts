import assert from "node:assert/strict";
import { join } from "node:path";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import * as tf from "@tensorflow/tfjs-core";
import { GRID, occlusionMap, paintMap } from "../../../faces/evaluation/occlusion.ts";
import { saveModel } from "../../../faces/training/model_files.ts";
import { writeNpy } from "../../../packages/formats/npy.ts";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { preprocessing } from "../../stages/training_data.ts";

const SIZE = 16, LENGTH = SIZE * SIZE * 3;
/** White above, black below. */
const image = Uint8Array.from({ length: LENGTH }, (_, i) => i < LENGTH / 2 ? 255 : 0);

Deno.test("occlusionMap() finds the part that a prediction hangs on", async () => {
  // A number that is the value of one pixel, above, left.
  const map = await occlusionMap(
    image,
    SIZE,
    ({ read, shape }) =>
      Promise.resolve(Float32Array.from({ length: shape[0]! }, (_, i) => read(i, 1)[0]!)),
  );
  assert.equal(map.prediction, 255);
  // The cover is 4 pixels wide, at steps of 2: only the first position covers the corner.
  assert.deepEqual([map.changes[0], map.changes[2], map.changes.at(-1)], [128, 0, 0]);
  const { data, width } = paintMap(image, SIZE, map, 128);
  assert.equal(width, 240);
  assert.deepEqual([...data.subarray(0, 3)], [237, 160, 76]);
  assert.deepEqual([...data.subarray(-3)], [0, 0, 0]);
  // Of a classifier, the probability of the predicted class.
  const classes = await occlusionMap(
    image,
    SIZE,
    ({ read, shape }) =>
      Promise.resolve(Float32Array.from(
        { length: 2 * shape[0]! },
        (_, i) => i % 2 ? 1 - read(i >> 1, 1)[0]! / 255 : read(i >> 1, 1)[0]! / 255,
      )),
  );
  assert.equal(classes.prediction, 0);
  assert.ok(Math.abs(classes.changes[0]! - 128 / 255) < 1e-6);
  assert.equal(classes.changes.length, GRID * GRID);
});

Deno.test("the occlusion process loads a model and prints a map", async () => {
  await openBackend("wasm");
  const folder = await Deno.makeTempDir();
  const model = sequential({
    layers: [
      layers.flatten({ inputShape: [SIZE, SIZE, 3] }),
      layers.dense({ units: 1, name: "years" }),
    ],
  });
  // Each part raises the number: white above, black below.
  const weights = Float32Array.from(image, (value) => value ? 1 : -1);
  model.layers[1]!.setWeights([tf.tensor2d(weights, [LENGTH, 1]), tf.tensor1d([1])]);
  await saveModel(model, folder);
  const record = {
    task: "age",
    variant: "regression",
    metric: "mae",
    classes: null,
    params: {},
    seed: 1,
    datasets: {},
    input: { size: SIZE, divisor: 255 },
    preprocessing,
    epochs: 1,
    weightsOfEpoch: 1,
    counts: { train: 1, validation: 1 },
  };
  await Deno.writeTextFile(join(folder, "training.json"), JSON.stringify(record));
  const images = join(folder, "images.npy");
  writeNpy(images, image, [1, SIZE, SIZE, 3]);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "--no-prompt", "--no-check", "-P=ui", "faces/ui/occlusion_process.ts"],
      ...[folder, images, "0"],
    ],
    cwd: new URL("../../../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  const { values, image: url, text } = JSON.parse(new TextDecoder().decode(stdout));
  // 48 values × (1 - 127 / 255)
  assert.deepEqual(values, { "raised at most by": "24.09", "lowered at most by": "0.00" });
  assert.match(url, /^data:image\/png/);
  assert.match(text, /no causes/);
  await Deno.remove(folder, { recursive: true });
});
