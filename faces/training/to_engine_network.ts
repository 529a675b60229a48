/** Conversion of a TensorFlow.js model to the engine's network description. */
import { layers, type LayersModel, regularizers } from "@tensorflow/tfjs-layers";
import { isLast, isSoftmax } from "./forward.ts";
import {
  Activation,
  type Layer,
  type Loss,
  type Network,
  UnsupportedNetwork,
} from "../../packages/engine/engine_network.ts";
import type { Tensors } from "../../packages/engine/engine.ts";

type Config = ReturnType<layers.Layer["getConfig"]>;

/**
 * Converts a model, or its first layers.
 * @throws {UnsupportedNetwork} naming the unsupported feature
 */
export function toEngineNetwork(
  model: LayersModel,
  loss: Loss,
  first: readonly layers.Layer[] = model.layers,
): Network {
  const described: Layer[] = [];
  /** Index of the engine's layer that computes each tensor. */
  const places = new Map<number, number>([[model.inputs[0].id, -1]]);
  for (const layer of first) {
    if (layer.getClassName() === "InputLayer") continue;
    const [node, ...others] = layer.inboundNodes;
    if (others.length > 0) throw unsupported(layer, "is used more than once");
    const moving = layer.getClassName() === "BatchNormalization" ? 2 : 0;
    const frozen = layer.weights.length > 0 && !layer.trainable;
    if (!frozen && layer.trainableWeights.length !== layer.weights.length - moving) {
      throw unsupported(layer, "is frozen in part");
    }
    if (layer.weights.some((weight) => "constraint" in weight && weight.constraint != null)) {
      throw unsupported(layer, "has a constraint");
    }
    const config = layer.getConfig();
    const inputs = node.inputTensors.map(({ id }) => places.get(id)!);
    const own = describe(layer, config);
    for (const [n, one] of own.entries()) {
      const from = n === 0 ? inputs : [described.length - 1];
      const follows = from.length === 1 && from[0] === described.length - 1;
      described.push({
        ...one,
        ...(follows ? {} : { inputs: from }),
        ...(frozen && "name" in one ? { frozen } : {}),
      });
    }
    places.set(node.outputTensors[0].id, own.length === 0 ? inputs[0] : described.length - 1);
    // Any other loss was added by custom code.
    const penalties = Object.entries(config)
      .filter(([key, value]) => value != null && key.endsWith("Regularizer"));
    if (frozen && penalties.length > 0) throw unsupported(layer, "is frozen and regularized");
    if (layer.losses.length !== penalties.length) {
      throw unsupported(layer, "adds a loss of its own");
    }
  }
  const [, height, width, channels] = model.inputs[0].shape;
  if (model.inputs.length !== 1 || !height || !width || !channels) {
    throw new UnsupportedNetwork(
      `The fast engine cannot train "${model.name}": its input is not images of a fixed size`,
    );
  }
  const ends = first === model.layers ? model.outputs.map(({ id }) => places.get(id)!) : [];
  return {
    input: [height, width, channels],
    layers: described,
    loss,
    ...(ends.length > 1 || ends.some((end) => end !== described.length - 1)
      ? { outputs: ends }
      : {}),
  };
}

/** One layer of each supported class: a custom class of the same name may compute something else. */
const layersOfTfjs: Partial<Record<string, layers.Layer>> = Object.fromEntries(
  [
    ...[layers.conv2d({ filters: 1, kernelSize: 1 }), layers.dense({ units: 1 })],
    ...[layers.batchNormalization(), layers.maxPooling2d({}), layers.flatten()],
    ...[layers.reLU(), layers.leakyReLU(), layers.softmax(), layers.dropout({ rate: 0 })],
    ...[layers.activation({ activation: "relu" }), layers.prelu(), layers.elu()],
    ...[layers.depthwiseConv2d({ kernelSize: 1 }), layers.layerNormalization()],
    ...[layers.separableConv2d({ filters: 1, kernelSize: 1 }), layers.averagePooling2d({})],
    ...[layers.globalAveragePooling2d({}), layers.globalMaxPooling2d({}), layers.add()],
    ...[layers.multiply(), layers.concatenate(), layers.reshape({ targetShape: [1] })],
  ].map((layer) => [layer.getClassName(), layer]),
);
const l2 = regularizers.l2();

