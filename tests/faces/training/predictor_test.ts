import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { layers, type LayersModel, sequential } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { extractHead, multiHeadModel } from "../../../faces/training/build_network.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { buildAge2021, buildGender2021, deepTrunk } from "../../models/build_2021.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import { predictRows } from "../../../faces/training/predict_rows.ts";
import { predict } from "../../predict.ts";
import { openPredictor } from "../../../faces/training/predictor.ts";
import { drawModel } from "./drawn_models.ts";

const size = 32;
const rng = random(1, "images");
const bytes = Uint8Array.from({ length: 100 * size * size * 3 }, () => rng.int(256));
const images = imagesInMemory(bytes, size);
/** More than a batch of the engine, and not in order. */
const rows = Int32Array.from({ length: 90 }, (_, i) => (i * 37) % 100);

const trunk = () =>
  deepTrunk({ size, dropout: 0.3, batchNormMomentum: 0.9, initializer: "heNormal" });
const bothHeads = () => multiHeadModel("best", trunk, 2 + ageBins.length, "glorotUniform", 1);
const age = { name: "age", start: 2, columns: ageBins.length, reading: "median" } as const;
const gender = { name: "gender", start: 0, columns: 2, reading: "classes" } as const;

const networks: Record<string, () => LayersModel> = {
  "the report's for gender": () => buildGender2021({ size, classes: 2, seed: 1 }),
  "the report's for age": () => buildAge2021({ size, seed: 1 }),
  "the best for gender": () => extractHead(bothHeads(), trunk, gender),
  "the best for age, read from a distribution": () => extractHead(bothHeads(), trunk, age),
};

/** Moves all weights from where they began, so that none is 0 or 1 by chance. */
function disturb(model: LayersModel): void {
  const rng = random(2, "weights");
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map((weight) => {
        const values = tf.buffer(weight.shape, "float32");
        for (let i = 0; i < values.size; i++) values.values[i] = 0.05 * (rng.next() - 0.5);
        return tf.add(weight, values.toTensor());
      }),
    )
  );
}

for (const [name, build] of Object.entries(networks)) {
  Deno.test(`openPredictor() says what TensorFlow.js says of ${name}`, async () => {
    await openBackend("wasm");
    const model = build();
    disturb(model);
    const expected = await predictRows(model, images, rows);
    assert.ok(new Set(expected).size > 45, "images differ in what is said of them");
    const before = tf.memory().numTensors;
    let seen = 0;
    {
      await using predictor = await openPredictor(model);
      assert.equal(predictor.fast, true);
      const got = await predictor.predict(images, rows, { onBatch: (n) => seen += n });
      assert.equal(seen, rows.length);
      assert.equal(got.length, expected.length);
      for (const [i, value] of expected.entries()) {
        const far = Math.abs(got[i] - value) / Math.max(1, Math.abs(value));
        assert.ok(far < 1e-4, `output ${i}: ${got[i]} instead of ${value}`);
      }
      // A second set of rows, by the same predictor.
      const [again] = await predictor.predict(images, rows.subarray(0, 1));
      assert.ok(Math.abs(again - got[0]) < 1e-6 * Math.max(1, Math.abs(got[0])));
    }
    assert.equal(tf.memory().numTensors, before);
    model.dispose();
  });
}

Deno.test("with mirror, the mean of an image and its mirror image, whoever computes it", async () => {
  await openBackend("wasm");
  const model = networks["the best for age, read from a distribution"]();
  disturb(model);
  const mirrors = bytes.slice(0, 5 * size * size * 3);
  for (let at = 0; at < mirrors.length; at++) {
    const pixel = Math.floor(at / 3), x = pixel % size;
    mirrors[at] = bytes[(pixel - x + size - 1 - x) * 3 + at % 3];
  }
  const five = Int32Array.of(0, 1, 2, 3, 4);
  const [straight, turned] = [
    await predictRows(model, images, five),
    await predict(model, mirrors),
  ];
  await using predictor = await openPredictor(model);
  const got = {
    fast: await predictor.predict(images, five, { mirror: true }),
    slow: await predictRows(model, images, five, { mirror: true }),
  };
  assert.ok(straight.some((years, i) => Math.abs(years - turned[i]) > 0.01), "mirrors differ");
  for (const [who, said] of Object.entries(got)) {
    for (const [i, years] of said.entries()) {
      const expected = (straight[i] + turned[i]) / 2;
      assert.ok(Math.abs(years - expected) < 1e-4 * expected, `${who}: ${years}, not ${expected}`);
    }
  }
  model.dispose();
});

Deno.test("openPredictor() computes drawn networks as TensorFlow.js on wasm, which pages use", async () => {
  await openBackend("wasm");
  const few = rows.subarray(0, 9);
  for (let n = 0; n < 20; n++) {
    const model = drawModel(random(23, "network", n), "drawn", [size, size, 3]);
    disturb(model);
    const expected = await predictRows(model, images, few);
    await using predictor = await openPredictor(model, { batch: 4, threads: n % 3 });
    assert.equal(predictor.fast, true);
    for (const [i, value] of (await predictor.predict(images, few)).entries()) {
      assert.ok(Math.abs(value - expected[i]) < 1e-4, `network ${n}: ${value}, not ${expected[i]}`);
    }
    model.dispose();
  }
});

Deno.test("openPredictor() leaves to TensorFlow.js what the engine lacks, and other backends", async () => {
  await openBackend("wasm");
  const pooled = sequential({
    layers: [
      layers.conv2d({ inputShape: [size, size, 3], filters: 4, kernelSize: 3 }),
      layers.zeroPadding2d(),
      layers.globalAveragePooling2d({}),
      layers.dense({ units: 2, activation: "softmax" }),
    ],
  });
  const expected = await predictRows(pooled, images, rows);
  await using predictor = await openPredictor(pooled);
  assert.equal(predictor.fast, false);
  assert.deepEqual(await predictor.predict(images, rows), expected);
  pooled.dispose();

  await openBackend("cpu");
  const model = buildAge2021({ size, seed: 1 });
  await using plain = await openPredictor(model);
  assert.equal(plain.fast, false);
  model.dispose();
  await openBackend("wasm");
});

Deno.test("openPredictor() computes in this thread as in others, until it is disposed of", async () => {
  await openBackend("wasm");
  const model = buildGender2021({ size, classes: 2, seed: 1 });
  disturb(model);
  await using others = await openPredictor(model, { batch: 8, threads: 2 });
  const here = await openPredictor(model, { batch: 8, threads: 0 });
  const expected = await others.predict(images, rows);
  assert.deepEqual(await here.predict(images, rows), expected);
  await here[Symbol.asyncDispose]();
  await assert.rejects(here.predict(images, rows), /The engine is closed/);
  model.dispose();
});

Deno.test("openPredictor() stops when it is told to", async () => {
  await openBackend("wasm");
  const model = buildAge2021({ size, seed: 1 });
  await using predictor = await openPredictor(model);
  const abort = new AbortController();
  const stop = { signal: abort.signal, onBatch: () => abort.abort(new Error("enough")) };
  await assert.rejects(predictor.predict(images, rows, stop), /enough/);
  model.dispose();
});
