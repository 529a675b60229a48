import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { initialize } from "../../faces/training/initialize.ts";
import { type Initializer, initializers } from "../../faces/training/network_options.ts";
import { buildAge2021, buildGender2021 } from "./build_2021.ts";
import reference from "../faces/training/keras_reference.json" with { type: "json" };

/** Class names of the layers, with what matters of their sizes. */
function outline(model: LayersModel): string[] {
  return model.layers.map((layer) => {
    const { filters, units, rate, alpha, activation } = layer.getConfig();
    const size = filters ?? units ?? rate ?? alpha;
    const name = layer.getClassName() + (size === undefined ? "" : ` ${size}`);
    return activation === undefined || activation === "linear" ? name : `${name} ${activation}`;
  });
}

const blocks = [
  ...[16, 32, 64, 128].flatMap((filters) => [
    `Conv2D ${filters} relu`,
    "BatchNormalization",
    "MaxPooling2D",
  ]),
  "Flatten",
];

Deno.test("reportGender() is the report's genderDetectionCNN, layer by layer", async () => {
  await openBackend("wasm");
  const model = buildGender2021({ size: 32, classes: 2, seed: 1 });
  assert.deepEqual(outline(model), [
    ...blocks,
    ...[512, 256, 128].flatMap((units) => [
      `Dense ${units} relu`,
      "BatchNormalization",
      "Dropout 0.25",
    ]),
    "Dense 64 relu",
    "BatchNormalization",
    "Dense 16 relu",
    "Dense 2",
    "Activation softmax",
  ]);
  const convolutions = 4 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128) + 16 + 32 + 64 + 128;
  const dense = (512 + 1) * 512 + (512 + 1) * 256 + (256 + 1) * 128 + (128 + 1) * 64 +
    (64 + 1) * 16 + (16 + 1) * 2;
  const normalisation = 4 * (16 + 32 + 64 + 128 + 512 + 256 + 128 + 64);
  assert.equal(model.countParams(), convolutions + dense + normalisation);
  assert.equal(model.countParams(), reference.gender.weights);
  model.dispose();
});

Deno.test("reportAge() is the report's regression network, layer by layer", async () => {
  await openBackend("wasm");
  const model = buildAge2021({ size: 32, seed: 1 });
  assert.deepEqual(outline(model), [
    ...blocks,
    "Dense 256",
    "LeakyReLU 0.2",
    "Dropout 0.25",
    "Dense 64",
    "LeakyReLU 0.2",
    "Dense 32",
    "LeakyReLU 0.2",
    "Dense 1",
  ]);
  assert.equal(model.countParams(), reference.age.weights);
  const penalties = model.layers.map((layer) => layer.calculateLosses().length);
  assert.deepEqual(penalties.filter((count) => count > 0), [1, 1, 1, 1, 2, 2, 2]);
  tf.dispose(model.layers.map((layer) => layer.calculateLosses()));
  model.dispose();
});

Deno.test("reportGender() does without the dense layers that are left out", async () => {
  await openBackend("wasm");
  const model = buildGender2021({ size: 32, classes: 8, seed: 1, leaveOut: [512, 16] });
  assert.deepEqual(outline(model).slice(blocks.length), [
    ...["Dense 256 relu", "BatchNormalization", "Dropout 0.25"],
    ...["Dense 128 relu", "BatchNormalization", "Dropout 0.25"],
    ...["Dense 64 relu", "BatchNormalization"],
    ...["Dense 8", "Activation softmax"],
  ]);
  model.dispose();
});

Deno.test("reportGender(), reportAge() take images of other sizes", async () => {
  await openBackend("wasm");
  for (const size of [16, 33, 64]) {
    for (
      const model of [
        buildGender2021({ size, classes: 2, seed: 1 }),
        buildAge2021({ size, seed: 1 }),
      ]
    ) {
      const [features] = model.getLayer("flatten").outputShape.slice(1) as number[];
      assert.equal(features, Math.ceil(size / 16) ** 2 * 128);
      model.dispose();
    }
  }
});

Deno.test("reportGender() starts from weights that depend on the seed alone", async () => {
  const weights = async (seed: number, backend: "wasm" | "cpu") => {
    await openBackend(backend);
    const model = buildGender2021({ size: 32, classes: 2, seed });
    const values = model.getWeights().map((weight) => [...weight.dataSync()]);
    model.dispose();
    return values;
  };
  const first = await weights(1, "wasm");
  assert.deepEqual(await weights(1, "wasm"), first);
  assert.deepEqual(await weights(1, "cpu"), first);
  assert.notDeepEqual((await weights(2, "wasm"))[0], first[0]);
});

Deno.test("initialize() draws from the distributions of Keras", async () => {
  await openBackend("wasm");
  const fanIn = 512, fanOut = 256;
  const variance: Record<Initializer, number> = {
    glorotUniform: 2 / (fanIn + fanOut),
    glorotNormal: 2 / (fanIn + fanOut),
    heUniform: 2 / fanIn,
    heNormal: 2 / fanIn,
  };
  for (const initializer of initializers) {
    const model = buildGender2021({ size: 32, classes: 2, seed: 3, initializer, leaveOut: [512] });
    const kernel = [...model.getLayer("dense256").getWeights()[0].dataSync()];
    const mean = kernel.reduce((sum, x) => sum + x, 0) / kernel.length;
    const squares = kernel.reduce((sum, x) => sum + x * x, 0) / kernel.length;
    assert.ok(
      Math.abs(mean) < 0.01 * Math.sqrt(variance[initializer]),
      `${initializer} mean ${mean}`,
    );
    assert.ok(Math.abs(squares / variance[initializer] - 1) < 0.02, `${initializer} ${squares}`);
    // The furthest that a value may lie out, in standard deviations.
    const limit = initializer.endsWith("Uniform") ? Math.sqrt(3) : 2 / 0.87962566103423978;
    const largest = kernel.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
    assert.ok(largest <= limit * Math.sqrt(variance[initializer]) * (1 + 1e-6), initializer);
    assert.ok(largest > 0.98 * limit * Math.sqrt(variance[initializer]), initializer);
    model.dispose();
  }
});

Deno.test("initialize() reports unsupported initializers", async () => {
  await openBackend("wasm");
  const { layers, sequential } = await import("@tensorflow/tfjs-layers");
  const model = sequential({
    layers: [
      layers.dense({ name: "d", units: 1, inputShape: [2], kernelInitializer: "randomNormal" }),
    ],
  });
  assert.throws(
    () => initialize(model, 1),
    /layer "d": its kernelInitializer is RandomNormal. Use one of glorotUniform,/,
  );
  model.dispose();
  // The default of recurrent layers, which TensorFlow.js itself cannot draw: it calls missing functions.
  for (const kind of ["lstm", "gru", "simpleRNN"] as const) {
    const recurrent = layers[kind]({ name: "r", units: 2, inputShape: [3, 3] });
    const model = sequential({ layers: [recurrent] });
    assert.throws(() => initialize(model, 1), /layer "r": its recurrentInitializer is Orthogonal/);
    model.dispose();
  }
});