function describe(layer: layers.Layer, config: Config): Layer[] {
  const { name } = layer, className = layer.getClassName();
  const known = layersOfTfjs[className];
  if (known && (known.constructor !== layer.constructor || known.call !== layer.call)) {
    throw unsupported(layer, `computes otherwise than ${className}`);
  }
  if (config.dataFormat === "channelsFirst") throw unsupported(layer, "has its channels first");
  switch (known && className) {
    case "Conv2D":
      return [{
        kind: "conv2d",
        name,
        filters: config.filters as number,
        kernelSize: pair(config.kernelSize),
        ...windows(layer, config),
        bias: config.useBias !== false,
        l2: penalties(layer, config),
      }, ...activation(layer, config.activation)];
    case "DepthwiseConv2D":
    case "SeparableConv2D": {
      const parts = ["depthwise", "pointwise", "bias"];
      refuseMore(layer, config, parts.map((part) => `${part}Regularizer`));
      const bias = config.useBias !== false, separable = className === "SeparableConv2D";
      const each: Layer = {
        kind: "depthwiseConv2d",
        name,
        bias: bias && !separable,
        kernelSize: pair(config.kernelSize),
        ...windows(layer, config),
        depthMultiplier: layer.weights[0].shape[3] as number,
      };
      const joined: Layer = {
        kind: "conv2d",
        name,
        filters: config.filters as number,
        kernel: "pointwise_kernel",
        kernelSize: [1, 1],
        strides: [1, 1],
        padding: "valid",
        bias,
      };
      return [each, ...(separable ? [joined] : []), ...activation(layer, config.activation)];
    }
    case "Dense":
      return [{
        kind: "dense",
        name,
        units: config.units as number,
        bias: config.useBias !== false,
        l2: penalties(layer, config),
      }, ...activation(layer, config.activation)];
    case "BatchNormalization":
    case "LayerNormalization": {
      const { center, scale, momentum, epsilon } = config;
      if (!isLast(layer, config.axis)) {
        throw unsupported(layer, "normalizes another axis than the last");
      }
      if (!center || !scale) throw unsupported(layer, "does not both center and scale");
      refuseMore(layer, config, ["betaRegularizer", "gammaRegularizer"]);
      return className === "LayerNormalization"
        ? [{ kind: "layerNorm", name, epsilon: epsilon as number }]
        : [{ kind: "batchNorm", name, momentum: momentum as number, epsilon: epsilon as number }];
    }
    case "MaxPooling2D":
    case "AveragePooling2D":
      return [{
        kind: className === "MaxPooling2D" ? "maxPool" : "averagePool",
        poolSize: pair(config.poolSize),
        ...windows(layer, config),
      }];
    case "GlobalAveragePooling2D":
      return [{ kind: "globalAveragePool" }];
    case "GlobalMaxPooling2D":
      return [{ kind: "globalMaxPool" }];
    case "ReLU":
      if (config.maxValue == null) return [{ kind: "relu" }];
      return [{ kind: "activation", function: "relu6", alpha: config.maxValue as number }];
    case "LeakyReLU":
      return [{ kind: "leakyRelu", alpha: config.alpha as number }];
    case "PReLU":
      refuseMore(layer, config, ["alphaRegularizer"]);
      return [{ kind: "prelu", name, shape: layer.weights[0].shape as number[] }];
    case "ELU":
      if (config.alpha !== 1) throw unsupported(layer, `has the alpha ${config.alpha}`);
      return [{ kind: "activation", function: "elu" }];
    case "Softmax":
      if (!isSoftmax(layer)) throw unsupported(layer, "normalizes another axis than the last");
      return [{ kind: "softmax" }];
    case "Activation":
      return activation(layer, config.activation);
    case "Add":
      return [{ kind: "add" }];
    case "Multiply":
      return [{ kind: "multiply" }];
    case "Concatenate":
      if (!isLast(layer, config.axis)) throw unsupported(layer, "joins another axis than the last");
      return [{ kind: "concatenate" }];
    case "Flatten":
      return [{ kind: "flatten" }];
    case "Reshape":
      return [{ kind: "reshape", shape: (layer.outputShape as number[]).slice(1) }];
    case "Dropout": {
      const { rate, noiseShape } = config as { rate: number; noiseShape?: (number | null)[] };
      return [{ kind: "dropout", rate, ...(noiseShape ? { noiseShape } : {}) }];
    }
    default:
      throw unsupported(layer, `is a ${className}`);
  }
}

function windows(layer: layers.Layer, config: Config) {
  const { padding, strides, dilationRate = 1 } = config;
  if (pair(dilationRate).some((rate) => rate !== 1)) throw unsupported(layer, "is dilated");
  if (padding !== "same" && padding !== "valid") throw unsupported(layer, `pads "${padding}"`);
  return { strides: pair(strides), padding } as const;
}

function refuseMore(layer: layers.Layer, config: Config, keys: readonly string[]): void {
  if (keys.some((key) => config[key] != null)) throw unsupported(layer, "is regularized");
}

function activation(layer: layers.Layer, name: unknown): Layer[] {
  if (name == null || name === "linear") return [];
  if (name === "relu" || name === "softmax") return [{ kind: name }];
  if (!(String(name) in Activation)) throw unsupported(layer, `has the activation ${name}`);
  return [{ kind: "activation", function: name as keyof typeof Activation }];
}

function penalties(layer: layers.Layer, config: Config): { kernel: number; bias: number } {
  if (config.activityRegularizer) throw unsupported(layer, "penalizes its output");
  const of = (which: "kernelRegularizer" | "biasRegularizer"): number => {
    const regularizer = config[which];
    if (regularizer == null) return 0;
    const own = (layer as unknown as Record<string, object>)[which];
    const { className, config: { l1, l2: strength } } = regularizer as {
      className: string;
      config: { l1?: number; l2?: number };
    };
    if (className !== "L1L2" || l1 || own.constructor !== l2.constructor) {
      throw unsupported(layer, "has a penalty other than L2");
    }
    return strength ?? 0;
  };
  return { kernel: of("kernelRegularizer"), bias: of("biasRegularizer") };
}

export function pair(value: unknown): [number, number] {
  return typeof value === "number" ? [value, value] : value as [number, number];
}

function unsupported(layer: layers.Layer, what: string): UnsupportedNetwork {
  return new UnsupportedNetwork(`The fast engine cannot train layer "${layer.name}": it ${what}`);
}

/** Returns values by the names of their weights, as the engine takes them. */
export function named(
  weights: readonly { originalName: string }[],
  values: readonly Float32Array[],
): Tensors {
  const tensors = values.map((data) => ({ shape: [data.length], data }));
  return new Map(weights.map(({ originalName }, i) => [originalName, tensors[i]]));
}
