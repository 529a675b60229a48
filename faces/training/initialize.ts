/**
 * Weight initialization with the distributions of Keras and seeded random numbers: equal on every
 * backend and machine. Each layer has its own stream, so adding a layer does not change the others.
 *
 * The distributions: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
 * neural networks" (2010), and He et al., "Delving deep into rectifiers" (2015).
 */
import * as tf from "@tensorflow/tfjs-core";
import { initializers as ofTfjs, layers, type LayersModel } from "@tensorflow/tfjs-layers";
import { random, type Rng } from "../../packages/random/random.ts";
import { initializers } from "./network_options.ts";

/** Standard deviation of the standard normal distribution truncated at ±2. */
const TRUNCATED_DEVIATION = 0.87962566103423978;

// The default of recurrent layers, whose own code calls what tfjs-core lacks; initialize() refuses it.
Object.getPrototypeOf(ofTfjs.orthogonal({})).apply = tf.zeros;

/** Networks with initialized or trained weights. */
const ready = new WeakSet<LayersModel>();

/**
 * Marks a network's weights as trained, or as initialized reproducibly by other means.
 * @returns the network
 * @example keepWeights(await loadLayersModel("file://pretrained/model.json"))
 */
export function keepWeights(model: LayersModel): LayersModel {
  ready.add(model);
  return model;
}

/** Initializes a network unless initialize() or keepWeights() was called with it. */
export function ensureInitialized(model: LayersModel, seed: number): void {
  if (!ready.has(model)) initialize(model, seed);
}

/**
 * Draws all weights with a random initializer; constant ones, such as biases, are kept. Random numbers
 * depend on the seed and the layer's name.
 * @throws if a random initializer is none of `initializers`
 */
export function initialize(model: LayersModel, seed: number): void {
  const drawn = new Set<unknown>(); // a recurrent layer shares them with its cell
  for (const layer of model.layers.flatMap((layer) => [...partsOf(layer)])) {
    for (const [key, value] of Object.entries(layer.getConfig())) {
      if (!key.endsWith("Initializer") || value == null) continue;
      const { className, config } = value as { className: string; config: Record<string, unknown> };
      if (["Zeros", "Ones", "Constant", "Identity"].includes(className)) continue;
      // Such as recurrentInitializer: recurrent_kernel; embeddingsInitializer: embeddings.
      const part = key.slice(0, -"Initializer".length);
      const weight = layer.weights.find(({ originalName }) =>
        [part, `${part}_kernel`].includes(originalName.split("/").at(-1)!)
      );
      if (weight === undefined || drawn.has(weight)) continue; // for example, without a bias
      drawn.add(weight);
      if (className !== "VarianceScaling") {
        throw new Error(
          `Cannot draw the initial weights of layer "${layer.name}": its ${key} is ${className}. ` +
            `Use one of ${initializers.join(", ")}.`,
        );
      }
      const name = part === "kernel" ? [layer.name] : [layer.name, part];
      const shape = weight.shape as number[];
      const values = varianceScaling(shape, config, random(seed, "weights", ...name));
      tf.tidy(() => void weight.write(tf.tensor(values, shape)));
    }
  }
  ready.add(model);
}

/** Returns a layer and all layers nested in it, such as those of a wrapper or a nested network. */
export function partsOf(layer: layers.Layer, found = new Set<layers.Layer>()): Set<layers.Layer> {
  if (found.has(layer)) return found;
  found.add(layer);
  for (const part of Object.values(layer).flat()) {
    if (part instanceof layers.Layer) partsOf(part, found);
  }
  return found;
}

/** Variance scaling. `shape` ends in [inputs, outputs]; leading axes (receptive field) scale both fans. */
function varianceScaling(
  shape: number[],
  { scale, mode, distribution }: Record<string, unknown>,
  rng: Rng,
): Float32Array {
  const outputs = shape.at(-1)!;
  const inputs = shape.at(-2) ?? outputs;
  const taps = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  const fan = taps *
    (mode === "fanIn" ? inputs : mode === "fanOut" ? outputs : (inputs + outputs) / 2);
  const variance = (scale as number) / fan;
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  if (distribution === "uniform") {
    const limit = Math.sqrt(3 * variance);
    for (let i = 0; i < values.length; i++) values[i] = limit * (2 * rng.next() - 1);
    return values;
  }
  const deviation = Math.sqrt(variance) / TRUNCATED_DEVIATION;
  for (let i = 0; i < values.length; i++) {
    let z = rng.normal();
    while (Math.abs(z) > 2) z = rng.normal();
    values[i] = deviation * z;
  }
  return values;
}
