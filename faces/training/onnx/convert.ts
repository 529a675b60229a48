/**
 * Export of a trained network as ONNX. Its input is bytes of [batch, size, size, 3], as in
 * `images.npy`; scaling and transposition are part of the graph.
 */
import { join } from "node:path";
import type { layers, LayersModel, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { type Tensor, transpose } from "@tensorflow/tfjs-core";
import { takeTensor } from "../predict_rows.ts";
import type { ExportFormat } from "../training_params.ts";
import type { TrainingRecord } from "../training_record.ts";
import { type OnnxNode, type OnnxValue, writeOnnx } from "../../../packages/formats/onnx.ts";
import {
  type Constant,
  convertLayer,
  type Graph,
  UnknownLayer,
  type Value,
} from "./onnx_layers.ts";

/**
 * Checks before training that a network can be exported in all formats.
 * @throws if it cannot, with the reason
 */
export function checkExports(model: LayersModel, formats: readonly ExportFormat[]): void {
  if (formats.includes("onnx")) convert(model, { divisor: 255 }, "output");
}

/** Writes a trained network into a model's folder, in all formats. */
export async function writeExports(
  model: LayersModel,
  folder: string,
  { task, classes, input, preprocessing }: Pick<
    TrainingRecord,
    "task" | "classes" | "input" | "preprocessing"
  >,
  formats: readonly ExportFormat[],
): Promise<void> {
  if (!formats.includes("onnx")) return;
  const { size, divisor, mirror } = input;
  const [name, description] = classes === null
    ? task === "age"
      ? ["years", "Age in years; what is below 0 means 0"]
      : ["value", `${task}, in the unit of its labels`]
    : ["probabilities", `Of the classes ${classes.map(({ label }) => `"${label}"`).join(", ")}`];
  const { nodes, weights } = convert(model, input, name);
  const constants = await Array.fromAsync(weights, async ({ values, ...constant }) => ({
    ...constant,
    values: typeof values === "function" ? await values() : values,
  }));
  const shape = ["batch", ...model.outputs[0].shape.slice(1) as number[]];
  const bytes = writeOnnx({
    name: model.name,
    description: `${task[0].toUpperCase()}${task.slice(1)} of a face, from RGB bytes of ` +
      `${size} x ${size} pixels`,
    inputs: [inputOf(model)],
    outputs: [{ name, description, type: "float32", shape }],
    constants,
    nodes,
    metadata: {
      task,
      classes: JSON.stringify(classes),
      input: `images: uint8 [batch, ${size}, ${size}, 3], RGB, 0 to 255; the graph divides by ` +
        `${divisor} and puts the channels first itself` +
        (mirror ? ", and gives the mean of what it says of each image and its mirror image" : ""),
      preprocessing: JSON.stringify(preprocessing),
    },
  });
  await Deno.writeFile(join(folder, "model.onnx"), bytes);
}

function inputOf({ inputs, name }: LayersModel): OnnxValue {
  const [, ...shape] = inputs[0].shape;
  if (inputs.length !== 1 || shape.length !== 3 || shape.some((size) => size === null)) {
    throw new Error(
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
  { divisor, mirror }: Pick<TrainingRecord["input"], "divisor" | "mirror">,
  output: string,
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
    name,
    shape: shape as number[],
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
  const [last] = model.outputs, value = values.get(last)!;
  if (value.shape.length !== 1) {
    throw lacking(last.sourceLayer, model, "ends the network with more than one axis");
  }
  if (mirror) meanOfMirrors(value, output, graph);
  else graph.add("Identity", [value.name], output);
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

function lacking(layer: layers.Layer, model: LayersModel, what: string): Error {
  return new Error(
    `Cannot write "${model.name}" as ONNX: its layer "${layer.name}" ${what}. Train without ` +
      `export: [onnx], or with a network that does without it.`,
  );
}
