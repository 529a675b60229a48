/** Networks of any layers on the engine, against TensorFlow.js on `cpu`. */
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { Engine, type EngineOptions } from "../../../packages/engine/engine.ts";
import { random } from "../../../packages/random/random.ts";
import { chooseNetwork, singleHeadModel } from "../../../faces/training/build_network.ts";
import { forward } from "../../../faces/training/forward.ts";
import { toEngineNetwork } from "../../../faces/training/to_engine_network.ts";
import { networks } from "../../../models/mod.ts";

/** Largest difference, as a share of the largest value or of 1. */
function difference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let far = 0, most = 1;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(got[i] - expected[i]);
    far = distance <= far ? far : distance; // NaN stays
    most = Math.max(most, Math.abs(expected[i]));
  }
  return far / most;
}

async function compile(model: LayersModel, options: EngineOptions): Promise<Engine> {
  const engine = await Engine.compile(toEngineNetwork(model, "categoricalCrossentropy"), options);
  engine.setWeights(
    new Map(model.weights.map((weight) => [weight.originalName, {
      shape: weight.shape as number[],
      data: weight.read().dataSync() as Float32Array,
    }])),
  );
  return engine;
}

/** Compares outputs, loss and all gradients of a network with two classes. */
async function compare(what: string, model: LayersModel, options: EngineOptions): Promise<void> {
  const [, height, width, channels] = model.inputs[0].shape as number[], rows = options.batch - 1;
  const rng = random(3, "images", what), engine = await compile(model, options);
  try {
    const images = Uint8Array.from(
      { length: rows * height * width * channels },
      () => rng.int(256),
    );
    const labels = Array.from({ length: rows }, () => rng.int(2));
    const near = (part: string, got: ArrayLike<number>, expected: ArrayLike<number>) => {
      const far = difference(got, expected);
      assert.ok(far < 1e-4, `${what}: ${part} differs by ${far}`);
    };
    const x = tf.div(tf.tensor4d(images, [rows, height, width, channels]), 255);
    near("outputs", await engine.predict(images), tf.softmax(forward(model, x)).dataSync());
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const { value, grads } = tf.variableGrads(() =>
      tf.losses.softmaxCrossEntropy(
        tf.oneHot(tf.tensor1d(labels, "int32"), 2),
        forward(model, x, { random: (layer) => random(1, layer), report() {} }),
      ) as tf.Scalar, variables);
    near("loss", [(await engine.step(images, labels)).loss / rows], value.dataSync());
    for (const [i, { originalName }] of model.trainableWeights.entries()) {
      const got = engine.gradients().get(originalName)!.data;
      near(originalName, got, grads[variables[i].name].dataSync());
    }
  } finally {
    await engine.close();
    tf.disposeVariables();
  }
}

Deno.test("the engine computes residual and mobile networks as TensorFlow.js does", async () => {
  await openBackend("cpu");
  const small = { filters: [5, 12], blocks: 2 }, se = { squeezeExcitation: true };
  for (
    const [use, size, options] of [
      ["residual", 16, { ...small, ...se, activation: "swish" }],
      ["residual", 13, { ...small, kernelSize: 5, activation: "leakyRelu" }],
      ["mobile", 16, { ...small, ...se, activation: "gelu" }],
      ["mobile", 11, { ...small, kernelSize: 4 }],
    ] as const
  ) {
    const network = chooseNetwork({ use, ...options } as never, networks, use, { dropout: 0 });
    const model = singleHeadModel(use, network.trunk(size), 2, network.initializer, 1);
    const relaxed = use === "residual";
    await compare(`${use} ${JSON.stringify(options)}`, model, {
      ...{ batch: 6, threads: 2, keepGradients: true, relaxed },
    });
  }
});
