/** From a TensorFlow.js model to the engine's description of a network. */
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import { type Layer, type Loss, type Network, UnsupportedNetwork } from "../engine/network.ts";

type Config = ReturnType<layers.Layer["getConfig"]>;

/**
 * Describes a model to the engine, or its first layers.
 * @throws {UnsupportedNetwork} if it has something that the engine lacks, saying what
 */
export function networkOf(
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
      throw lacking(layer, "does not simply follow the layer before it");
    }
    if (!layer.trainable) throw lacking(layer, "is frozen");
    described.push(...describe(layer, layer.getConfig()));
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

function describe(layer: layers.Layer, config: Config): Layer[] {
  const { name } = layer;
  switch (layer.getClassName()) {
    case "Conv2D": {
      const [dilationY, dilationX] = pair(config.dilationRate);
      if (dilationY !== 1 || dilationX !== 1) throw lacking(layer, "is dilated");
      if (config.dataFormat === "channelsFirst") throw lacking(layer, "has its channels first");
      if (config.padding !== "same" && config.padding !== "valid") {
        throw lacking(layer, `pads "${config.padding}"`);
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
        throw lacking(layer, "normalises another axis than the last");
      }
      if (!center || !scale) throw lacking(layer, "does not both centre and scale");
      if (betaRegularizer || gammaRegularizer) throw lacking(layer, "is regularised");
      return [{
        kind: "batchNorm",
        name,
        momentum: config.momentum as number,
        epsilon: config.epsilon as number,
      }];
    }
    case "MaxPooling2D":
      if (config.padding !== "same" && config.padding !== "valid") {
        throw lacking(layer, `pads "${config.padding}"`);
      }
      return [{
        kind: "maxPool",
        poolSize: pair(config.poolSize),
        strides: pair(config.strides),
        padding: config.padding,
      }];
    case "ReLU":
      if (config.maxValue != null) throw lacking(layer, "has a greatest value");
      return [{ kind: "relu" }];
    case "LeakyReLU":
      return [{ kind: "leakyRelu", alpha: config.alpha as number }];
    case "Softmax":
      return [{ kind: "softmax" }];
    case "Activation":
      return activation(layer, config.activation);
    case "Flatten":
      return [{ kind: "flatten" }];
    case "Dropout":
      if (config.noiseShape != null) throw lacking(layer, "has a noise shape");
      return [{ kind: "dropout", rate: config.rate as number }];
    default:
      throw lacking(layer, `is a ${layer.getClassName()}`);
  }
}

function activation(layer: layers.Layer, name: unknown): Layer[] {
  if (name == null || name === "linear") return [];
  if (name === "relu" || name === "softmax") return [{ kind: name }];
  throw lacking(layer, `has the activation ${name}`);
}

function penalties(layer: layers.Layer, config: Config): { kernel: number; bias: number } {
  if (config.kernelConstraint || config.biasConstraint || config.activityRegularizer) {
    throw lacking(layer, "has a constraint or penalises its output");
  }
  const of = (regularizer: unknown): number => {
    if (regularizer == null) return 0;
    const { className, config } = regularizer as {
      className: string;
      config: { l1?: number; l2?: number };
    };
    if (className !== "L1L2" || config.l1) throw lacking(layer, "has a penalty other than L2");
    return config.l2 ?? 0;
  };
  return { kernel: of(config.kernelRegularizer), bias: of(config.biasRegularizer) };
}

function pair(value: unknown): [number, number] {
  return typeof value === "number" ? [value, value] : value as [number, number];
}

function lacking(layer: layers.Layer, what: string): UnsupportedNetwork {
  return new UnsupportedNetwork(`The fast engine cannot train layer "${layer.name}": it ${what}`);
}
