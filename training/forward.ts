/**
 * A network's forward pass, layer by layer, where training needs other than `model.apply`: dropout
 * masks that depend on epoch and step, batch statistics handed out, and logits instead of
 * probabilities. Works for any LayersModel of tensors in and one tensor out.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel, SymbolicTensor } from "@tensorflow/tfjs-layers";
import type { Rng } from "../compute/random.ts";
import { batchNormTraining, type BatchStatistics } from "./batchNorm.ts";

/** What distinguishes a forward pass in training from one in use. */
export interface TrainingPass {
  /** The random numbers of a layer in this step. */
  random(layer: string): Rng;
  /** Takes the batch's statistics, to be averaged when the step is done. */
  report(layer: layers.Layer, statistics: BatchStatistics): void;
}

/** Layers of tfjs that draw random numbers of their own, which no seed could repeat. */
const unrepeatable = ["AlphaDropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D"];

/**
 * [batch, ...] → what comes out before a last softmax: logits, or the model's output if it has none.
 * In training (`pass` given), batch normalisation uses the batch and dropout drops.
 */
export function forward(model: LayersModel, x: tf.Tensor, pass?: TrainingPass): tf.Tensor {
  const values = new Map<number, tf.Tensor>([[model.inputs[0].id, x]]);
  const valueOf = (symbol: SymbolicTensor): tf.Tensor => {
    const known = values.get(symbol.id);
    if (known !== undefined) return known;
    const layer = symbol.sourceLayer;
    const inputs = layer.inboundNodes[symbol.nodeIndex].inputTensors.map(valueOf);
    const value = applyLayer(layer, inputs, pass);
    values.set(symbol.id, value);
    return value;
  };
  const [output] = model.outputs;
  const last = output.sourceLayer;
  if (!endsInSoftmax(model)) {
    if (last.getConfig().activation === "softmax") {
      throw new Error(
        `Cannot train "${model.name}": the softmax of its last layer, "${last.name}", must be a ` +
          `layer of its own. Write layers.activation({ activation: "softmax" }) after it.`,
      );
    }
    return valueOf(output);
  }
  return valueOf(last.inboundNodes[output.nodeIndex].inputTensors[0]);
}

/** Whether the model's output are probabilities, of which `forward` returns the logits. */
export function endsInSoftmax(model: LayersModel): boolean {
  return isSoftmax(model.outputs[0].sourceLayer);
}

/** Whether a layer makes probabilities of logits, and does nothing else. */
export function isSoftmax(layer: layers.Layer): boolean {
  return layer.getClassName() === "Softmax" ||
    (layer.getClassName() === "Activation" && layer.getConfig().activation === "softmax");
}

function applyLayer(layer: layers.Layer, inputs: tf.Tensor[], pass?: TrainingPass): tf.Tensor {
  const [x] = inputs;
  const className = layer.getClassName();
  if (pass !== undefined) {
    if (className === "Dropout") {
      return dropout(x, layer.getConfig().rate as number, pass.random(layer.name));
    }
    if (className === "BatchNormalization") {
      const { epsilon, axis, center, scale } = layer.getConfig();
      if (!center || !scale || (axis !== -1 && axis !== x.rank - 1)) {
        throw new Error(
          `Cannot train layer "${layer.name}": batch normalisation is written for the last axis, ` +
            `with center and scale.`,
        );
      }
      const [gamma, beta] = layer.trainableWeights.map((weight) => weight.read() as tf.Tensor1D);
      return batchNormTraining(
        x,
        gamma,
        beta,
        epsilon as number,
        (statistics) => pass.report(layer, statistics),
      );
    }
    if (unrepeatable.includes(className)) {
      throw new Error(
        `Cannot train layer "${layer.name}": the random numbers of ${className} cannot be ` +
          `repeated. Use Dropout.`,
      );
    }
  }
  return layer.apply(inputs.length === 1 ? x : inputs) as tf.Tensor;
}

/** Drops each value with probability `rate` and scales the others up, so that the mean stays. */
function dropout(x: tf.Tensor, rate: number, rng: Rng): tf.Tensor {
  if (rate === 0) return x;
  const kept = 1 / (1 - rate);
  const mask = new Float32Array(x.size);
  for (let i = 0; i < mask.length; i++) mask[i] = rng.next() < rate ? 0 : kept;
  return tf.mul(x, tf.tensor(mask, x.shape));
}
