/** Writes neural networks as ONNX files (https://onnx.ai): the messages of onnx.proto. */
import { bytesOf, concat, float, integer, integers, message, text } from "./protobuf.ts";

/** Versions of the operators and of the format (ONNX 1.12). */
const OPSET = 17;
const IR_VERSION = 8;

/** TensorProto.DataType. */
const types = { float32: 1, uint8: 2, int64: 7 } as const;
type DataType = keyof typeof types;

/** An input or output. A text in its shape names a free size, such as the batch size. */
export interface OnnxValue {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly (number | string)[];
  readonly description: string;
}

/** An operator, with the names of its inputs and its output. */
export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** Integers, or a float as `{ float }`. */
export type Attribute = number | readonly number[] | { readonly float: number };

/** A constant, such as weights. */
export interface OnnxConstant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

export interface OnnxModel {
  readonly name: string;
  readonly description: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly constants: readonly OnnxConstant[];
  /** In topological order. */
  readonly nodes: readonly OnnxNode[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Returns the bytes of an .onnx file; equal models give equal bytes.
 *
 * @example
 * ```ts
 * const value = { type: "float32", shape: ["batch", 2], description: "" } as const;
 * const bytes = writeOnnx({
 *   name: "double",
 *   description: "y = x + x",
 *   inputs: [{ name: "x", ...value }],
 *   outputs: [{ name: "y", ...value }],
 *   constants: [],
 *   nodes: [{ operator: "Add", inputs: ["x", "x"], output: "y" }],
 *   metadata: {},
 * });
 * ```
 */
export function writeOnnx(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const graph = concat(
    ...model.nodes.map((node) => message(1, nodeProto(node))),
    text(2, model.name),
    ...model.constants.map((constant) => message(5, tensorProto(constant))),
    ...model.inputs.map((value) => message(11, valueProto(value))),
    ...model.outputs.map((value) => message(12, valueProto(value))),
  );
  return concat(
    integer(1, IR_VERSION),
    text(2, "faces"), // producer_name
    text(6, model.description),
    message(7, graph),
    message(8, integer(2, OPSET)), // opset_import; the domain "" is ONNX's own
    ...Object.entries(model.metadata).map(([name, value]) =>
      message(14, concat(text(1, name), text(2, value)))
    ),
  );
}

function nodeProto({ operator, inputs, output, attributes = {} }: OnnxNode): Uint8Array {
  return concat(
    ...inputs.map((name) => text(1, name)),
    text(2, output),
    text(3, output), // the node is named after its output
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) => message(5, attribute(name, value))),
  );
}

/** AttributeProto: f = 2 (type 1), i = 3 (type 2), ints = 8 (type 7). */
function attribute(name: string, value: Attribute): Uint8Array {
  const [written, type] = typeof value === "number"
    ? [integer(3, value), 2]
    : "float" in value
    ? [float(2, value.float), 1]
    : [integers(8, value), 7];
  return concat(text(1, name), written, integer(20, type));
}

function tensorProto({ name, shape, values }: OnnxConstant): Uint8Array {
  const type = types[values instanceof BigInt64Array ? "int64" : "float32"];
  return concat(integers(1, shape), integer(2, type), text(8, name), message(9, bytesOf(values)));
}

function valueProto({ name, type, shape, description }: OnnxValue): Uint8Array {
  const dimensions = shape.map((size) =>
    message(1, typeof size === "string" ? text(2, size) : integer(1, size))
  );
  const tensor = concat(integer(1, types[type]), message(2, concat(...dimensions)));
  return concat(text(1, name), message(2, message(1, tensor)), text(3, description));
}
