/**
 * Networks with several heads: while they learn, all heads are columns of one dense layer, "heads".
 * In use each is a network of its own, with a copy of the layers that all share.
 */
import * as tf from "@tensorflow/tfjs-core";
import { layers, type LayersModel, sequential } from "@tensorflow/tfjs-layers";
import { initialise } from "./initialise.ts";
import { ageBins, type Initializer } from "./options.ts";

/** The layers that all heads share, built anew at each call. */
export type Trunk = () => layers.Layer[];

/** Which columns of "heads" are a head's, and what becomes of them. */
export interface HeadPlace {
  name: string;
  start: number;
  columns: number;
  /** Probabilities of classes, a quantity as it is, or the mean of a distribution over ages. */
  reading: "classes" | "quantity" | "distribution";
}

/** An uncompiled network: [batch, size, size, 3], 0 to 1 → [batch, columns], logits and quantities. */
export function withHeads(
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
  initialise(model, seed);
  return model;
}

/**
 * One head of a trained network as a network of its own, which gives probabilities or years.
 * @param trained as `withHeads` made it, of the same trunk
 */
export function headOf(
  trained: LayersModel,
  trunk: Trunk,
  { name, start, columns, reading }: HeadPlace,
): LayersModel {
  const model = sequential({
    name: `${trained.name}-${name}`,
    layers: [
      ...trunk(),
      layers.dense({ name, units: columns }),
      ...(reading === "quantity"
        ? []
        : [layers.activation({ name: "probabilities", activation: "softmax" })]),
      ...(reading === "distribution"
        ? [layers.dense({ name: "mean", units: 1, useBias: false, trainable: false })]
        : []),
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
      } else if (layer.name === "mean") {
        layer.setWeights([tf.tensor2d([...ageBins], [columns, 1])]);
      } else if (layer.weights.length > 0) {
        layer.setWeights(trained.getLayer(layer.name).getWeights());
      }
    }
  });
  return model;
}
