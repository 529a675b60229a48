/** Human-readable description of a network, layer by layer. */
import type { LayersModel } from "@tensorflow/tfjs-layers";

/** Description of a layer. */
export interface LayerRow {
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

function describe(kind: string, config: Config): string {
  const size = (key: string) => [config[key]].flat().join("×");
  const activation = activationNames[String(config.activation)] ?? config.activation;
  const then = activation === undefined || activation === "linear" ? "" : `, ${activation}`;
  const strides = [config.strides].flat();
  const stride = strides.every((n) => n === 1) ? "" : `, stride ${strides[0]}`;
  switch (kind) {
    case "Conv2D":
      return `convolution ${size("kernelSize")}${stride}${then}`;
    case "DepthwiseConv2D":
      return `depthwise convolution ${size("kernelSize")}${stride}${then}`;
    case "SeparableConv2D":
      return `separable convolution ${size("kernelSize")}${stride}${then}`;
    case "Dense":
      return `dense${then}`;
    case "BatchNormalization":
      return "batch normalization";
    case "MaxPooling2D":
      return `max pooling ${size("poolSize")}`;
    case "AveragePooling2D":
      return `average pooling ${size("poolSize")}`;
    case "GlobalAveragePooling2D":
      return "global average pooling";
    case "Dropout":
      return `dropout, rate ${config.rate}`;
    case "LeakyReLU":
      return `leaky ReLU, slope ${config.alpha}`;
    case "ReLU":
      return config.maxValue == null ? "ReLU" : `ReLU, at most ${config.maxValue}`;
    case "Activation":
      return String(activation);
    case "Add":
      return "add";
    case "Flatten":
      return "flatten";
    default:
      return kind.replace(/([a-z])([A-Z0-9])/g, "$1 $2").toLowerCase();
  }
}

const activationNames: Record<string, string> = {
  relu: "ReLU",
  softmax: "softmax",
  sigmoid: "sigmoid",
};

function shape(sizes: readonly (number | null)[]): string {
  return sizes.slice(1).map((size) => size ?? "?").join("×");
}
