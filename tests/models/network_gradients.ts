/** Networks of `models/`, built for small images, and their gradients on two backends. */
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { chooseNetwork, singleHeadModel } from "../../faces/training/build_network.ts";
import { checkTrainable, forward } from "../../faces/training/forward.ts";
import { networks } from "../../models/mod.ts";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Choice } from "../../packages/pipeline/define.ts";
import { random } from "../../packages/random/random.ts";

export function build(network: Choice, size = 16): LayersModel {
  const { name, trunk, initializer } = chooseNetwork(network, networks, "", {});
  return singleHeadModel(name, trunk(size), 2, initializer, 1);
}

/** Checks that the network can be trained, with the gradients of the cpu backend on wasm. */
export async function compareGradients(network: Choice): Promise<void> {
  const what = JSON.stringify(network);
  const gradientsOn = async (backend: "wasm" | "cpu") => {
    await openBackend(backend);
    const model = build(network);
    checkTrainable(model);
    const rng = random(2, "images");
    const pixels = Float32Array.from({ length: 2 * 16 * 16 * 3 }, () => rng.next());
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const gradients = tf.tidy(() => {
      const { grads } = tf.variableGrads(() => {
        const statistics: tf.Tensor[] = [];
        const output = forward(model, tf.tensor4d(pixels, [2, 16, 16, 3]), {
          random: (layer) => random(3, layer),
          report: (_, { mean, variance }) => void statistics.push(mean, variance),
        });
        tf.dispose(statistics);
        return tf.mean(tf.square(output)) as tf.Scalar;
      }, variables);
      return variables.map(({ name }) => [...grads[name].dataSync()]);
    });
    model.dispose();
    return gradients;
  };
  const [ours, theirs] = [await gradientsOn("wasm"), await gradientsOn("cpu")];
  const largest = theirs.flat().reduce((max, x) => Math.max(max, Math.abs(x)), 1e-6);
  for (const [i, expected] of theirs.entries()) {
    const far = expected.findIndex((value, j) => !(Math.abs(ours[i][j] - value) <= 2e-3 * largest));
    assert.ok(far === -1, `${what}: ${ours[i][far]} ${expected[far]}`);
  }
}
