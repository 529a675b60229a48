/** Human-readable description of a network, layer by layer. */
import type { LayersModel } from "@tensorflow/tfjs-layers";

/** Description of a layer. */
interface LayerRow {
  name: string;
  /** Operation, such as "convolution 2×2, ReLU". */
  what: string;
  /** Output shape without the batch, such as "32×32×16". */
  output: string;
  /** Number of parameters, including moving averages. */
  weights: number;
  /** Names of its input layers, if not the previous layer. */
  from?: string[];
}

/** Description of a network. */
export interface Network {
  name: string;
  /** Input shape, such as "32×32×3". */
  input: string;
  layers: LayerRow[];
  /** Number of parameters. */
  weights: number;
  /** Number of trainable parameters. */
  trainable: number;
}

/** Describes the layers of a network in the order of computation. */
export function describeNetwork(model: LayersModel): Network {
  const rows: LayerRow[] = [];
  for (const [i, layer] of model.layers.entries()) {
    const kind = layer.getClassName();
    if (kind === "InputLayer") continue;
    const inputs = layer.inboundNodes[0]?.inboundLayers.map(({ name }) => name) ?? [];
    // A sequential model does not list its input as a layer.
    const before = model.layers[i - 1]?.name ?? inputs[0];
    const follows = inputs.length === 0 || (inputs.length === 1 && inputs[0] === before);
    rows.push({
      name: layer.name,
      what: describe(kind, layer.getConfig() as Config),
      output: shape(layer.outputShape as (number | null)[]),
      weights: layer.countParams(),
      ...(follows ? {} : { from: inputs }),
    });
  }
  const count = (weights: typeof model.weights) =>
    weights.reduce((sum, { shape }) => sum + shape.reduce<number>((n, d) => n * (d ?? 1), 1), 0);
  return {
    name: model.name,
    input: shape(model.inputs[0].shape),
    layers: rows,
    weights: count(model.weights),
    trainable: count(model.trainableWeights),
  };
}

type Config = Record<string, unknown>;

const ACTIVATIONS: Record<string, string> = { relu: "ReLU" };

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
  const activation = ACTIVATIONS[String(config.activation)] ?? config.activation;
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
