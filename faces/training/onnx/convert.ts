/**
 * Conversion of a trained network to ONNX. Its input is bytes of [batch, size, size, 3], as in
 * `images.npy`; scaling and transposition are part of the graph.
 */
import type { layers, LayersModel, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { type Tensor, transpose } from "@tensorflow/tfjs-core";
import { takeTensor } from "../predict_rows.ts";
import { type OnnxNode, type OnnxValue, writeOnnx } from "../../../packages/formats/onnx.ts";
import {
  type Constant,
  convertLayer,
  type Graph,
  UnknownLayer,
  type Value,
} from "./onnx_layers.ts";

/** Documentation of inputs and outputs, and preprocessing. */
export interface OnnxMeaning {
  readonly description: string;
  readonly divisor: number;
  /** Test-time augmentation: averages over the image and its mirror image. */
  readonly mirror?: boolean;
  /** Name and description of each output, in the model's order. */
  readonly outputs: readonly { readonly name: string; readonly description: string }[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Error: the network cannot be converted to ONNX. */
export class NotExportable extends Error {
  override readonly name = "NotExportable";
}

/** Checks that a network can be converted. @throws {NotExportable} naming the unsupported layer */
export function checkOnnx(model: LayersModel): void {
  convert(model, { divisor: 255 }, model.outputs.map((_, i) => `output${i}`));
}

/** Converts a network to the bytes of an .onnx file. @throws {NotExportable} */
export async function toOnnx(model: LayersModel, meaning: OnnxMeaning): Promise<Uint8Array> {
  const names = meaning.outputs.map(({ name }) => name);
  const { nodes, weights } = convert(model, meaning, names);
  const constants = await Array.fromAsync(weights, async ({ values, ...constant }) => ({
    ...constant,
    values: typeof values === "function" ? await values() : values,
  }));
  return writeOnnx({
    name: model.name,
    description: meaning.description,
    inputs: [inputOf(model)],
    outputs: model.outputs.map(({ shape }, i): OnnxValue => ({
      ...meaning.outputs[i],
      type: "float32",
      shape: ["batch", ...shape.slice(1) as number[]],
    })),
    constants,
    nodes,
    metadata: meaning.metadata,
  });
}

function inputOf({ inputs, name }: LayersModel): OnnxValue {
  const [, ...shape] = inputs[0].shape;
  if (inputs.length !== 1 || shape.length !== 3 || shape.some((size) => size === null)) {
    throw new NotExportable(
      `Cannot write "${name}" as ONNX: its input is not images of one size. Train without ` +
        `export: [onnx].`,
    );
  }
  return {
    name: "images",
    type: "uint8",
    shape: ["batch", ...shape as number[]],
    description: "Faces as RGB bytes, height × width × channels, cut and scaled as in training",
  };
}

function convert(
  model: LayersModel,
  { divisor, mirror }: Pick<OnnxMeaning, "divisor" | "mirror">,
  outputs: readonly string[],
): { nodes: OnnxNode[]; weights: Constant[] } {
  const nodes: OnnxNode[] = [];
  const weights: Constant[] = [];
  const graph: Graph = {
    add(operator, inputs, output, attributes) {
      nodes.push({ operator, inputs, output, ...(attributes ? { attributes } : {}) });
      return output;
    },
    constant(name, shape, values) {
      weights.push({ name, shape, values });
      return name;
    },
    weight(name, tensor, axes = tensor.shape.map((_, axis) => axis), shape) {
      const own = shape ?? axes.map((axis) => tensor.shape[axis]);
      return graph.constant(name, own, () => takeTensor(transpose(tensor as Tensor, axes)));
    },
  };
  const { name: images } = inputOf(model);
  graph.add("Cast", [images], "floats", { to: 1 });
  graph.constant("divisor", [], Float32Array.of(divisor));
  graph.add("Div", ["floats", "divisor"], "scaled");
  graph.add("Transpose", ["scaled"], "planes", { perm: [0, 3, 1, 2] }); // channels first, as in ONNX

  const valueOf = (name: string, { shape: [, ...shape] }: SymbolicTensor): Value => ({
    ...{ name, shape: shape as number[] },
  });
  const [input] = model.inputs, first = mirror ? withMirrors("planes", graph) : "planes";
  const values = new Map([[input, valueOf(first, input)]]);
  for (const layer of model.layers) {
    if (layer.getClassName() === "InputLayer") continue;
    const { inputs, output } = ends(layer, model);
    const taken = inputs.map((tensor) => values.get(tensor)!);
    try {
      values.set(output, valueOf(convertLayer(layer, taken, graph), output));
    } catch (error) {
      if (!(error instanceof UnknownLayer)) throw error;
      throw lacking(layer, model, error.message);
    }
  }
  for (const [i, tensor] of model.outputs.entries()) {
    const value = values.get(tensor)!;
    if (value.shape.length !== 1) {
      throw lacking(tensor.sourceLayer, model, "ends the network with more than one axis");
    }
    if (mirror) meanOfMirrors(value, outputs[i], graph);
    else graph.add("Identity", [value.name], outputs[i]);
  }
  return { nodes, weights };
}

/** Appends the mirror images: [batch, channels, height, width] to [2 batch, ...]. */
function withMirrors(images: string, graph: Graph): string {
  const constant = (name: string, value: bigint) =>
    graph.constant(`mirror.${name}`, [1], BigInt64Array.of(value));
  // From the last column to before the first; ONNX clips the end to the border.
  const slice = [constant("from", -1n), constant("to", -(2n ** 31n)), constant("axis", 3n)];
  const mirrors = graph.add("Slice", [images, ...slice, constant("step", -1n)], "mirror.images");
  return graph.add("Concat", [images, mirrors], "mirror.both", { axis: 0 });
}

/** Averages over each image and its mirror image: [2 batch, columns] to [batch, columns]. */
function meanOfMirrors({ name, shape: [columns] }: Value, output: string, graph: Graph): void {
  const shape = BigInt64Array.of(2n, -1n, BigInt(columns));
  const pairs = graph.constant(`${output}.pairs`, [3], shape);
  const halves = graph.add("Reshape", [name, pairs], `${output}.halves`);
  graph.add("ReduceMean", [halves], output, { axes: [0], keepdims: 0 });
}

/** Returns the input and output tensors of a layer that is used once. */
function ends(layer: layers.Layer, model: LayersModel) {
  const [node, ...others] = layer.inboundNodes;
  if (others.length > 0) throw lacking(layer, model, "is used more than once");
  if (node.outputTensors.length !== 1) throw lacking(layer, model, "has several outputs");
  return { inputs: node.inputTensors, output: node.outputTensors[0] };
}

function lacking(layer: layers.Layer, model: LayersModel, what: string): NotExportable {
  return new NotExportable(
    `Cannot write "${model.name}" as ONNX: its layer "${layer.name}" ${what}. Train without ` +
      `export: [onnx], or with a network that does without it.`,
  );
}
