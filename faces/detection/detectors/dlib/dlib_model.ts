/**
 * Reads the network of dlib's `cnn_face_detection_model_v1` (Davis King, "Max-Margin Object Detection",
 * 2015). The file holds the loss with the detector's window, then the nested layers from last to first,
 * then the image pyramid, which is the input.
 */
import { counted } from "../../../../packages/pipeline/causes.ts";
import { Stream } from "./deserialize.ts";

/** A convolution with its batch normalization folded in, and a relu except on the last one. */
export interface Layer {
  readonly size: number;
  readonly stride: number;
  readonly padding: number;
  readonly inputs: number;
  readonly outputs: number;
  /** [row, column, input, output] */
  readonly weights: Float32Array;
  /** [output] */
  readonly bias: Float32Array;
  readonly relu: boolean;
}

export interface Model {
  /** Size in pixels of a face in the network's input. */
  readonly window: { readonly width: number; readonly height: number };
  /** Two boxes are one face if they share more than this of the enclosing box, or of one of them. */
  readonly sameFace: { readonly overlap: number; readonly covered: number };
  /** Mean red, green and blue, 0 to 255. */
  readonly mean: readonly [number, number, number];
  /** Pixels between the levels of the pyramid, and around all of them. */
  readonly padding: number;
  readonly outerPadding: number;
  readonly layers: readonly Layer[];
}

/** Size, stride, padding and channels of each convolution, from dlib's C++ type. */
const SHAPES = [
  { size: 5, stride: 2, padding: 0, inputs: 3, outputs: 16 },
  { size: 5, stride: 2, padding: 0, inputs: 16, outputs: 32 },
  { size: 5, stride: 2, padding: 0, inputs: 32, outputs: 32 },
  { size: 5, stride: 1, padding: 2, inputs: 32, outputs: 45 },
  { size: 5, stride: 1, padding: 2, inputs: 45, outputs: 45 },
  { size: 5, stride: 1, padding: 2, inputs: 45, outputs: 45 },
  { size: 9, stride: 1, padding: 4, inputs: 45, outputs: 1 },
] as const;

type Shape = typeof SHAPES[number];

/**
 * Reads the file.
 * @param source its name in errors
 * @throws {ModelFormatError} if it is another network or truncated
 */
export function readModel(bytes: Uint8Array, source: string): Model {
  const stream = new Stream(bytes, source);
  stream.expect("the version of the network", 1);
  const loss = readLoss(stream);
  // All layers except the first one begin with their version, the last layer first: a relu, a batch
  // normalization and a convolution each; the last convolution has neither.
  for (let i = 0; i < SHAPES.length * 3 - 3; i++) stream.expect("the version of a layer", 1, 2);
  const version = stream.expect("the version of the first layer", 2, 3);
  const input = readInput(stream);
  const layers = SHAPES.map((shape, i) => {
    const last = i === SHAPES.length - 1;
    const layer = convolution(stream, shape, !last);
    readState(stream, i === 0 ? version : 1);
    if (last) return layer;
    const folded = fold(layer, normalization(stream, shape.outputs));
    readState(stream, 1);
    stream.tag("relu_");
    readState(stream, 1);
    return folded;
  });
  if (stream.rest > 0) {
    stream.fail(`the file should end here, but has ${counted(stream.rest, "byte")} more`);
  }
  return { ...loss, ...input, layers };
}

/** Reads the loss; version 1 has one window and no regression of the box. */
function readLoss(stream: Stream): Pick<Model, "window" | "sameFace"> {
  stream.tag("loss_mmod_");
  stream.expect("the version of the loss's options", 1);
  const width = stream.int("the window's width"), height = stream.int("the window's height");
  if (width < 1 || height < 1) stream.fail(`the window is ${width} × ${height} pixels`);
  for (const what of ["false alarms", "misses", "matches"]) stream.real(`the weight of ${what}`);
  const sameFace = { overlap: stream.real("the overlap"), covered: stream.real("the covering") };
  stream.real("the overlap to ignore");
  stream.real("the covering to ignore");
  return { window: { width, height }, sameFace };
}

