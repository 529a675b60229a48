/**
 * face-api's network for the 68 landmarks of iBUG 300-W, with its published weights. Implemented on
 * tfjs-core, because face-api's own builds bundle a second copy of TensorFlow.js.
 */
import * as tf from "@tensorflow/tfjs-core";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { faceLayers, readWeights } from "./tfjs_detector.ts";

export type Point = readonly [x: number, y: number];

/** Opens the network on the current TensorFlow.js backend. */
export async function openLandmarkNet() {
  const weights = await readWeights(
    import.meta.resolve("@vladmandic/face-api/model/face_landmark_68_model-weights_manifest.json"),
  );

  const { input, convolve, separable, dense } = faceLayers(weights);
  /** Halves height and width; each convolution reads the sum of those before. */
  const block = (x: tf.Tensor4D, i: number): tf.Tensor4D => {
    let sum = tf.relu(
      i === 0 ? convolve(x, "dense0/conv0", 2) : separable(x, `dense${i}/conv0`, 2),
    );
    let y = sum;
    for (const j of [1, 2, 3]) {
      sum = tf.add(sum, separable(y, `dense${i}/conv${j}`));
      y = tf.relu(sum);
    }
    return y;
  };
  /** RGB bytes → x and y of each point, [1, 136], as shares of the side. */
  const forward = (pixels: Uint8Array): tf.Tensor => {
    const x = [0, 1, 2, 3].reduce(block, input(pixels));
    return dense(tf.reshape(tf.avgPool(x, 7, 2, "valid"), [1, 256]), "fc");
  };

  return {
    /**
     * @param pixels RGB bytes of a face's square box, [112, 112, 3]
     * @returns 68 points as shares of the box's side, in the order of iBUG 300-W
     */
    async predict(pixels: Uint8Array): Promise<Point[]> {
      const output = tf.tidy(() => forward(pixels));
      const values = await readTensor(output);
      output.dispose();
      return Array.from({ length: 68 }, (_, i) => [values[2 * i], values[2 * i + 1]]);
    },
    close: () => weights.close(),
  };
}
