/**
 * face-api's tiny face detector: a small YOLO v2 (Redmon and Farhadi 2017) of depthwise separable
 * convolutions, with face-api's weights. Implemented here for the reasons in `ssd_network.ts`.
 */
import * as tf from "@tensorflow/tfjs-core";
import { readTensor } from "../../../../packages/compute/read_tensor.ts";
import type { Detection, DetectorModel } from "../../detector.ts";
import { scaleBox } from "../../../images/image.ts";
import { nonMaxSuppression, readWeights, sigmoid } from "../../tfjs_detector.ts";

/** Width and height of the anchors in grid cells of 32 pixels. */
const anchors = [
  [1.603231, 2.094468],
  [6.041143, 7.080126],
  [2.882459, 3.518061],
  [4.266906, 5.178857],
  [9.041765, 10.66308],
] as const;
/** Mean red, green and blue of its training images. */
const mean = [117.001, 114.697, 97.404] as const;
const MAX_IOU = 0.4;

export async function open(minConfidence: number): Promise<DetectorModel> {
  const weights = await readWeights(
    import.meta.resolve(
      "@vladmandic/face-api/model/tiny_face_detector_model-weights_manifest.json",
    ),
  );

  /** Maps mean-subtracted pixels, [1, size, size, 3], to [1, grid, grid, 5 anchors × 5 values]. */
  const forward = (pixels: tf.Tensor4D): tf.Tensor4D => {
    const convolve = (x: tf.Tensor4D, filter: string, bias: string, last = false) =>
      tf.fused.conv2d({
        x,
        filter: weights<tf.Tensor4D>(filter),
        bias: weights<tf.Tensor1D>(bias),
        strides: 1,
        pad: "valid",
        ...(last ? {} : { activation: "leakyrelu", leakyreluAlpha: 0.1 } as const),
      });
    let x = convolve(pixels, "conv0/filters", "conv0/bias");
    for (let i = 1; i <= 5; i++) {
      x = tf.maxPool(x, 2, 2, "same");
      x = tf.depthwiseConv2d(x, weights<tf.Tensor4D>(`conv${i}/depthwise_filter`), 1, "same");
      x = convolve(x, `conv${i}/pointwise_filter`, `conv${i}/bias`);
    }
    x = tf.maxPool(x, 2, 1, "same");
    return convolve(x, "conv8/filters", "conv8/bias", true);
  };

  return {
    async detect({ data: pixels, width: size }) {
      const values = new Float32Array(pixels.length);
      for (let i = 0; i < values.length; i++) values[i] = (pixels[i] - mean[i % 3]) / 255;
      const output = tf.tidy(() => forward(tf.tensor4d(values, [1, size, size, 3])));
      const grid = output.shape[1];
      const raw = await readTensor(output);
      output.dispose();
      const cell = size / grid;
      const found: Detection[] = [];
      for (let i = 0; i * 5 < raw.length; i++) {
        const [dx, dy, dw, dh, logit] = raw.subarray(i * 5, i * 5 + 5);
        const score = sigmoid(logit);
        if (score <= minConfidence) continue;
        const [anchorWidth, anchorHeight] = anchors[i % anchors.length];
        const position = Math.floor(i / anchors.length);
        const width = Math.exp(dw) * anchorWidth, height = Math.exp(dh) * anchorHeight;
        const x = position % grid + sigmoid(dx), y = Math.floor(position / grid) + sigmoid(dy);
        const box = { x: x - width / 2, y: y - height / 2, width, height };
        found.push({ box: scaleBox(box, cell), score });
      }
      return nonMaxSuppression(found, MAX_IOU);
    },
    close: () => weights.close(),
  };
}
