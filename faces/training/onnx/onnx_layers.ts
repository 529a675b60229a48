/** Conversion of layers to ONNX operators. Values are [batch, channels, ...] in ONNX. */
import type { layers } from "@tensorflow/tfjs-layers";
import type { Attribute, OnnxConstant } from "../../../packages/formats/onnx.ts";
import { isLast } from "../forward.ts";
import { pair } from "../to_engine_network.ts";

type Weight = ReturnType<layers.Layer["getWeights"]>[number];

/** A value of the graph, with its TensorFlow.js shape without the batch (channels last). */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A constant; values of weights are read when the file is written. */
export interface Constant extends Omit<OnnxConstant, "values"> {
  readonly values: OnnxConstant["values"] | (() => Promise<OnnxConstant["values"]>);
}

/** Graph builder; each call returns the name of the new value. */
export interface Graph {
  add(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes?: Record<string, Attribute>,
  ): string;
  constant(name: string, shape: readonly number[], values: Constant["values"]): string;
  /** Adds a layer's weight, with its axes in the given order, under another shape if given. */
  weight(name: string, tensor: Weight, axes?: number[], shape?: readonly number[]): string;
}

/** Error: a layer, or an option of it, is not supported. */
export class UnknownLayer extends Error {}

/** Adds a layer; returns the name of its output. @throws {UnknownLayer} */
export function convertLayer(layer: layers.Layer, inputs: readonly Value[], graph: Graph): string {
  const kind = layer.getClassName();
  const convert = Object.hasOwn(converters, kind) ? converters[kind] : undefined;
  if (!convert) throw new UnknownLayer(`is a ${kind}`);
  // The prefix avoids conflicts with names of outputs, such as "years".
  const name = `layers/${layer.name}`, weights = layer.getWeights(), config = layer.getConfig();
  if (config.dataFormat === "channelsFirst") throw new UnknownLayer("has its channels first");
  return convert({ layer, weights, config, name, input: inputs[0], inputs, graph });
}

interface Call {
  readonly layer: layers.Layer;
  readonly weights: readonly Weight[];
  readonly config: ReturnType<layers.Layer["getConfig"]>;
  /** Name of the layer's output, and prefix of those of its parts. */
  readonly name: string;
  readonly input: Value;
  readonly inputs: readonly Value[];
  readonly graph: Graph;
}

/** Adds operators and returns the name of the layer's output. */
type Converter = (call: Call) => string;

const pooling = (operator: string): Converter => (call) => {
  const window = windowOf(call, pair(call.config.poolSize));
  return call.graph.add(operator, [call.input.name], call.name, window);
};

const globalPooling = (operator: string): Converter => ({ input, name, graph }) => {
  const pooled = graph.add(operator, [input.name], `${name}.all`);
  return graph.add("Flatten", [pooled], name, { axis: 1 });
};

/**
 * Merges inputs two by two; `part` names the values in between. TensorFlow.js puts axes of size 1
 * after the batch of inputs with fewer axes, such as features beside images: in ONNX, after the
 * channels.
 */
const merging = (operator: string, part: string): Converter => ({ inputs, name, graph }) => {
  const axes = Math.max(...inputs.map(({ shape }) => shape.length));
  return inputs.map(({ name: input, shape }, i) => {
    if (shape.length === axes) return input;
    const ones = Array(axes - shape.length).fill(1);
    const sizes = BigInt64Array.from([-1, shape.at(-1), ...ones, ...shape.slice(0, -1)], BigInt);
    const to = graph.constant(`${name}.shape${i}`, [axes + 1], sizes);
    return graph.add("Reshape", [input, to], `${name}.input${i}`);
  }).reduce((merged, input, i) =>
    graph.add(operator, [merged, input], i === inputs.length - 1 ? name : `${name}.${part}${i}`)
  );
};

const withAlpha = (operator: string): Converter => ({ config, input, name, graph }) =>
  graph.add(operator, [input.name], name, { alpha: { float: config.alpha as number } });

