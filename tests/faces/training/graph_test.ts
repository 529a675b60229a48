/** Networks of any layers on the engine, against TensorFlow.js on `cpu`. */
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import {
  dropoutMask,
  Engine,
  type EngineOptions,
  type Network,
} from "../../../packages/engine/engine.ts";
import { random, type Rng } from "../../../packages/random/random.ts";
import { chooseNetwork, singleHeadModel } from "../../../faces/training/build_network.ts";
import { forward } from "../../../faces/training/forward.ts";
import { toEngineNetwork } from "../../../faces/training/to_engine_network.ts";
import { initialize } from "../../../faces/training/initialize.ts";
import { Optimizer } from "../../../faces/training/optimizer.ts";
import { optimizers } from "../../../faces/training/optimizers.ts";
import { networks } from "../../../models/mod.ts";
import { drawModel } from "./drawn_models.ts";

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

const key = [5, 7] as const;

/** Draws the engine's dropout masks, in place of random numbers. */
function masks({ layers }: Network, model: LayersModel): (layer: string) => Rng {
  const places = layers.flatMap(({ kind }, n) => kind === "dropout" ? [n] : []);
  const names = model.layers.filter((layer) => layer.getClassName() === "Dropout")
    .map(({ name }) => name);
  return (name) => {
    const place = places[names.indexOf(name)], { rate } = layers[place] as { rate: number };
    const mask = dropoutMask(key, place, rate, 1, 60000);
    let n = 0;
    return { next: () => mask[n++] } as Rng;
  };
}

/** Compares outputs, loss and all gradients of a network with two classes, then some steps. */
async function compare(
  what: string,
  model: LayersModel,
  options: EngineOptions,
  steps = 1,
): Promise<void> {
  const [, height, width, channels] = model.inputs[0].shape as number[], rows = options.batch - 1;
  const network = toEngineNetwork(model, "categoricalCrossentropy");
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
    const definition = optimizers.find(({ name }) => name === (options.optimizer ?? "adam"))!;
    const own = { momentum: 0.9, nesterov: true, rho: 0.9 };
    const reference = new Optimizer(variables, engine.learningRate, { definition, options: own });
    const drawn = masks(network, model);
    /** Elements whose gradient is no rounding error in any step. */
    const firm = variables.map(({ size }) => new Uint8Array(size).fill(1));
    for (let step = 1; step <= steps; step++) {
      const { value, grads } = tf.variableGrads(() =>
        tf.losses.softmaxCrossEntropy(
          tf.oneHot(tf.tensor1d(labels, "int32"), 2),
          forward(model, x, { random: drawn, report() {} }),
        ) as tf.Scalar, variables);
      const { loss } = await engine.step(images, labels, key);
      near(`loss of step ${step}`, [loss / rows], value.dataSync());
      const gradients = engine.gradients();
      for (const [i, { originalName }] of model.trainableWeights.entries()) {
        const expected = grads[variables[i].name].dataSync();
        if (step === 1) near(originalName, gradients.get(originalName)!.data, expected);
        for (const [n, g] of expected.entries()) if (Math.abs(g) < 1e-3) firm[i][n] = 0;
      }
      reference.step(variables.map(({ name }) => grads[name]));
    }
    for (const [i, { originalName }] of model.trainableWeights.entries()) {
      const keep = (values: ArrayLike<number>) => Array.from(values).filter((_, n) => firm[i][n]);
      const got = engine.weights().get(originalName)!.data;
      near(`${originalName} after ${steps} steps`, keep(got), keep(variables[i].dataSync()));
    }
  } finally {
    await engine.close();
    tf.disposeVariables();
  }
}

/** More where the environment says so. */
const COUNT = Number(Deno.env.get("DRAWN_NETWORKS") ?? 30);

Deno.test(`the engine trains ${COUNT} drawn networks as TensorFlow.js does`, async () => {
  await openBackend("cpu");
  for (let n = 0; n < COUNT; n++) {
    const rng = random(21, "network", n), model = drawModel(rng, `drawn${n}`);
    initialize(model, n);
    const optimizer = (["adam", "sgd", "rmsprop"] as const)[n % 3];
    await compare(`network ${n}`, model, {
      ...{ batch: 5 + rng.int(6), threads: 1 + n % 3, relaxed: n % 4 > 0, keepGradients: true },
      ...{ optimizer, momentum: 0.9, nesterov: true, rho: 0.9, learningRate: 0.001 },
    }, 3);
  }
});

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
