/**
 * face-api's network for the 68 landmarks of iBUG 300-W, with its published weights. Implemented on
 * tfjs-core, because face-api's own builds bundle a second copy of TensorFlow.js.
 */
import * as tf from "@tensorflow/tfjs-core";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { readWeights } from "./tfjs_detector.ts";

/** Width and height of the input, pixels. */
export const INPUT_SIZE = 112;
/** Mean red, green and blue of the network's training images. */
const MEAN = [122.782, 117.001, 104.298];

export type Point = readonly [x: number, y: number];

/** Opens the network on the current TensorFlow.js backend. */
export async function openLandmarkNet() {
  const weights = await readWeights(
    import.meta.resolve("@vladmandic/face-api/model/face_landmark_68_model-weights_manifest.json"),
  );

  const convolve = (x: tf.Tensor4D, name: string, filter: string, strides = 1): tf.Tensor4D =>
    tf.fused.conv2d({
      x,
      filter: weights<tf.Tensor4D>(`${name}/${filter}`),
      strides,
      pad: "same",
      bias: weights<tf.Tensor1D>(`${name}/bias`),
    });
  const separable = (x: tf.Tensor4D, name: string, strides = 1): tf.Tensor4D => {
    const filter = weights<tf.Tensor4D>(`${name}/depthwise_filter`);
    return convolve(tf.depthwiseConv2d(x, filter, strides, "same"), name, "pointwise_filter");
  };
  /** Halves height and width; each convolution reads the sum of those before. */
  const block = (x: tf.Tensor4D, i: number): tf.Tensor4D => {
    let sum = tf.relu(
      i === 0 ? convolve(x, "dense0/conv0", "filters", 2) : separable(x, `dense${i}/conv0`, 2),
    );
    let y = sum;
    for (const j of [1, 2, 3]) {
      sum = tf.add(sum, separable(y, `dense${i}/conv${j}`));
      y = tf.relu(sum);
    }
    return y;
  };
  /** [1, 112, 112, 3], 0 to 255 → x and y of each point, [1, 136], as shares of the side. */
  const forward = (pixels: tf.Tensor4D): tf.Tensor => {
    let x = tf.div<tf.Tensor4D>(tf.sub(pixels, MEAN), 255);
    for (const i of [0, 1, 2, 3]) x = block(x, i);
    const features = tf.reshape(tf.avgPool(x, 7, 2, "valid"), [1, 256]);
    return tf.add(tf.matMul(features, weights<tf.Tensor2D>("fc/weights")), weights("fc/bias"));
  };

  return {
    /**
     * @param pixels RGB bytes of a face's square box, [112, 112, 3]
     * @returns 68 points as shares of the box's side, in the order of iBUG 300-W
     */
    async predict(pixels: Uint8Array): Promise<Point[]> {
      const shape: [number, number, number, number] = [1, INPUT_SIZE, INPUT_SIZE, 3];
      const output = tf.tidy(() => forward(tf.tensor4d(Float32Array.from(pixels), shape)));
      const values = await readTensor(output);
      output.dispose();
      return Array.from({ length: 68 }, (_, i) => [values[2 * i], values[2 * i + 1]]);
    },
    close: () => weights.close(),
  };
}
