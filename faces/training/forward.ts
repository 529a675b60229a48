/**
 * A network's forward pass, layer by layer, where training needs other than `model.apply`: dropout
 * masks that depend on epoch and step, batch statistics handed out, and logits instead of
 * probabilities. Works for any LayersModel of tensors in and one tensor out.
 */
import * as tf from "@tensorflow/tfjs-core";
import { layers, type LayersModel, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import type { Rng } from "../../packages/random/random.ts";
import { partsOf } from "./initialize.ts";
import { batchNormTraining, type BatchStatistics } from "./batch_norm.ts";

/** What distinguishes a forward pass in training from one in use. */
export interface TrainingPass {
  /** The random numbers of a layer in this step. */
  random(layer: string): Rng;
  /** Takes the batch's statistics, to be averaged when the step is done. */
  report(layer: layers.Layer, statistics: BatchStatistics): void;
}

/** Layers of tfjs that draw random numbers of their own, which no seed could repeat. */
const unrepeatable = [
  ...["AlphaDropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D"],
  ...["RandomHeight", "RandomWidth"],
];

/**
 * Makes sure that a network can be trained exactly as it stands.
 * @throws if something in it would be passed over or could not be repeated, with the way out
 */
export function checkTrainable(model: LayersModel): void {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new Error(
      `Cannot train "${model.name}": it has ${model.inputs.length} inputs and ` +
        `${model.outputs.length} outputs, and training takes one of each. Join the outputs.`,
    );
  }
  if (model.optimizer !== undefined) {
    throw new Error(
      `Cannot train "${model.name}": it is compiled with an optimizer and a loss, and training ` +
        `takes neither from there. Leave out compile().`,
    );
  }
  if (model.trainableWeights.length === 0) {
    throw new Error(`Cannot train "${model.name}": all its weights are frozen.`);
  }
  for (const layer of model.layers) {
    for (const part of partsOf(layer)) {
      const why = obstacle(part, part !== layer);
      if (why !== undefined) throw new Error(`Cannot train layer "${part.name}": ${why}.`);
    }
  }
}

function obstacle(layer: layers.Layer, within: boolean): string | undefined {
  const className = layer.getClassName(), config = layer.getConfig();
  if (
    (layer.weights.length > 0 || className === "Dropout") &&
    new RegExp(`_${className}\\d+$`).test(layer.name)
  ) {
    return `it has no name of its own, and random numbers by that name would depend on the networks ` +
      `built before. Name it, as in layers.dense({ name: "dense1", units: 8 })`;
  }
  if (unrepeatable.includes(className)) {
    return `the random numbers of ${className} cannot be repeated. Use Dropout`;
  }
  if (layer instanceof layers.RNNCell && (config.dropout || config.recurrentDropout)) {
    return "the random numbers of its dropout cannot be repeated. Put a Dropout before or after it";
  }
  if (layer.stateful) return "it is stateful, and batches are shuffled. Leave out stateful";
  if (className === "Dropout" && config.seed != null) {
    return "its seed is not used: masks stem from the stage's. Leave out seed";
  }
  if (
    within && (className === "Dropout" || className === "BatchNormalization") && layer.trainable
  ) {
    return "within another layer, it would do nothing in training. Put it into the network itself";
  }
}

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

/** Whether a layer makes probabilities of logits along the last axis, and does nothing else. */
export function isSoftmax(layer: layers.Layer): boolean {
  if (layer.getClassName() === "Softmax") {
    const { rank } = layer.inboundNodes[0].inputTensors[0];
    return [-1, rank - 1].includes(layer.getConfig().axis as number);
  }
  return (layer.getClassName() === "Activation" && layer.getConfig().activation === "softmax");
}

function applyLayer(layer: layers.Layer, inputs: tf.Tensor[], pass?: TrainingPass): tf.Tensor {
  const [x] = inputs;
  const className = layer.getClassName();
  if (pass !== undefined) {
    if (className === "Dropout") {
      const { rate, noiseShape } = layer.getConfig();
      const shape = noiseShape as (number | null)[] | undefined ?? x.shape;
      return dropout(
        x,
        rate as number,
        shape.map((size, axis) => size ?? x.shape[axis]),
        pass.random(layer.name),
      );
    }
    // As in Keras, a frozen one normalises as in use.
    if (className === "BatchNormalization" && layer.trainable) {
      const { epsilon, axis, center, scale } = layer.getConfig();
      if (!center || !scale || (axis !== -1 && axis !== x.rank - 1)) {
        throw new Error(
          `Cannot train layer "${layer.name}": batch normalisation is written for the last axis, ` +
            `with center and scale.`,
        );
      }
      const [gamma, beta] = normWeights(layer).map((weight) => weight.read() as tf.Tensor1D);
      return batchNormTraining(
        x,
        gamma,
        beta,
        epsilon as number,
        (statistics) => pass.report(layer, statistics),
      );
    }
  }
  const value = inputs.length === 1 ? x : inputs;
  const training = pass !== undefined && className !== "BatchNormalization";
  return layer.apply(value, training ? { training } : undefined) as tf.Tensor;
}

/** Gamma, beta, moving mean and moving variance of batch normalisation, frozen or not. */
export function normWeights(layer: layers.Layer): layers.Layer["weights"] {
  return ["gamma", "beta", "moving_mean", "moving_variance"].map((name) =>
    layer.weights.find(({ originalName }) => originalName.endsWith(`/${name}`))!
  );
}

/**
 * Drops each value with probability `rate` and scales the others up, so that the mean stays. Along
 * axes where `shape` is 1, all are dropped or none.
 */
function dropout(x: tf.Tensor, rate: number, shape: number[], rng: Rng): tf.Tensor {
  if (rate === 0) return x;
  const kept = 1 / (1 - rate);
  const mask = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < mask.length; i++) mask[i] = rng.next() < rate ? 0 : kept;
  return tf.mul(x, tf.tensor(mask, shape));
}