const converters: Record<string, Converter> = {
  Conv2D(call) {
    const { weights: [kernel, bias], name, input, graph } = call;
    const [height, width] = kernel.shape, window = windowOf(call, [height, width]);
    const inputs = [
      input.name,
      // [height, width, in, out] to [out, in, height, width]
      graph.weight(`${name}.kernel`, kernel, [3, 2, 0, 1]),
      ...biasOf(call, bias),
    ];
    return activate(call, graph.add("Conv", inputs, `${name}.sum`, window));
  },
  DepthwiseConv2D: (call) => activate(call, depthwise(call, biasOf(call, call.weights[1]))),
  SeparableConv2D(call) {
    const { weights: [, pointwise, bias], name, graph } = call;
    const inputs = [
      depthwise(call),
      graph.weight(`${name}.pointwise`, pointwise, [3, 2, 0, 1]),
      ...biasOf(call, bias),
    ];
    return activate(call, graph.add("Conv", inputs, `${name}.sum`, { kernel_shape: [1, 1] }));
  },
  Dense(call) {
    const { weights: [weight, bias], name, input, graph } = call;
    const first = channelsLast(call), kernel = graph.weight(`${name}.kernel`, weight);
    if (input.shape.length === 1) {
      const sum = graph.add("Gemm", [first, kernel, ...biasOf(call, bias)], `${name}.sum`);
      return activate(call, sum);
    }
    let sum = graph.add("MatMul", [first, kernel], `${name}.product`);
    if (bias) sum = graph.add("Add", [sum, ...biasOf(call, bias)], `${name}.biased`);
    return activate(call, channelsFirst(sum, input.shape, `${name}.sum`, graph));
  },
  BatchNormalization(call) {
    const { config, name, input, graph } = call, weights = [...call.weights];
    checkLastAxis(call, "normalizes");
    const channels = input.shape.at(-1)!;
    const constant = (part: string, value: number) =>
      graph.constant(`${name}.${part}`, [channels], new Float32Array(channels).fill(value));
    const own = (part: string) => graph.weight(`${name}.${part}`, weights.shift()!);
    return graph.add(
      "BatchNormalization",
      [
        input.name,
        config.scale === false ? constant("gamma", 1) : own("gamma"),
        config.center === false ? constant("beta", 0) : own("beta"),
        own("mean"),
        own("variance"),
      ],
      name,
      { epsilon: { float: config.epsilon as number } },
    );
  },
  LayerNormalization(call) {
    const { config, name, input, graph } = call, weights = [...call.weights];
    checkLastAxis(call, "normalizes");
    // Channels are axis 1 in ONNX; of images, weights are broadcast over height and width.
    const shape = [input.shape.at(-1)!, ...Array(input.shape.length - 1).fill(1)];
    const own = (part: string) => graph.weight(`${name}.${part}`, weights.shift()!, [0], shape);
    const mean = (of: string, part: string) =>
      graph.add("ReduceMean", [of], `${name}.${part}`, { axes: [1], keepdims: 1 });
    const epsilon = scalar(graph, `${name}.epsilon`, config.epsilon as number);
    const centered = graph.add("Sub", [input.name, mean(input.name, "mean")], `${name}.centered`);
    const squares = graph.add("Mul", [centered, centered], `${name}.squares`);
    const variance = graph.add("Add", [mean(squares, "variance"), epsilon], `${name}.positive`);
    const deviation = graph.add("Sqrt", [variance], `${name}.deviation`);
    let value = graph.add("Div", [centered, deviation], `${name}.normalized`);
    if (config.scale !== false) value = graph.add("Mul", [value, own("gamma")], `${name}.scaled`);
    if (config.center !== false) value = graph.add("Add", [value, own("beta")], name);
    return value;
  },
  ZeroPadding2D({ config, input, name, graph }) {
    const [[top, bottom], [left, right]] = config.padding as number[][];
    const sides = BigInt64Array.from([0, 0, top, left, 0, 0, bottom, right], BigInt);
    return graph.add("Pad", [input.name, graph.constant(`${name}.sides`, [8], sides)], name);
  },
  MaxPooling2D: pooling("MaxPool"),
  AveragePooling2D: pooling("AveragePool"),
  GlobalAveragePooling2D: globalPooling("GlobalAveragePool"),
  GlobalMaxPooling2D: globalPooling("GlobalMaxPool"),
  // TensorFlow.js flattens with channels last, as the next layer's weights expect.
  Flatten: (call) => call.graph.add("Flatten", [channelsLast(call)], call.name, { axis: 1 }),
  Reshape(call) {
    const { layer, name, graph } = call, shape = (layer.outputShape as number[]).slice(1);
    const sizes = BigInt64Array.from([-1, ...shape], BigInt);
    const to = graph.constant(`${name}.shape`, [shape.length + 1], sizes);
    const reshaped = graph.add("Reshape", [channelsLast(call), to], `${name}.values`);
    return channelsFirst(reshaped, shape, name, graph);
  },
  Activation: (call) => activate(call, call.input.name),
  Softmax(call) {
    checkLastAxis(call, "takes the softmax of");
    return activate(call, call.input.name, "softmax");
  },
  ReLU({ config, input, name, graph }) {
    const relu = graph.add("Relu", [input.name], config.maxValue == null ? name : `${name}.relu`);
    if (config.maxValue == null) return relu;
    const limit = scalar(graph, `${name}.maxValue`, config.maxValue as number);
    return graph.add("Min", [relu, limit], name);
  },
  LeakyReLU: withAlpha("LeakyRelu"),
  ELU: withAlpha("Elu"),
  PReLU({ weights: [alpha], input, name, graph }) {
    const axes = alpha.shape.map((_, axis) => axis === 0 ? alpha.shape.length - 1 : axis - 1);
    return graph.add("PRelu", [input.name, graph.weight(`${name}.alpha`, alpha, axes)], name);
  },
  Add: merging("Add", "sum"),
  Multiply: merging("Mul", "product"),
  Concatenate(call) {
    checkLastAxis(call, "concatenates");
    return call.graph.add("Concat", call.inputs.map(({ name }) => name), call.name, { axis: 1 });
  },
  Dropout: ({ input }) => input.name,
};

