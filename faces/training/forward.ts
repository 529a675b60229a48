/**
 * Forward pass of a network, layer by layer. Unlike `model.apply`, it draws dropout masks by epoch and
 * step, passes batch statistics on, and returns logits. Works for any LayersModel with one output.
 */
import * as tf from "@tensorflow/tfjs-core";
import { layers, type LayersModel, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import type { Rng } from "../../packages/random/random.ts";
import { partsOf } from "./initialize.ts";

/** Options of a forward pass in training mode. */
export interface TrainingPass {
  /** Returns the random numbers of a layer in this step. */
  random(layer: string): Rng;
  /** Receives the batch statistics, for the moving averages. */
  report(layer: layers.Layer, statistics: BatchStatistics): void;
}

/** Layers of tfjs with random numbers that cannot be seeded. */
const unseedable = [
  ...["AlphaDropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D"],
  ...["RandomHeight", "RandomWidth"],
];

/**
 * Checks that a network can be trained as it is.
 * @throws if part of it would be ignored or would not be reproducible
 */
export function checkTrainable(model: LayersModel): void {
  const cannot = (why: string) => new Error(`Cannot train the network: ${why}`);
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    const has = `${model.inputs.length} inputs and ${model.outputs.length} outputs`;
    throw cannot(`it has ${has}; training needs one of each. Concatenate the outputs.`);
  }
  if (model.optimizer !== undefined) {
    const ignored = "training ignores the optimizer and loss of compile()";
    throw cannot(`it is compiled, but ${ignored}. Remove that call.`);
  }
  if (model.trainableWeights.length === 0) {
    throw cannot("all its weights are frozen. Name fewer layers in init.freeze.");
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
  const drawn = layer.weights.length > 0 || className === "Dropout";
  if (drawn && new RegExp(`_${className}\\d+$`).test(layer.name)) {
    return `its name is generated and depends on the networks built before, so its random numbers would ` +
      `not be reproducible. Name it, as in layers.dense({ name: "dense1", units: 8 })`;
  }
  if (unseedable.includes(className)) {
    return `the random numbers of ${className} cannot be seeded. Use Dropout`;
  }
  if (layer instanceof layers.RNNCell && (config.dropout || config.recurrentDropout)) {
    return "the random numbers of its dropout cannot be seeded. Put a Dropout before or after it";
  }
  if (layer.stateful) return "it is stateful, but batches are shuffled. Remove stateful";
  if (className === "Dropout" && config.seed != null) {
    return "its seed is ignored: masks depend on the seed of the stage. Remove seed";
  }
  if (within && /^(Dropout|BatchNormalization)$/.test(className) && layer.trainable) {
    return "nested in another layer, it would have no effect in training. Move it to the network itself";
  }
}

/**
 * Computes the outputs of [batch, ...]: logits if the model ends in a softmax, else its outputs. With
 * `pass`, in training mode: batch normalization uses batch statistics, and dropout is active.
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
  const [output] = model.outputs, last = output.sourceLayer;
  if (isSoftmax(last)) return valueOf(last.inboundNodes[output.nodeIndex].inputTensors[0]);
  if (last.getConfig().activation !== "softmax") return valueOf(output);
  throw new Error(
    `Cannot train the network: the softmax of its last layer, "${last.name}", must be a ` +
      `separate layer. Use layers.activation({ activation: "softmax" }) after it.`,
  );
}

/** Returns true for a softmax layer over the last axis. */
export function isSoftmax(layer: layers.Layer): boolean {
  const { axis, activation } = layer.getConfig();
  if (layer.getClassName() === "Softmax") return isLast(layer, axis);
  return layer.getClassName() === "Activation" && activation === "softmax";
}

/** Returns true if an option of a layer is the last axis of its input alone. */
export function isLast(layer: layers.Layer, axis: unknown): boolean {
  const axes = [axis].flat(), { rank } = layer.inboundNodes[0].inputTensors[0];
  return axes.length === 1 && [-1, rank - 1].includes(axes[0] as number);
}

function applyLayer(layer: layers.Layer, inputs: tf.Tensor[], pass?: TrainingPass): tf.Tensor {
  const [x] = inputs, value = inputs.length === 1 ? x : inputs;
  if (pass === undefined) return layer.apply(value) as tf.Tensor;
  const className = layer.getClassName(), config = layer.getConfig();
  const epsilon = config.epsilon as number;
  if (className === "Dropout") {
    const shape = config.noiseShape as (number | null)[] | undefined ?? x.shape;
    const whole = shape.map((size, axis) => size ?? x.shape[axis]);
    return dropout(x, config.rate as number, whole, pass.random(layer.name));
  }
  // As in Keras, a frozen layer uses its moving averages.
  if (className === "BatchNormalization" && layer.trainable) {
    if (!config.center || !config.scale || !isLast(layer, config.axis)) {
      throw new Error(
        `Cannot train layer "${layer.name}": batch normalization supports only the last axis, ` +
          `with center and scale.`,
      );
    }
    const [gamma, beta] = normWeights(layer).map((weight) => weight.read() as tf.Tensor1D);
    return batchNormTraining(x, gamma, beta, epsilon, (batch) => pass.report(layer, batch));
  }
  const plain = className === "LayerNormalization" && layer.weights.length === 2;
  if (plain && isLast(layer, config.axis)) {
    const [gamma, beta] = layer.weights.map((weight) => weight.read() as tf.Tensor1D);
    return layerNormTraining(x, gamma, beta, epsilon);
  }
  if (className === "AveragePooling2D" && config.padding === "same") {
    const { poolSize, strides } = config as Record<string, [number, number]>;
    return averagePoolTraining(x as tf.Tensor4D, poolSize, strides);
  }
  const training = className !== "BatchNormalization";
  return layer.apply(value, training ? { training } : undefined) as tf.Tensor;
}

/** Returns gamma, beta, moving mean and moving variance of batch normalization, frozen or not. */
export function normWeights(layer: layers.Layer): layers.Layer["weights"] {
  return ["gamma", "beta", "moving_mean", "moving_variance"].map((name) =>
    layer.weights.find(({ originalName }) => originalName.endsWith(`/${name}`))!
  );
}

/**
 * Inverted dropout: drops each value with probability `rate` and scales the others by
 * 1 / (1 - rate). Along axes where `shape` is 1, the mask is shared.
 */
function dropout(x: tf.Tensor, rate: number, shape: number[], rng: Rng): tf.Tensor {
  if (rate === 0) return x;
  const kept = 1 / (1 - rate);
  const mask = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < mask.length; i++) mask[i] = rng.next() < rate ? 0 : kept;
  return tf.mul(x, tf.tensor(mask, shape));
}

