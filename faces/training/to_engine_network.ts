/** Conversion of a TensorFlow.js model to the engine's network description. */
import { layers, type LayersModel, regularizers } from "@tensorflow/tfjs-layers";
import { isSoftmax } from "./forward.ts";
import {
  type Layer,
  type Loss,
  type Network,
  UnsupportedNetwork,
} from "../../packages/engine/engine_network.ts";

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
  let previous: layers.Layer | undefined;
  for (const layer of first) {
    if (layer.getClassName() === "InputLayer") {
      previous = layer;
      continue;
    }
    const nodes = layer.inboundNodes;
    const sources = nodes[0]?.inputTensors.map(({ sourceLayer }) => sourceLayer) ?? [];
    if (
      nodes.length !== 1 || sources.length !== 1 ||
      (previous !== undefined && sources[0] !== previous)
    ) {
      throw unsupported(layer, "does not simply follow the layer before it");
    }
    const moving = layer.getClassName() === "BatchNormalization" ? 2 : 0;
    if (!layer.trainable || layer.trainableWeights.length !== layer.weights.length - moving) {
      throw unsupported(layer, "is frozen");
    }
    if (layer.weights.some((weight) => "constraint" in weight && weight.constraint != null)) {
      throw unsupported(layer, "has a constraint");
    }
    const config = layer.getConfig();
    described.push(...describe(layer, config));
    // Any other loss was added by custom code.
    const penalties = Object.entries(config).filter(([key, value]) =>
      value != null && key.endsWith("Regularizer")
    );
    if (layer.losses.length !== penalties.length) {
      throw unsupported(layer, "adds a loss of its own");
    }
    previous = layer;
  }
  const [, height, width, channels] = model.inputs[0].shape;
  if (model.inputs.length !== 1 || !height || !width || !channels) {
    throw new UnsupportedNetwork(
      `The fast engine cannot train "${model.name}": its input is not images of a fixed size`,
    );
  }
  return { input: [height, width, channels], layers: described, loss };
}

/** One layer of each supported class: a custom class of the same name may compute something else. */
const layersOfTfjs: Record<string, layers.Layer> = Object.fromEntries(
  [
    ...[layers.conv2d({ filters: 1, kernelSize: 1 }), layers.dense({ units: 1 })],
    ...[layers.batchNormalization(), layers.maxPooling2d({}), layers.flatten()],
    ...[layers.reLU(), layers.leakyReLU(), layers.softmax(), layers.dropout({ rate: 0 })],
    layers.activation({ activation: "relu" }),
  ].map((layer) => [layer.getClassName(), layer]),
);
const l2 = regularizers.l2();

function describe(layer: layers.Layer, config: Config): Layer[] {
  const { name } = layer, className = layer.getClassName();
  const known = layersOfTfjs[className];
  if (
    known !== undefined && (known.constructor !== layer.constructor || known.call !== layer.call)
  ) {
    throw unsupported(layer, `computes otherwise than ${className}`);
  }
  if (config.dataFormat === "channelsFirst") throw unsupported(layer, "has its channels first");
  switch (className) {
    case "Conv2D": {
      const [dilationY, dilationX] = pair(config.dilationRate);
      if (dilationY !== 1 || dilationX !== 1) throw unsupported(layer, "is dilated");
      if (config.padding !== "same" && config.padding !== "valid") {
        throw unsupported(layer, `pads "${config.padding}"`);
      }
      return [{
        kind: "conv2d",
        name,
        filters: config.filters as number,
        kernelSize: pair(config.kernelSize),
        strides: pair(config.strides),
        padding: config.padding,
        bias: config.useBias !== false,
        l2: penalties(layer, config),
      }, ...activation(layer, config.activation)];
    }
    case "Dense":
      return [{
        kind: "dense",
        name,
        units: config.units as number,
        bias: config.useBias !== false,
        l2: penalties(layer, config),
      }, ...activation(layer, config.activation)];
    case "BatchNormalization": {
      const { rank } = layer.inboundNodes[0].inputTensors[0];
      const { axis, center, scale, betaRegularizer, gammaRegularizer } = config;
      if (axis !== -1 && axis !== rank - 1) {
        throw unsupported(layer, "normalizes another axis than the last");
      }
      if (!center || !scale) throw unsupported(layer, "does not both center and scale");
      if (betaRegularizer || gammaRegularizer) throw unsupported(layer, "is regularized");
      return [{
        kind: "batchNorm",
        name,
        momentum: config.momentum as number,
        epsilon: config.epsilon as number,
      }];
    }
    case "MaxPooling2D":
      if (config.padding !== "same" && config.padding !== "valid") {
        throw unsupported(layer, `pads "${config.padding}"`);
      }
      return [{
        kind: "maxPool",
        poolSize: pair(config.poolSize),
        strides: pair(config.strides),
        padding: config.padding,
      }];
    case "ReLU":
      if (config.maxValue != null) throw unsupported(layer, "has a greatest value");
      return [{ kind: "relu" }];
    case "LeakyReLU":
      return [{ kind: "leakyRelu", alpha: config.alpha as number }];
    case "Softmax":
      if (!isSoftmax(layer)) throw unsupported(layer, "normalizes another axis than the last");
      return [{ kind: "softmax" }];
    case "Activation":
      return activation(layer, config.activation);
    case "Flatten":
      return [{ kind: "flatten" }];
    case "Dropout":
      if (config.noiseShape != null) throw unsupported(layer, "has a noise shape");
      return [{ kind: "dropout", rate: config.rate as number }];
    default:
      throw unsupported(layer, `is a ${layer.getClassName()}`);
  }
}

function activation(layer: layers.Layer, name: unknown): Layer[] {
  if (name == null || name === "linear") return [];
  if (name === "relu" || name === "softmax") return [{ kind: name }];
  throw unsupported(layer, `has the activation ${name}`);
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

function pair(value: unknown): [number, number] {
  return typeof value === "number" ? [value, value] : value as [number, number];
}

function unsupported(layer: layers.Layer, what: string): UnsupportedNetwork {
  return new UnsupportedNetwork(`The fast engine cannot train layer "${layer.name}": it ${what}`);
}
