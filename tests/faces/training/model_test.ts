import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { layers, loadLayersModel, sequential } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { buildAge2021, buildGender2021 } from "../../models/build_2021.ts";
import { loadModel, saveModel } from "../../../faces/training/model_files.ts";
import { predictRows } from "../../../faces/training/predict_rows.ts";
import { predict } from "../../predict.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import {
  readHistory,
  type TrainingRecord,
  writeRecord,
} from "../../../faces/training/training_record.ts";
import { genderClasses } from "../../../faces/training/targets.ts";

const rng = random(1, "images");
const images = Uint8Array.from({ length: 5 * 32 * 32 * 3 }, () => rng.int(256));

const record: TrainingRecord = {
  task: "gender",
  variant: "binary",
  loss: "categorical_crossentropy",
  metric: "accuracy",
  classes: [...genderClasses],
  input: { size: 32, channels: "RGB", divisor: 255 },
  preprocessing: {
    detector: { name: "metadata", minConfidence: 0, inputSizes: [] },
    crop: { margin: 0, maxSize: 0 },
    background: "#ffffff",
    steps: [],
    resize: { size: 32, kernel: "lanczos3", fit: "fill" },
  },
  params: { epochs: 1 },
  seed: 1,
  backend: "wasm",
  counts: { train: 3, validation: 2 },
  datasets: { sample: 3 },
  weights: 1,
  epochs: 1,
  stoppedEarly: false,
  bestEpoch: 1,
  weightsOfEpoch: 1,
};

Deno.test("saveModel() writes what plain TensorFlow.js opens, on the cpu backend", async () => {
  const folder = await Deno.makeTempDir();
  for (
    const build of [
      () => buildGender2021({ size: 32, classes: 2, seed: 1 }),
      () => buildAge2021({ size: 32, seed: 1 }),
    ]
  ) {
    await openBackend("wasm");
    const model = build();
    await saveModel(model, folder);
    const expected = await predict(model, images);
    model.dispose();

    await openBackend("cpu");
    const { modelTopology, weightsManifest, format } = JSON.parse(
      await Deno.readTextFile(join(folder, "model.json")),
    );
    assert.equal(format, "layers-model");
    const plain = await loadLayersModel({
      load: async () => ({
        modelTopology,
        weightSpecs: weightsManifest[0].weights,
        weightData: (await Deno.readFile(join(folder, weightsManifest[0].paths[0]))).buffer,
      }),
    });
    const pixels = Float32Array.from(images, (byte) => byte / 255);
    const output = tf.tidy(() =>
      (plain.predict(tf.tensor(pixels, [5, 32, 32, 3])) as tf.Tensor).dataSync()
    );
    assert.equal(output.length, expected.length);
    for (const [i, value] of expected.entries()) {
      assert.ok(Math.abs(output[i] - value) < 1e-4 * Math.max(1, Math.abs(value)));
    }
    plain.dispose();
  }
  await openBackend("wasm");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("saveModel() writes the same bytes for the same network", async () => {
  await openBackend("wasm");
  const write = async () => {
    const folder = await Deno.makeTempDir();
    const model = buildGender2021({ size: 32, classes: 2, seed: 1 });
    await saveModel(model, folder);
    model.dispose();
    const files = ["model.json", "weights.bin"].map((file) =>
      Deno.readFileSync(join(folder, file))
    );
    await Deno.remove(folder, { recursive: true });
    return files;
  };
  assert.deepEqual(await write(), await write());
});

Deno.test("loadModel(), predict() give what the saved network gave, in batches of any size", async () => {
  await openBackend("wasm");
  const folder = await Deno.makeTempDir();
  const model = buildGender2021({ size: 32, classes: 2, seed: 1 });
  const expected = await predict(model, images);
  assert.equal(expected.length, 10);
  await saveModel(model, folder);
  await writeRecord(folder, record, [
    { epoch: 1, loss: 0.1 + 0.2, metric: 0.5, val_loss: 1e-9, val_metric: 1 },
  ]);
  const before = tf.memory().numTensors;
  const loaded = await loadModel(folder);
  assert.deepEqual(loaded.record, record);
  assert.deepEqual(await readHistory(folder), [
    { epoch: 1, loss: 0.1 + 0.2, metric: 0.5, val_loss: 1e-9, val_metric: 1 },
  ]);
  let seen = 0;
  const some = await predictRows(loaded.model, imagesInMemory(images, 32), Int32Array.of(4, 0, 2), {
    batch: 2,
    onBatch: (count) => seen += count,
  });
  assert.equal(seen, 3);
  for (const [i, row] of [4, 0, 2].entries()) {
    assert.ok(Math.abs(some[2 * i] - expected[2 * row]) < 1e-5);
    assert.ok(Math.abs(some[2 * i] + some[2 * i + 1] - 1) < 1e-5);
  }
  loaded.model.dispose();
  model.dispose();
  assert.ok(tf.memory().numTensors <= before);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("saveModel(), loadModel() keep the depthMultiplier of separableConv2d", async () => {
  await openBackend("cpu");
  const folder = await Deno.makeTempDir();
  const options = { name: "parts", filters: 2, kernelSize: 3, depthMultiplier: 2 };
  const model = sequential({
    layers: [
      layers.separableConv2d({ ...options, inputShape: [32, 32, 3] }),
      layers.globalMaxPooling2d({}),
    ],
  });
  const expected = await predict(model, images), file = join(folder, "model.json");
  await saveModel(model, folder);
  await writeRecord(folder, record, []);
  const json = await Deno.readTextFile(file), stored = ',"depth_multiplier":2';
  assert.ok(json.includes(stored));
  // As earlier versions and TensorFlow.js itself write it.
  for (const text of [json, json.replace(stored, "")]) {
    await Deno.writeTextFile(file, text);
    const loaded = await loadModel(folder);
    assert.deepEqual(await predict(loaded.model, images), expected);
    loaded.model.dispose();
  }
  model.dispose();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("predict() says which sizes do not fit", async () => {
  await openBackend("wasm");
  const model = buildAge2021({ size: 16, seed: 1 });
  await assert.rejects(predict(model, new Uint8Array(100)), /100 bytes as RGB images of 16×16/);
  model.dispose();
});