/** Throws unless a layer works along its last axis. */
function checkLastAxis({ config, layer }: Call, what: string): void {
  if (!isLast(layer, config.axis)) throw new UnknownLayer(`${what} another axis than the last`);
}

function biasOf({ name, graph }: Call, bias: Weight | undefined): string[] {
  return bias ? [graph.weight(`${name}.bias`, bias)] : [];
}

/** Transposes a layer's input of several axes, whose channels are the first in ONNX. */
function channelsLast({ input: { name: input, shape }, name, graph }: Call): string {
  if (shape.length === 1) return input;
  const perm = [0, ...shape.map((_, axis) => (axis + 1) % shape.length + 1)];
  return graph.add("Transpose", [input], `${name}.last`, { perm });
}

/** Transposes values whose channels are the last, as in TensorFlow.js. */
function channelsFirst(input: string, { length }: readonly number[], name: string, graph: Graph) {
  if (length === 1) return input;
  const perm = [0, length, ...Array.from({ length: length - 1 }, (_, axis) => axis + 1)];
  return graph.add("Transpose", [input], name, { perm });
}

/** Activations that are an operator, whose name begins with a capital. */
const functions = ["relu", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign"];

/** Activations of several operators, or with attributes. */
const composed: Record<string, (x: string, name: string, graph: Graph) => string> = {
  hardSigmoid: (x, name, graph) =>
    graph.add("HardSigmoid", [x], name, { alpha: { float: 0.2 }, beta: { float: 0.5 } }),
  relu6(x, name, graph) {
    const relu = graph.add("Relu", [x], `${name}.relu`);
    return graph.add("Min", [relu, scalar(graph, `${name}.six`, 6)], name);
  },
  swish: (x, name, graph) =>
    graph.add("Mul", [x, graph.add("Sigmoid", [x], `${name}.sigmoid`)], name),
  mish(x, name, graph) {
    const softplus = graph.add("Softplus", [x], `${name}.softplus`);
    return graph.add("Mul", [x, graph.add("Tanh", [softplus], `${name}.tanh`)], name);
  },
  gelu(x, name, graph) {
    const constant = (part: string, value: number) => scalar(graph, `${name}.${part}`, value);
    const scaled = graph.add("Mul", [x, constant("root", Math.SQRT1_2)], `${name}.scaled`);
    const erf = graph.add("Erf", [scaled], `${name}.erf`);
    const above = graph.add("Add", [erf, constant("one", 1)], `${name}.above`);
    const half = graph.add("Mul", [x, constant("half", 0.5)], `${name}.halved`);
    return graph.add("Mul", [half, above], name);
  },
};

function scalar(graph: Graph, name: string, value: number): string {
  return graph.constant(name, [], Float32Array.of(value));
}

/** Adds a convolution of each channel by itself, with the first weight; `bias` has its name, if any. */
function depthwise(call: Call, bias: readonly string[] = []): string {
  const { weights: [kernel], name, input, graph } = call;
  const [height, width, group, multiplier] = kernel.shape;
  const window = windowOf(call, [height, width]), shape = [group * multiplier, 1, height, width];
  const filters = graph.weight(`${name}.depthwise`, kernel, [2, 3, 0, 1], shape);
  const inputs = [input.name, filters, ...bias];
  return graph.add("Conv", inputs, `${name}.channels`, { ...window, group });
}

/** Adds an activation. Default: the layer's. */
function activate(
  { config, name, graph }: Call,
  input: string,
  activation = config.activation as string | null | undefined,
): string {
  if (activation == null || activation === "linear") return input;
  // Channels are the last axis in TensorFlow.js and the first one in ONNX.
  if (activation === "softmax") return graph.add("Softmax", [input], name, { axis: 1 });
  if (Object.hasOwn(composed, activation)) return composed[activation](input, name, graph);
  if (!functions.includes(activation)) throw new UnknownLayer(`has the activation ${activation}`);
  return graph.add(activation[0].toUpperCase() + activation.slice(1), [input], name);
}

/** Returns window, strides and padding. TensorFlow pads more at the end. */
function windowOf({ config, input }: Call, size: readonly number[]): Record<string, Attribute> {
  const strides = pair(config.strides ?? size), dilations = pair(config.dilationRate ?? 1);
  const pads = [0, 1].map((axis) => {
    if (config.padding === "valid") return 0;
    if (config.padding !== "same") throw new UnknownLayer(`pads "${config.padding}"`);
    const covered = (size[axis] - 1) * dilations[axis] + 1;
    const outputs = Math.ceil(input.shape[axis] / strides[axis]);
    return Math.max(0, (outputs - 1) * strides[axis] + covered - input.shape[axis]);
  });
  const before = pads.map((pad) => Math.floor(pad / 2));
  return {
    kernel_shape: size,
    strides,
    pads: [...before, ...pads.map((pad, axis) => pad - before[axis])],
    ...(dilations.some((dilation) => dilation !== 1) ? { dilations } : {}),
  };
}
