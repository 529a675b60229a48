/**
 * SSD (Liu et al. 2016) on MobileNet v1 (Howard et al. 2017), with face-api's weights.
 *
 * Implemented on TensorFlow.js directly, with the boxes and scores of face-api, to save time: batch
 * normalization is folded into the convolutions, these run as fused kernels, and the input may be
 * smaller than 512 pixels.
 */
import * as tf from "@tensorflow/tfjs-core";
import { readTensor } from "../../../../packages/compute/read_tensor.ts";
import type { Detection, DetectorModel } from "../../detector.ts";
import type { Box } from "../../../images/image.ts";
import {
  type Convolution,
  nonMaxSuppression,
  readWeights,
  sigmoid,
  type Weights,
} from "../../tfjs_detector.ts";

/** Strides of MobileNet's 13 pairs of a depthwise and a pointwise convolution. */
const strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1] as const;
/** The pair whose output the first, finest box predictor reads. */
const FINEST_PAIR = 11;
/** Epsilon of batch normalization: TensorFlow Object Detection's 0.001. */
const EPSILON = 0.001;
const MAX_IOU = 0.5;
/** Input size for which the anchors are stored. */
const ANCHOR_INPUT_SIZE = 512;
/** Side of each predictor's grid at that size, and anchors per cell. */
const grids = [[32, 3], [16, 6], [8, 6], [4, 6], [2, 6], [1, 6]] as const;

export async function open(minConfidence: number): Promise<DetectorModel> {
  const weights = await readWeights(
    import.meta.resolve("@vladmandic/face-api/model/ssd_mobilenetv1_model-weights_manifest.json"),
  );
  const corners = await readTensor(weights("Output/extra_dim"));
  const network = build(weights);
  const anchors = new Map<number, Box[]>();
  return {
    async detect({ data: pixels, width: size }) {
      if (!anchors.has(size)) anchors.set(size, anchorBoxes(corners, size));
      const values = new Float32Array(pixels.length);
      for (let i = 0; i < values.length; i++) values[i] = pixels[i] / 127.5 - 1;
      const outputs = tf.tidy(() => network.forward(tf.tensor4d(values, [1, size, size, 3])));
      const [offsets, logits] = await Promise.all(outputs.map(readTensor));
      tf.dispose(outputs);

      const found: Detection[] = [];
      for (const [i, anchor] of anchors.get(size)!.entries()) {
        const score = sigmoid(logits[i * 3 + 1]); // classes: background, face, unused
        if (score <= minConfidence) continue;
        // The encoding of Ren et al. 2015, equation 2, with the variances 0.1 and 0.2.
        const height = anchor.height * Math.exp(offsets[i * 4 + 2] / 5);
        const width = anchor.width * Math.exp(offsets[i * 4 + 3] / 5);
        const y = anchor.y + anchor.height * offsets[i * 4] / 10;
        const x = anchor.x + anchor.width * offsets[i * 4 + 1] / 10;
        const left = Math.max(0, x - width / 2), right = Math.min(size, x + width / 2);
        const top = Math.max(0, y - height / 2), bottom = Math.min(size, y + height / 2);
        found.push({ box: { x: left, y: top, width: right - left, height: bottom - top }, score });
      }
      return nonMaxSuppression(found, MAX_IOU);
    },
    close: () => network.close(),
  };
}

/**
 * Returns the anchors in output order, in pixels of the input; x and y are centers. Their sizes and
 * distances in pixels do not depend on the input size.
 * @param corners top, left, bottom, right of each anchor in an input of 512 pixels, as shares of it
 */
function anchorBoxes(corners: Float32Array, inputSize: number): Box[] {
  const anchors: Box[] = [];
  let first = 0; // of this grid's anchors, among those for an input of 512
  for (const [side, each] of grids) {
    const stride = ANCHOR_INPUT_SIZE / side;
    const cells = Math.ceil(inputSize / stride);
    for (let cell = 0; cell < cells * cells; cell++) {
      for (let k = 0; k < each; k++) {
        const [top, left, bottom, right] = corners.subarray((first + k) * 4, (first + k) * 4 + 4);
        anchors.push({
          x: (cell % cells + 0.5) * stride,
          y: (Math.floor(cell / cells) + 0.5) * stride,
          width: (right - left) * ANCHOR_INPUT_SIZE,
          height: (bottom - top) * ANCHOR_INPUT_SIZE,
        });
      }
    }
    first += side * side * each;
  }
  return anchors;
}

