/**
 * Networks: the trunk that a definition builds, and heads for the tasks. In training, several heads are
 * columns of one dense layer, "heads". For inference, each becomes a separate network with a copy of
 * the trunk.
 */
import * as tf from "@tensorflow/tfjs-core";
import * as tfjs from "@tensorflow/tfjs-layers";
import { layers, type LayersModel, model, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { type Choice, chosen } from "../../packages/pipeline/define.ts";
import { quote } from "../../packages/pipeline/errors.ts";
import type { Head, NetworkDefinition, NetworkOptions } from "./training_definitions.ts";
import { initialize } from "./initialize.ts";
import { ageBins, type AgeEstimator, ageReadings, type Initializer } from "./network_options.ts";

/**
 * Builds the layers before the heads; each call returns new ones: a sequence, or a graph from images
 * to features, [batch, n].
 */
export type Trunk = () => layers.Layer[] | { image: SymbolicTensor; features: SymbolicTensor };

export interface ChosenNetwork {
  /** Name in YAML. */
  readonly use: string;
  /** Name of the model, which is stored. */
  readonly name: string;
  trunk(size: number): Trunk;
  /** Initial weights of heads. */
  readonly initializer: Initializer;
}

/**
 * Returns the network that a parameter names.
 * @param options the stage's parameters; options of the network precede them
 */
export function chooseNetwork(
  written: Choice | undefined,
  definitions: readonly NetworkDefinition[],
  fallback: string,
  { heads = 1, ...options }: Partial<NetworkOptions> & { heads?: number },
): ChosenNetwork {
  const { definition, options: own } = chosen(written, definitions, fallback);
  const { trunk: heNormal, heads: glorotUniform } = definition.initializers ??
    { trunk: "heNormal", heads: "glorotUniform" };
  const all = { dropout: 0.25, batchNormMomentum: 0.99, ...defined(options), ...defined(own) };
  const initializer = all.initializer ?? heNormal;
  return {
    use: definition.name,
    name: definition.modelName?.(heads) ?? definition.name,
    trunk: (size) => () => {
      const image = tfjs.input({ shape: [size, size, 3], name: "image" });
      let body: ReturnType<NetworkDefinition["trunk"]>;
      try {
        body = definition.trunk({ ...all, initializer, size } as never, tfjs, image);
      } finally {
        refuseEmpty(definition.name, image.sourceLayer); // it may be the cause of another error
      }
      if (body instanceof SymbolicTensor) return { image, features: body };
      const isLayer = (one: unknown) => one instanceof layers.Layer;
      if (!Array.isArray(body) || body.length === 0 || !body.every(isLayer)) {
        const shown = Array.isArray(body) ? body.map((one) => isLayer(one) ? one.name : one) : body;
        throw new Error(
          `Cannot build the network "${definition.name}": its trunk() returns ${quote(shown)}. ` +
            "Return layers, or the output computed from image.",
        );
      }
      const [first] = body, channels = first.batchInputShape?.at(-1) ?? 3;
      if (channels !== 3) {
        throw new Error(
          `Cannot build the network "${definition.name}": its first layer "${first.name}" has an ` +
            `inputShape of ${channels} channels, and images have 3. Write inputShape: [size, size, 3]; ` +
            "the channels of gray faces are equal.",
        );
      }
      // As the option inputShape: [size, size, 3] of the first layer.
      Object.assign(first, { batchInputShape: image.shape, dtype: "float32" });
      return body;
    },
    initializer: all.initializer ?? glorotUniform,
  };
}

/** @throws naming the layer, if one from `first` on leaves nothing of its input */
function refuseEmpty(network: string, first: layers.Layer): void {
  const reached = new Set([first]);
  for (const { name, inboundNodes, outboundNodes } of reached) { // grows on the way
    for (const { inputShapes, outputShapes } of inboundNodes) {
      const [[, ...before], [, ...after]] = [inputShapes[0], outputShapes[0]] as number[][];
      if (!after.some((side) => side !== null && side < 1)) continue;
      throw new Error(
        `Cannot build the network "${network}": its layer "${name}" leaves nothing of the ` +
          `${before.join(" x ")} before it. Use a smaller window, smaller strides before it, or ` +
          "padding: same.",
      );
    }
    for (const { outboundLayer } of outboundNodes) reached.add(outboundLayer);
  }
}

function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** Appends layers to a trunk; initializes the network if there is a seed. */
function assemble(name: string, trunk: Trunk, heads: layers.Layer[], seed?: number) {
  let whole: LayersModel, body: ReturnType<Trunk> | undefined;
  try {
    body = trunk();
    whole = Array.isArray(body) ? tfjs.sequential({ name, layers: [...body, ...heads] }) : model({
      name,
      inputs: body.image,
      outputs: heads.reduce((x, layer) => layer.apply(x) as SymbolicTensor, body.features),
    });
  } catch (cause) {
    const [badName] = String(cause).match(/(?<=Not a valid tensor name: ')[^]*(?=\/\w+')/) ?? [];
    if (badName !== undefined) {
      throw new Error(
        `Cannot build the network "${name}": its layer "${badName}" needs a name of letters, ` +
          "digits, _, . and -, since its weights are named by it.",
        { cause },
      );
    }
    if (!(cause instanceof RangeError)) throw cause;
    const why = `its weights do not fit into memory (${cause.message})`;
    throw new Error(`Cannot build the network: ${why}. Use a smaller one.`, { cause });
  } finally {
    if (Array.isArray(body)) refuseEmpty(name, body[0]);
  }
  const { shape } = heads[0].inboundNodes[0].inputTensors[0];
  if (shape.length !== 2) {
    throw new Error(
      `Cannot build the network: its layers end with the shape [batch,${shape.slice(1)}], and ` +
        "heads need [batch, n]. End it with flatten or globalAveragePooling2d.",
    );
  }
  if (seed !== undefined) initialize(whole, seed);
  return whole;
}

/** The columns of a head in the layer "heads", and their interpretation. */
export interface HeadSlice extends Pick<Head, "columns" | "reading" | "standardized"> {
  name: string;
  start: number;
}

/**
 * Builds an uncompiled network for one task: [batch, size, size, 3], 0 to 1, to probabilities of the
 * classes, or for null to [batch, 1], years.
 */
export function singleHeadModel(
  name: string,
  trunk: Trunk,
  classes: number | null,
  kernelInitializer: Initializer,
  seed: number,
): LayersModel {
  const head = classes === null ? [layers.dense({ name: "years", units: 1, kernelInitializer })] : [
    layers.dense({ name: "logits", units: classes, kernelInitializer }),
    // A layer of its own: the loss is computed from the logits, which is stable.
    layers.activation({ name: "probabilities", activation: "softmax" }),
  ];
  return assemble(name, trunk, head, seed);
}

/** Builds an uncompiled network: [batch, size, size, 3], 0 to 1, to [batch, columns] of logits. */
export function multiHeadModel(
  name: string,
  trunk: Trunk,
  columns: number,
  kernelInitializer: Initializer,
  seed: number,
): LayersModel {
  const head = layers.dense({ name: "heads", units: columns, kernelInitializer });
  return assemble(name, trunk, [head], seed);
}

/**
 * Counts the multiplications of a prediction for one image, in convolutions and dense layers, each with
 * an addition.
 */
export function multiplyAdds(network: LayersModel): number {
  let sum = 0;
  for (const layer of network.layers) {
    // Each kernel is used at all positions of each output; the bias and norms are no products.
    const ofInput = /Transpose|RNN|LSTM|GRU|Bidirectional/.test(layer.getClassName());
    const positions = layer.inboundNodes.reduce((sum, { inputShapes, outputShapes }) => {
      const [shape] = (ofInput ? inputShapes : outputShapes) as number[][];
      return sum + shape.slice(1, -1).reduce((product, size) => product * size, 1);
    }, 0);
    for (const weight of layer.weights) {
      if (!/kernel$/.test(weight.originalName)) continue;
      sum += positions * (weight.shape as number[]).reduce((product, size) => product * size, 1);
    }
  }
  return sum;
}

/**
 * Extracts one head of a trained network as a separate network that outputs probabilities, or numbers
 * in the unit of the labels.
 * @param trained network built by `multiHeadModel` with the same trunk
 */
export function extractHead(
  trained: LayersModel,
  trunk: Trunk,
  { name: task, start, columns, reading, standardized }: HeadSlice,
): LayersModel {
  const { mean, deviation } = standardized ?? { mean: 0, deviation: 1 };
  const reads = readingLayers(reading);
  // A column may have a name that another layer has, or that TensorFlow.js refuses.
  const free = ![...trained.layers, ...reads].some(({ name }) => name === task);
  const name = free && /^[A-Za-z0-9][-\w./]*$/.test(task) ? task : "logits";
  const own = layers.dense({ name, units: columns });
  const alone = assemble(`${trained.name}-${name}`, trunk, [own, ...reads]);
  tf.tidy(() => {
    for (const layer of alone.layers) {
      if (layer === own) {
        const [kernel, bias] = trained.getLayer("heads").getWeights();
        layer.setWeights([
          tf.mul(tf.slice(kernel, [0, start], [-1, columns]), deviation),
          tf.add(tf.mul(tf.slice(bias, [start], [columns]), deviation), mean),
        ]);
      } else if (!reads.includes(layer)) {
        if (layer.weights.length > 0) {
          layer.setWeights(trained.getLayer(layer.name).getWeights());
        }
      } else if (layer.name === "older") {
        layer.setWeights(olderWeights(ageReadings[reading as AgeEstimator]));
      } else if (layer.name === "years") {
        const [first, second] = ageBins;
        const step = tf.fill([ageBins.length - 1, 1], second - first);
        layer.setWeights([step, tf.tensor1d([first])]);
      }
    }
  });
  return alone;
}

/**
 * Returns the layers from a head's columns to probabilities of classes or to years.
 *
 * The age is estimated from a distribution, [batch, bins] to [batch, 1], by layers with fixed weights.
 * The mean of a distribution is its first bin's age plus, for each bin, the step to the next bin times
 * the probability p of being older. Trimming a share at either end replaces p by
 * (p - share) / (1 - 2 share), clipped to [0, 1].
 */
function readingLayers(reading: Head["reading"]): layers.Layer[] {
  const years = () => layers.dense({ name: "years", units: 1, trainable: false });
  const probabilities = (activation: "softmax" | "sigmoid") =>
    layers.activation({ name: "probabilities", activation });
  switch (reading) {
    case "quantity":
      return [];
    case "classes":
      return [probabilities("softmax")];
    case "ordinal":
      return [probabilities("sigmoid"), years()];
    default:
      return [
        probabilities("softmax"),
        layers.dense({ name: "older", units: ageBins.length - 1, trainable: false }),
        layers.reLU({ name: "within", maxValue: 1 }),
        years(),
      ];
  }
}

function olderWeights(share: number): tf.Tensor[] {
  const steps = ageBins.length - 1, middle = 1 - 2 * share;
  // Each bin is older than those before it; the first one is not.
  const older = tf.linalg.bandPart(tf.fill([steps, steps], 1 / middle), -1, 0);
  return [tf.pad(older, [[1, 0], [0, 0]]), tf.fill([steps], -share / middle)];
}
