/** Conversion of layers to ONNX operators. Values are [batch, channels, ...] in ONNX. */
import type { layers } from "@tensorflow/tfjs-layers";
import type { Attribute } from "../../../packages/formats/onnx.ts";

type Config = ReturnType<layers.Layer["getConfig"]>;
type Weight = ReturnType<layers.Layer["getWeights"]>[number];

/** A value of the graph, with its TensorFlow.js shape without the batch (channels last). */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A constant with lazily read values. */
export interface Weights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: () => Promise<Float32Array | BigInt64Array>;
}

/** Graph builder; each call returns the name of the new value. */
export interface Graph {
  add(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes?: Record<string, Attribute>,
  ): string;
  constant(name: string, shape: readonly number[], values: Weights["values"]): string;
  /** Adds a layer's weight, with its axes in the given order, under another shape if given. */
  weight(name: string, tensor: Weight, axes?: number[], shape?: readonly number[]): string;
}

/** Error: a layer, or an option of it, is not supported. */
export class UnknownLayer extends Error {}

/** Adds a layer; returns the name of its output. @throws {UnknownLayer} */
export function convertLayer(layer: layers.Layer, inputs: readonly Value[], graph: Graph): string {
  const config = layer.getConfig();
  const kind = layer.getClassName();
  const convert = Object.hasOwn(converters, kind) ? converters[kind] : undefined;
  if (!convert) throw new UnknownLayer(`is a ${kind}`);
  // The prefix avoids conflicts with names of outputs, such as "years".
  const name = `layers/${layer.name}`;
  return convert({ layer, config, name, input: inputs[0], inputs, graph });
}

interface Call {
  readonly layer: layers.Layer;
  readonly config: Config;
  readonly name: string;
  readonly input: Value;
  readonly inputs: readonly Value[];
  readonly graph: Graph;
}