function readInput(stream: Stream): Pick<Model, "mean" | "padding" | "outerPadding"> {
  const version = stream.tag("input_rgb_image_pyramid", "input_rgb_image_pyramid2");
  const mean = [stream.real("mean red"), stream.real("mean green"), stream.real("mean blue")];
  // Before version 2 the paddings were fixed.
  const chosen = version.endsWith("2");
  return {
    mean: mean as [number, number, number],
    padding: chosen ? stream.int("the pyramid's padding") : 10,
    outerPadding: chosen ? stream.int("the pyramid's outer padding") : 11,
  };
}

function convolution(stream: Stream, shape: Shape, relu: boolean): Layer {
  const { size, stride, padding, inputs, outputs } = shape;
  const version = stream.tag("con_4", "con_5", "con_6");
  const data = stream.tensor("a convolution's weights");
  const count = outputs * inputs * size * size;
  if (data.length !== count + outputs) {
    stream.fail(`a convolution has ${data.length} weights, not ${count + outputs}`);
  }
  stream.expect("the number of filters", outputs);
  for (const what of ["height", "width"]) stream.expect(`the filters' ${what}`, size);
  for (const what of ["rows", "columns"]) stream.expect(`the stride in ${what}`, stride);
  for (const what of ["rows", "columns"]) stream.expect(`the padding in ${what}`, padding);
  stream.alias("the filters");
  stream.alias("the biases");
  for (let i = 0; i < 4; i++) stream.real("a multiplier of the learning rate or weight decay");
  if (version !== "con_4") stream.bool("whether there are biases");
  if (version === "con_6") stream.bool("whether a relu is inside");

  // dlib keeps [output, input, row, column].
  const weights = new Float32Array(count);
  for (let output = 0, from = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      for (let cell = 0; cell < size * size; cell++, from++) {
        weights[(cell * inputs + input) * outputs + output] = data[from];
      }
    }
  }
  return { ...shape, relu, weights, bias: data.slice(count) };
}

/** Reads a batch normalization, as an affine map of each channel. */
function normalization(stream: Stream, channels: number) {
  stream.tag("bn_con2");
  const what = "a batch normalization's";
  const tensor = (name: string, count: number) => {
    const data = stream.tensor(`${what} ${name}`);
    if (data.length !== count) stream.fail(`${what} ${name} are ${data.length}, not ${count}`);
    return data;
  };
  const params = tensor("scale and shift", 2 * channels);
  stream.alias(`${what} scale`);
  stream.alias(`${what} shift`);
  tensor("means of a batch", channels);
  tensor("deviations of a batch", channels);
  const means = tensor("means", channels), variances = tensor("variances", channels);
  stream.int(`${what} updates`);
  stream.int(`${what} window`);
  for (let i = 0; i < 4; i++) stream.real("a multiplier of the learning rate or weight decay");
  const epsilon = stream.real(`${what} epsilon`);
  const scale = Float32Array.from(
    variances,
    (variance, i) => params[i] / Math.sqrt(variance + epsilon),
  );
  return { scale, shift: scale.map((s, i) => params[channels + i] - s * means[i]) };
}

/** Folds the affine map after a convolution into it. */
function fold(layer: Layer, { scale, shift }: ReturnType<typeof normalization>): Layer {
  return {
    ...layer,
    weights: layer.weights.map((weight, i) => weight * scale[i % layer.outputs]),
    bias: layer.bias.map((bias, i) => bias * scale[i] + shift[i]),
  };
}

/** Skips a layer's state of training. */
function readState(stream: Stream, version: number): void {
  for (let i = 0; i < 3; i++) stream.bool("a layer's state");
  for (const what of ["gradient", "output", "parameters' gradient"]) {
    stream.tensor(`a layer's ${what}`);
  }
  if (version === 3) stream.int("the number of samples from one");
}
