/**
 * Multi-head networks. In training, all heads are columns of one dense layer, "heads". For inference,
 * each head becomes a separate network with a copy of the trunk.
 */
import * as tf from "@tensorflow/tfjs-core";
import { layers, type LayersModel, sequential } from "@tensorflow/tfjs-layers";
import { initialize } from "./initialize.ts";
import { ageBins, type AgeEstimator, ageReadings, type Initializer } from "./network_options.ts";

/** Builds the layers shared by all heads; each call returns new ones. */
export type Trunk = () => layers.Layer[];

/** The columns of a head in the layer "heads", and their interpretation. */
export interface HeadSlice {
  name: string;
  start: number;
  columns: number;
  /** Class probabilities, a quantity, or the estimator of a distribution over ages. */
  reading: "classes" | "quantity" | AgeEstimator;
}

/** Builds an uncompiled network: [batch, size, size, 3], 0 to 1, to [batch, columns] of logits. */
export function multiHeadModel(
  name: string,
  trunk: Trunk,
  columns: number,
  initializer: Initializer,
  seed: number,
): LayersModel {
  const model = sequential({
    name,
    layers: [
      ...trunk(),
      layers.dense({ name: "heads", units: columns, kernelInitializer: initializer }),
    ],
  });
  initialize(model, seed);
  return model;
}

/**
 * Extracts one head of a trained network as a separate network that outputs probabilities or years.
 * @param trained network built by `multiHeadModel` with the same trunk
 */
export function extractHead(
  trained: LayersModel,
  trunk: Trunk,
  { name, start, columns, reading }: HeadSlice,
): LayersModel {
  const model = sequential({
    name: `${trained.name}-${name}`,
    layers: [
      ...trunk(),
      layers.dense({ name, units: columns }),
      ...(reading === "quantity"
        ? []
        : [layers.activation({ name: "probabilities", activation: "softmax" })]),
      ...(reading === "mean" || reading === "median" ? readAge() : []),
    ],
  });
  tf.tidy(() => {
    for (const layer of model.layers) {
      if (layer.name === name) {
        const [kernel, bias] = trained.getLayer("heads").getWeights();
        const inputs = kernel.shape[0];
        layer.setWeights([
          tf.slice(kernel, [0, start], [inputs, columns]),
          tf.slice(bias, [start], [columns]),
        ]);
      } else if (layer.name === "older") {
        layer.setWeights(olderWeights(ageReadings[reading as AgeEstimator]));
      } else if (layer.name === "years") {
        const [first, second] = ageBins;
        const step = tf.fill([columns - 1, 1], second - first);
        layer.setWeights([step, tf.tensor1d([first])]);
      } else if (layer.weights.length > 0) {
        layer.setWeights(trained.getLayer(layer.name).getWeights());
      }
    }
  });
  return model;
}

/**
 * Layers that estimate the age from a distribution, [batch, bins] to [batch, 1], with fixed weights.
 * The mean of a distribution is its first bin's age plus, for each bin, the step to the next bin times
 * the probability p of being older. Trimming a share at either end replaces p by
 * (p - share) / (1 - 2 share), clipped to [0, 1].
 */
function readAge(): layers.Layer[] {
  return [
    layers.dense({ name: "older", units: ageBins.length - 1, trainable: false }),
    layers.reLU({ name: "within", maxValue: 1 }),
    layers.dense({ name: "years", units: 1, trainable: false }),
  ];
}

function olderWeights(share: number): tf.Tensor[] {
  const bins = ageBins.length, middle = 1 - 2 * share;
  const kernel = tf.buffer([bins, bins - 1], "float32");
  for (let bin = 0; bin < bins; bin++) {
    for (let than = 0; than < bin; than++) kernel.set(1 / middle, bin, than);
  }
  return [kernel.toTensor(), tf.fill([bins - 1], -share / middle)];
}
