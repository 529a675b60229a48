/** Human-readable description of a network, layer by layer. */
import type { LayersModel } from "@tensorflow/tfjs-layers";

export type Network = ReturnType<typeof describeNetwork>;

/** Former name of a network, or name of its stored model → its name, where they differ. */
const NETWORKS: Readonly<Record<string, string>> = {
  reportGender: "gender2021",
  reportJoint: "gender2021",
  reportAge: "age2021",
  report: "gender2021",
  best: "deep",
};

/** Returns the name of a network as it is documented. */
export function networkName(stored: string): string {
  return NETWORKS[stored] ?? stored;
}

/** Describes the layers of a network in the order of computation. */
export function describeNetwork(model: LayersModel) {
  const layers = model.layers.flatMap((layer, i) => {
    const kind = layer.getClassName();
    if (kind === "InputLayer") return [];
    const inputs = layer.inboundNodes[0]?.inboundLayers.map(({ name }) => name) ?? [];
    // A sequential model does not list its input as a layer.
    const before = model.layers[i - 1]?.name ?? inputs[0];
    const follows = inputs.length === 0 || (inputs.length === 1 && inputs[0] === before);
    return [{
      name: layer.name,
      // Operation, such as "convolution 2×2, ReLU".
      what: describe(kind, layer.getConfig() as Config),
      // Without the batch, such as "32×32×16".
      output: shape(layer.outputShape as (number | null)[]),
      // Parameters, including moving averages.
      weights: layer.countParams(),
      // Its input layers, if not the previous layer.
      ...(!follows && { from: inputs }),
    }];
  });
  // One of several heads has its name after that of the network.
  const head = model.layers.find(({ name }) => model.name.endsWith(`-${name}`));
  const network = head ? model.name.slice(0, -head.name.length - 1) : model.name;
  const count = (weights: typeof model.weights) =>
    weights.reduce((sum, { shape }) => sum + shape.reduce<number>((n, d) => n * (d ?? 1), 1), 0);
  return {
    name: networkName(network),
    input: shape(model.inputs[0].shape),
    layers,
    weights: count(model.weights),
    // True if its loss has an L2 penalty.
    penalized: model.layers.some(({ losses }) => losses.length > 0),
    trainable: count(model.trainableWeights),
  };
}

type Config = Record<string, unknown>;

/** Class of a layer → its operation, without activation. */
const OPERATIONS: Record<string, (config: Config) => string> = {
  Conv2D: (config) => `convolution ${size(config.kernelSize)}${stride(config)}`,
  DepthwiseConv2D: (config) => `depthwise convolution ${size(config.kernelSize)}${stride(config)}`,
  SeparableConv2D: (config) => `separable convolution ${size(config.kernelSize)}${stride(config)}`,
  BatchNormalization: () => "batch normalization",
  MaxPooling2D: ({ poolSize }) => `max pooling ${size(poolSize)}`,
  AveragePooling2D: ({ poolSize }) => `average pooling ${size(poolSize)}`,
  GlobalAveragePooling2D: () => "global average pooling",
  Dropout: ({ rate }) => `dropout, rate ${rate}`,
  LeakyReLU: ({ alpha }) => `leaky ReLU, slope ${alpha}`,
  ReLU: ({ maxValue }) => maxValue == null ? "ReLU" : `ReLU, at most ${maxValue}`,
};

function describe(kind: string, config: Config): string {
  const activation = config.activation === "relu" ? "ReLU" : config.activation;
  if (kind === "Activation") return String(activation);
  const operation = OPERATIONS[kind]?.(config) ??
    kind.replace(/([a-z])([A-Z0-9])/g, "$1 $2").toLowerCase();
  return activation === undefined || activation === "linear"
    ? operation
    : `${operation}, ${activation}`;
}

function size(sizes: unknown): string {
  return [sizes].flat().join("×");
}

function stride({ strides }: Config): string {
  const [first, ...rest] = [strides].flat();
  return [first, ...rest].every((n) => n === 1) ? "" : `, stride ${first}`;
}

function shape(sizes: readonly (number | null)[]): string {
  return sizes.slice(1).map((size) => size ?? "?").join("×");
}