/** Builds the network, which owns its weights until it is closed. */
function build(weights: Weights) {
  const plain = (name: string, bias: string): Convolution => ({
    filter: weights(`${name}/weights`),
    bias: weights(`${name}/${bias}`),
  });
  const normal = (name: string) => plain(name, "convolution_bn_offset");
  /** Folds batch normalization into a depthwise convolution. */
  const depthwise = (name: string): Convolution => {
    const norm = `${name}/BatchNorm`;
    const [filter, bias] = tf.tidy(() => {
      const deviation = tf.sqrt(tf.add(weights(`${norm}/moving_variance`), EPSILON));
      const scale = tf.div(weights(`${norm}/gamma`), deviation); // [channels]
      const shift = tf.mul(weights(`${norm}/moving_mean`), scale);
      return [
        tf.mul(weights(`${name}/depthwise_weights`), tf.reshape(scale, [1, 1, -1, 1])),
        tf.sub(weights(`${norm}/beta`), shift),
      ];
    });
    folded.push(filter, bias);
    return { filter: filter as tf.Tensor4D, bias: bias as tf.Tensor1D };
  };
  const folded: tf.Tensor[] = [];

  const stem = normal("MobilenetV1/Conv2d_0_pointwise");
  const pairs = strides.map((stride, i) => ({
    stride,
    depthwise: depthwise(`MobilenetV1/Conv2d_${i + 1}_depthwise`),
    pointwise: normal(`MobilenetV1/Conv2d_${i + 1}_pointwise`),
  }));
  const extras = Array.from({ length: 8 }, (_, i) => normal(`Prediction/Conv2d_${i}_pointwise`));
  const predictors = grids.map((_, i) => ({
    box: plain(`Prediction/BoxPredictor_${i}/BoxEncodingPredictor`, "biases"),
    class: plain(`Prediction/BoxPredictor_${i}/ClassPredictor`, "biases"),
  }));

  return {
    /** Maps pixels in -1 to 1, [1, size, size, 3], to offsets [anchors, 4] and logits [anchors, 3]. */
    forward(pixels: tf.Tensor4D): [tf.Tensor2D, tf.Tensor2D] {
      const maps: tf.Tensor4D[] = [];
      let x = relu6(pixels, stem, 2);
      for (const [i, { stride: strides, depthwise, pointwise }] of pairs.entries()) {
        const options = { ...depthwise, strides, pad: "same", activation: "relu6" } as const;
        x = relu6(tf.fused.depthwiseConv2d({ x, ...options }), pointwise, 1);
        if (i + 1 === FINEST_PAIR) maps.push(x); // [1, size / 16, size / 16, 512]
      }
      maps.push(x); // [1, size / 32, size / 32, 1024]
      for (const [i, extra] of extras.entries()) {
        x = relu6(x, extra, i % 2 === 0 ? 1 : 2);
        if (i % 2 === 1) maps.push(x);
      }
      const read = (which: "box" | "class", last: number) =>
        tf.concat(maps.map((map, i) => {
          const { filter, bias } = predictors[i][which];
          const values = tf.fused.conv2d({ x: map, filter, bias, strides: 1, pad: "same" });
          return tf.reshape(values, [-1, last]) as tf.Tensor2D;
        }));
      return [read("box", 4), read("class", 3)];
    },
    close() {
      tf.dispose(folded);
      weights.close();
    },
  };
}

function relu6(x: tf.Tensor4D, { filter, bias }: Convolution, strides: number): tf.Tensor4D {
  return tf.fused.conv2d({ x, filter, bias, strides, pad: "same", activation: "relu6" });
}