/**
 * Averages over windows with padding "same": the means of padded images, divided by those of ones. At
 * borders, TensorFlow.js divides by the pixels inside, but the gradient by the whole window.
 */
function averagePoolTraining(x: tf.Tensor4D, size: [number, number], strides: [number, number]) {
  const { padInfo } = tf.backend_util.computePool2DInfo(x.shape, size, strides, 1, "same");
  const { top, bottom, left, right } = padInfo;
  if (top + bottom + left + right === 0) return tf.avgPool(x, size, strides, "same");
  const pads: [number, number][] = [[0, 0], [top, bottom], [left, right], [0, 0]];
  const meansOf = (images: tf.Tensor4D) => tf.avgPool(tf.pad(images, pads), size, strides, "valid");
  return tf.div(meansOf(x), meansOf(tf.ones([1, x.shape[1], x.shape[2], 1])));
}

/** Statistics of a batch by channel. The caller disposes of them. */
export interface BatchStatistics {
  mean: tf.Tensor1D;
  /** Biased variance (divided by n), as in the moving average of Keras. */
  variance: tf.Tensor1D;
}

/**
 * Scales and shifts normalized values, in few operations, fast on every backend. (The gradient derived
 * by tfjs tiles the statistics to full size several times.)
 * @param normalize returns the normalized values, and the inverse of their deviation before
 * @param slope returns the gradient of `x`
 */
