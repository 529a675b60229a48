/** Comparison of networks on the engine with TensorFlow.js on `cpu`. */
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { Engine, type EngineOptions, type Network } from "../../../packages/engine/engine.ts";
import { dropoutMask } from "../../packages/engine/dropout_mask.ts";
import { random, type Rng } from "../../../packages/random/random.ts";
import { forward } from "../../../faces/training/forward.ts";
import { initialize } from "../../../faces/training/initialize.ts";
import { Optimizer } from "../../../faces/training/optimizer.ts";
import { optimizers } from "../../../faces/training/optimizers.ts";
import { toEngineNetwork } from "../../../faces/training/to_engine_network.ts";
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

export async function compile(model: LayersModel, options: EngineOptions): Promise<Engine> {
  const engine = await Engine.compile(toEngineNetwork(model, "categoricalCrossentropy"), options);
  engine.setWeights(
    new Map(model.weights.map((weight) => [weight.originalName, {
      shape: weight.shape as number[],
      data: weight.read().dataSync() as Float32Array,
    }])),
  );
  return engine;
}

export const KEY = [5, 7] as const;

/** Draws the engine's dropout masks, in place of random numbers. */
function masks({ layers }: Network, model: LayersModel): (layer: string) => Rng {
  const places = layers.flatMap(({ kind }, n) => kind === "dropout" ? [n] : []);
  const names = model.layers.filter((layer) => layer.getClassName() === "Dropout")
    .map(({ name }) => name);
  return (name) => {
    const place = places[names.indexOf(name)], { rate } = layers[place] as { rate: number };
    const mask = dropoutMask(KEY, place, rate, 1, 60000);
    let n = 0;
    return { next: () => mask[n++] } as Rng;
  };
}

/** Compares outputs, loss and all gradients of a network with two classes, then some steps. */
export async function compare(
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
    const near = (
      part: string,
      got: ArrayLike<number>,
      expected: ArrayLike<number>,
      noise = 0,
    ) => {
      const far = difference(got, expected);
      assert.ok(far < Math.max(1e-4, noise), `${what}: ${part} differs by ${far}`);
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
    const losses = (x: tf.Tensor) =>
      tf.variableGrads(() =>
        tf.losses.softmaxCrossEntropy(
          tf.oneHot(tf.tensor1d(labels, "int32"), 2),
          forward(model, x, { random: drawn, report() {} }),
        ) as tf.Scalar, variables);
    const rounded = () => {
      const { grads } = losses(tf.mul(x, 1 + 2e-7));
      return variables.map(({ name }) => grads[name].dataSync());
    };
    for (let step = 1; step <= steps; step++) {
      const { value, grads } = losses(x);
      const { loss } = await engine.step(images, labels, KEY);
      near(`loss of step ${step}`, [loss / rows], value.dataSync());
      const gradients = engine.gradients();
      for (const [i, { originalName }] of model.trainableWeights.entries()) {
        const expected = grads[variables[i].name].dataSync();
        const got = gradients.get(originalName)!.data;
        // At a kink, rounding decides. What the last bits of the images decide is not compared.
        if (step === 1 && difference(got, expected) > 1e-4) {
          near(originalName, got, expected, 10 * difference(rounded()[i], expected));
        }
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

/** Compares drawn networks, each with one of the optimizers, over three steps. */
export async function compareDrawn(from: number, to: number): Promise<void> {
  await openBackend("cpu");
  for (let n = from; n < to; n++) {
    const rng = random(21, "network", n), model = drawModel(rng, `drawn${n}`);
    initialize(model, n);
    const optimizer = (["adam", "sgd", "rmsprop"] as const)[n % 3];
    await compare(`network ${n}`, model, {
      batch: 5 + rng.int(6),
      threads: 1 + n % 3,
      relaxed: n % 4 > 0,
      keepGradients: true,
      optimizer,
      momentum: 0.9,
      nesterov: true,
      rho: 0.9,
      learningRate: 0.001,
    }, 3);
  }
}
