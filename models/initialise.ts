/**
 * Initial weights as Keras draws them, but from the project's own random numbers: the same on every
 * backend and machine, and a stream for each layer, so that a layer more does not change the others.
 *
 * The distributions: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
 * neural networks" (2010), and He et al., "Delving deep into rectifiers" (2015).
 */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { random, type Rng } from "../compute/random.ts";
import { initializers } from "./options.ts";

/** Standard deviation of a normal distribution of deviation 1 that is cut off at ±2. */
const TRUNCATED_DEVIATION = 0.87962566103423978;

/**
 * Draws the kernel of every layer anew, as the layer's initialiser says; biases and the like keep
 * the constants that they were built with.
 * @throws if a layer's initialiser draws random numbers and is none of `initializers`
 */
export function initialise(model: LayersModel, seed: number): void {
  for (const layer of model.layers) {
    const config = layer.getConfig().kernelInitializer as
      | { className: string; config: Record<string, unknown> }
      | undefined;
    if (config === undefined) continue;
    if (["Zeros", "Ones", "Constant", "Identity"].includes(config.className)) continue;
    if (config.className !== "VarianceScaling") {
      throw new Error(
        `Cannot draw the initial weights of layer "${layer.name}": its initialiser is ` +
          `${config.className}. Take one of ${initializers.join(", ")}.`,
      );
    }
    const [kernel, ...rest] = layer.getWeights();
    const values = varianceScaling(
      kernel.shape,
      config.config,
      random(seed, "weights", layer.name),
    );
    tf.tidy(() => layer.setWeights([tf.tensor(values, kernel.shape), ...rest]));
  }
}

/** `shape` ends in inputs, outputs; what comes before (a filter's height and width) multiplies both. */
function varianceScaling(
  shape: number[],
  { scale, mode, distribution }: Record<string, unknown>,
  rng: Rng,
): Float32Array {
  const outputs = shape.at(-1)!;
  const inputs = shape.at(-2)!;
  const taps = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  const fan = taps *
    (mode === "fanIn" ? inputs : mode === "fanOut" ? outputs : (inputs + outputs) / 2);
  const variance = (scale as number) / fan;
  const values = new Float32Array(taps * inputs * outputs);
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