/** Converters by layer class. Each adds operators and returns the name of its output. */
const converters: Record<string, (call: Call) => string> = {
  Conv2D(call) {
    const { layer, config, name, input, graph } = call;
    const [kernel, bias] = layer.getWeights();
    const [height, width] = kernel.shape;
    const window = windowOf(call, [height, width], config.strides, pair(config.dilationRate ?? 1));
    const inputs = [
      input.name,
      // [height, width, in, out] to [out, in, height, width]
      graph.weight(`${name}.kernel`, kernel, [3, 2, 0, 1]),
      ...(bias ? [graph.weight(`${name}.bias`, bias)] : []),
    ];
    const output = graph.add("Conv", inputs, `${name}.sum`, window);
    return activate(output, config.activation, name, graph);
  },
  DepthwiseConv2D(call) {
    const { layer, config, name, graph } = call;
    const [kernel, bias] = layer.getWeights();
    const output = depthwise(call, kernel, bias ? [graph.weight(`${name}.bias`, bias)] : []);
    return activate(output, config.activation, name, graph);
  },
  SeparableConv2D(call) {
    const { layer, config, name, graph } = call;
    const [kernel, pointwise, bias] = layer.getWeights();
    const inputs = [
      depthwise(call, kernel, []),
      graph.weight(`${name}.pointwise`, pointwise, [3, 2, 0, 1]),
      ...(bias ? [graph.weight(`${name}.bias`, bias)] : []),
    ];
    const output = graph.add("Conv", inputs, `${name}.sum`, { kernel_shape: [1, 1] });
    return activate(output, config.activation, name, graph);
  },
  Dense({ layer, config, name, input, graph }) {
    const [kernel, bias] = layer.getWeights();
    if (input.shape.length > 1) {
      const product = [channelsLast(input, name, graph), graph.weight(`${name}.kernel`, kernel)];
      let sum = graph.add("MatMul", product, `${name}.product`);
      if (bias) sum = graph.add("Add", [sum, graph.weight(`${name}.bias`, bias)], `${name}.biased`);
      const first = channelsFirst(sum, input.shape, `${name}.sum`, graph);
      return activate(first, config.activation, name, graph);
    }
    const output = graph.add(
      "Gemm",
      [
        input.name,
        graph.weight(`${name}.kernel`, kernel),
        ...(bias ? [graph.weight(`${name}.bias`, bias)] : []),
      ],
      `${name}.sum`,
    );
    return activate(output, config.activation, name, graph);
  },
  BatchNormalization({ layer, config, name, input, graph }) {
    const rank = input.shape.length;
    if (config.axis !== -1 && config.axis !== rank) {
      throw new UnknownLayer("normalizes another axis than the last");
    }
    const weights = layer.getWeights();
    const channels = input.shape[rank - 1];
    const constant = (part: string, value: number) =>
      graph.constant(
        `${name}.${part}`,
        [channels],
        () => Promise.resolve(new Float32Array(channels).fill(value)),
      );
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
  LayerNormalization({ layer, config, name, input, graph }) {
    const rank = input.shape.length, weights = layer.getWeights();
    if (![-1, rank].includes([config.axis].flat()[0] as number)) {
      throw new UnknownLayer("normalizes another axis than the last");
    }
    // Channels are axis 1 in ONNX; of images, weights are broadcast over height and width.
    const shape = [input.shape[rank - 1], ...Array(rank - 1).fill(1)];
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
  MaxPooling2D: (call) =>
    call.graph.add(
      "MaxPool",
      [call.input.name],
      call.name,
      windowOf(call, pair(call.config.poolSize), call.config.strides),
    ),
  AveragePooling2D: (call) =>
    call.graph.add(
      "AveragePool",
      [call.input.name],
      call.name,
      windowOf(call, pair(call.config.poolSize), call.config.strides),
    ),
  GlobalAveragePooling2D: (call) => global("GlobalAveragePool", call),
  GlobalMaxPooling2D: (call) => global("GlobalMaxPool", call),
  Flatten: ({ input, name, graph }) =>
    // TensorFlow.js flattens with channels last, as the next layer's weights expect.
    graph.add("Flatten", [channelsLast(input, name, graph)], name, { axis: 1 }),
  Reshape({ layer, input, name, graph }) {
    const shape = (layer.outputShape as number[]).slice(1);
    const to = graph.constant(
      `${name}.shape`,
      [shape.length + 1],
      () => Promise.resolve(BigInt64Array.from([-1, ...shape], BigInt)),
    );
    const values = [channelsLast(input, name, graph), to];
    return channelsFirst(graph.add("Reshape", values, `${name}.values`), shape, name, graph);
  },
  Activation: ({ config, input, name, graph }) =>
    activate(input.name, config.activation, name, graph),
  Softmax({ config, input, name, graph }) {
    if (config.axis !== -1 && config.axis !== input.shape.length) {
      throw new UnknownLayer("takes the softmax of another axis than the last");
    }
    return activate(input.name, "softmax", name, graph);
  },
  ReLU({ config, input, name, graph }) {
    const relu = graph.add("Relu", [input.name], config.maxValue == null ? name : `${name}.relu`);
    if (config.maxValue == null) return relu;
    const most = Float32Array.of(config.maxValue as number);
    const limit = graph.constant(`${name}.maxValue`, [], () => Promise.resolve(most));
    return graph.add("Min", [relu, limit], name);
  },
  LeakyReLU: ({ config, input, name, graph }) =>
    graph.add("LeakyRelu", [input.name], name, { alpha: { float: config.alpha as number } }),
  Add: ({ inputs, name, graph }) =>
    inputs.map((input) => input.name).reduce((sum, input, i) =>
      graph.add("Add", [sum, input], i === inputs.length - 1 ? name : `${name}.sum${i}`)
    ),
  Multiply: ({ inputs, name, graph }) =>
    inputs.map((input) => input.name).reduce((product, input, i) =>
      graph.add("Mul", [product, input], i === inputs.length - 1 ? name : `${name}.product${i}`)
    ),
  Concatenate({ config, inputs, name, graph }) {
    if (config.axis !== -1 && config.axis !== inputs[0].shape.length) {
      throw new UnknownLayer("concatenates another axis than the last");
    }
    return graph.add("Concat", inputs.map((input) => input.name), name, { axis: 1 });
  },
  ELU: ({ config, input, name, graph }) =>
    graph.add("Elu", [input.name], name, { alpha: { float: config.alpha as number } }),
  PReLU({ layer, input, name, graph }) {
    const [alpha] = layer.getWeights();
    const axes = alpha.shape.map((_, axis) => axis === 0 ? alpha.shape.length - 1 : axis - 1);
    return graph.add("PRelu", [input.name, graph.weight(`${name}.alpha`, alpha, axes)], name);
  },
  // No-ops in inference.
  Dropout: ({ input }) => input.name,
  SpatialDropout1D: ({ input }) => input.name,
  GaussianNoise: ({ input }) => input.name,
  GaussianDropout: ({ input }) => input.name,
};

/** Transposes values of several axes, whose channels are the first in ONNX. */
function channelsLast({ name: input, shape }: Value, name: string, graph: Graph): string {
  if (shape.length === 1) return input;
  const perm = [0, ...shape.map((_, axis) => (axis + 1) % shape.length + 1)];
  return graph.add("Transpose", [input], `${name}.last`, { perm });
}

/** Transposes values whose channels are the last, as in TensorFlow.js. */
function channelsFirst(
  input: string,
  { length }: readonly number[],
  name: string,
  graph: Graph,
): string {
  if (length === 1) return input;
  const perm = [0, length, ...Array.from({ length: length - 1 }, (_, axis) => axis + 1)];
  return graph.add("Transpose", [input], name, { perm });
}

/** Activation operators by TensorFlow.js name. */
const functions: Record<string, string> = {
  relu: "Relu",
  sigmoid: "Sigmoid",
  tanh: "Tanh",
  elu: "Elu",
  selu: "Selu",
  softplus: "Softplus",
  softsign: "Softsign",
};

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
  return graph.constant(name, [], () => Promise.resolve(Float32Array.of(value)));
}

/** Adds a convolution of each channel by itself; `bias` has its name, if there is one. */
function depthwise(call: Call, kernel: Weight, bias: readonly string[]): string {
  const { config, name, input, graph } = call;
  const [height, width, from, multiplier] = kernel.shape;
  const window = windowOf(call, [height, width], config.strides, pair(config.dilationRate ?? 1));
  const shape = [from * multiplier, 1, height, width];
  const filters = graph.weight(`${name}.depthwise`, kernel, [2, 3, 0, 1], shape);
  return graph.add("Conv", [input.name, filters, ...bias], `${name}.channels`, {
    ...window,
    group: from,
  });
}

function activate(input: string, activation: unknown, name: string, graph: Graph): string {
  if (activation == null || activation === "linear") return input;
  // Channels are the last axis in TensorFlow.js and the first one in ONNX.
  if (activation === "softmax") return graph.add("Softmax", [input], name, { axis: 1 });
  if (Object.hasOwn(composed, String(activation))) {
    return composed[String(activation)](input, name, graph);
  }
  const operator = functions[String(activation)];
  if (!operator) throw new UnknownLayer(`has the activation ${activation}`);
  return graph.add(operator, [input], name);
}

function global(operator: string, { input, name, graph }: Call): string {
  return graph.add("Flatten", [graph.add(operator, [input.name], `${name}.all`)], name, {
    axis: 1,
  });
}

/** Returns window, strides and padding. TensorFlow pads more at the end. */
function windowOf(
  { config, input }: Call,
  size: readonly number[],
  steps: unknown,
  dilations: readonly number[] = [1, 1],
): Record<string, Attribute> {
  if (config.dataFormat === "channelsFirst") throw new UnknownLayer("has its channels first");
  const strides = pair(steps ?? size);
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

function pair(value: unknown): [number, number] {
  return typeof value === "number" ? [value, value] : value as [number, number];
}
