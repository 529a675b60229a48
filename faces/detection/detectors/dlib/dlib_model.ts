/**
 * Reads the network of dlib's `cnn_face_detection_model_v1` (Davis King, "Max-Margin Object Detection",
 * 2015), whose one published file is in the project. It holds the loss with the detector's window, the
 * image pyramid, then each layer with its training state.
 */

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

export type Model = ReturnType<typeof readModel>;

/**
 * A convolution with its batch normalization folded in. Weights: [row, column, input, output]. A relu
 * follows all but the last one.
 */
export type Layer = Model["layers"][number];

/**
 * Reads `mmod_human_face_detector.dat`. An integer is a control byte (sign in the high bit, number of
 * bytes in the low four) and its absolute value, little-endian; a real number is a mantissa and an
 * exponent, both integers; a string is its length and bytes; a tensor is its version, four sizes and
 * float32 numbers. http://dlib.net/dlib/serialize_abstract.h.html
 */
export function readModel(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const int = () => {
    const control = bytes[at++], size = control & 0x0f;
    const value = bytes.subarray(at, at += size).reduceRight((sum, byte) => sum * 256 + byte, 0);
    return control & 0x80 ? -value : value;
  };
  const ints = (count: number) => Array.from({ length: count }, int);
  const reals = (count: number) =>
    Array.from({ length: count }, () => {
      const [mantissa, exponent] = ints(2);
      return mantissa * 2 ** exponent;
    });
  const skipText = () => {
    const length = int();
    at += length;
  };
  const tensor = () => {
    const [, ...shape] = ints(5), from = at;
    const length = shape.reduce((a, b) => a * b);
    at += 4 * length;
    return Float32Array.from({ length }, (_, i) => view.getFloat32(from + 4 * i, true));
  };
  /** Skips three flags, and the gradients and output of a layer. */
  const skipState = () => {
    at += 3;
    for (let i = 0; i < 3; i++) tensor();
  };
  /** Reads a batch normalization, as an affine map of each channel. */
  const normalization = (channels: number) => {
    skipText();
    const params = tensor();
    ints(2 * 5); // views of them
    for (const _ of ["means of a batch", "deviations of a batch"]) tensor();
    const means = tensor(), variances = tensor();
    ints(2); // updates, window
    const epsilon = reals(5)[4]; // after multipliers of the learning rate and weight decay
    const scale = variances.map((variance, i) => params[i] / Math.sqrt(variance + epsilon));
    const shift = scale.map((s, i) => params[channels + i] - s * means[i]);
    skipState();
    skipText(); // the relu
    skipState();
    return { scale, shift };
  };

  int();
  skipText();
  const [, width, height] = ints(3);
  const [, , , overlap, covered] = reals(7); // after three weights of the loss
  ints(SHAPES.length * 3 - 2); // versions of the layers
  skipText();
  const mean = reals(3);
  const layers = SHAPES.map((shape, i) => {
    const { size, inputs, outputs } = shape;
    skipText();
    const data = tensor();
    ints(7 + 2 * 5); // shape, and views of filters and biases
    reals(4);
    skipState();
    if (i === 0) int();
    const last = i === SHAPES.length - 1;
    const { scale, shift } = last ? { scale: [1], shift: [0] } : normalization(outputs);
    const cells = size * size, count = outputs * inputs * cells;
    const weights = new Float32Array(count);
    // dlib keeps [output, input, row, column].
    for (let output = 0, from = 0; output < outputs; output++) {
      for (let input = 0; input < inputs; input++) {
        for (let cell = 0; cell < cells; cell++, from++) {
          weights[(cell * inputs + input) * outputs + output] = data[from] * scale[output];
        }
      }
    }
    const bias = data.slice(count).map((value, i) => value * scale[i] + shift[i]);
    return { ...shape, weights, bias };
  });
  if (at !== bytes.length) {
    throw new Error(
      `Cannot read dlibCnn's weights: ${at.toLocaleString("en")} bytes expected, the file has ` +
        `${bytes.length.toLocaleString("en")}. Install the project again.`,
    );
  }
  return {
    /** Size in pixels of a face in the network's input. */
    window: { width, height },
    /** Two boxes are one face if they share more than this of the enclosing box, or of one of them. */
    sameFace: { overlap, covered },
    /** Mean red, green and blue, 0 to 255. */
    mean,
    layers,
  };
}