function normed(
  [x, gamma, beta]: [x: tf.Tensor, gamma: tf.Tensor1D, beta: tf.Tensor1D], // gamma, beta: [channels]
  normalize: (x: tf.Tensor) => [normalized: tf.Tensor, inverse: tf.Tensor],
  slope: (
    dy: tf.Tensor,
    saved: { normalized: tf.Tensor; inverse: tf.Tensor; gamma: tf.Tensor },
    sums: { dBeta: tf.Tensor; dGamma: tf.Tensor },
  ) => tf.Tensor,
): tf.Tensor {
  const operation = tf.customGrad((...given) => {
    const [x, gamma, beta] = given as tf.Tensor[], save = given[3] as tf.GradSaveFunc;
    const [normalized, inverse] = normalize(x);
    save([normalized, inverse, gamma]);
    const gradFunc = (dy: tf.Tensor, [normalized, inverse, gamma]: tf.Tensor[]) => {
      const dBeta = sumOverBatch(dy), dGamma = sumOverBatch(tf.mul(dy, normalized));
      return [slope(dy, { normalized, inverse, gamma }, { dBeta, dGamma }), dGamma, dBeta];
    };
    return { value: tf.add(tf.mul(normalized, gamma), beta), gradFunc };
  });
  return operation(x, gamma, beta);
}

/**
 * Normalizes each channel (the last axis) of `x` over the batch, then scales and shifts it. Passes the
 * statistics of the batch to `report`. Ioffe and Szegedy, "Batch normalization" (2015).
 */
export function batchNormTraining(
  x: tf.Tensor,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
  report: (statistics: BatchStatistics) => void,
): tf.Tensor {
  const count = x.size / gamma.size; // values per channel
  return normed([x, gamma, beta], (x) => {
    const mean = tf.div(sumOverBatch(x), count) as tf.Tensor1D, centered = tf.sub(x, mean);
    const variance = tf.div(sumOverBatch(tf.square(centered)), count) as tf.Tensor1D;
    report({ mean: tf.keep(mean), variance: tf.keep(variance) });
    const inverse = tf.rsqrt(tf.add(variance, epsilon)); // [channels]
    return [tf.mul(centered, inverse), inverse];
  }, (dy, { normalized, inverse, gamma }, { dBeta, dGamma }) => {
    const scale = tf.mul(gamma, inverse);
    // scale · (dy - mean(dy) - normalized · mean(dy · normalized))
    return tf.sub(
      tf.mul(tf.sub(dy, tf.div(dBeta, count)), scale),
      tf.mul(normalized, tf.mul(scale, tf.div(dGamma, count))),
    );
  });
}

/**
 * Normalizes the channels of each position of `x`, then scales and shifts them. Ba et al., "Layer
 * normalization" (2016).
 */
function layerNormTraining(x: tf.Tensor, gamma: tf.Tensor1D, beta: tf.Tensor1D, epsilon: number) {
  const mean = (x: tf.Tensor) => tf.mean(x, -1, true);
  return normed([x, gamma, beta], (x) => {
    const centered = tf.sub(x, mean(x));
    const inverse = tf.rsqrt(tf.add(mean(tf.square(centered)), epsilon));
    return [tf.mul(centered, inverse), inverse];
  }, (dy, { normalized, inverse, gamma }) => {
    const scaled = tf.mul(dy, gamma);
    const along = tf.mul(normalized, mean(tf.mul(scaled, normalized)));
    return tf.mul(tf.sub(tf.sub(scaled, mean(scaled)), along), inverse);
  });
}

/** Sums [batch, ..., channels] to [channels]. */
function sumOverBatch(x: tf.Tensor): tf.Tensor {
  return tf.sum(x, x.shape.slice(0, -1).map((_, axis) => axis));
}
