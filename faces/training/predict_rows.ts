/** Predictions of a trained network. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { flipHorizontally, type ImageSource, readBytes, toTensor } from "./image_source.ts";

export interface PredictOptions {
  /** Batch size. Affects predictions only by rounding. */
  batch?: number;
  /** Test-time augmentation, as in `training.json`: averages over the image and its mirror image. */
  mirror?: boolean;
  signal?: AbortSignal;
  /** Called after each batch. */
  onBatch?(images: number): void;
}

/** Predicts some images of a file (an open NpyFile). Returns [rows, outputs], in row order. */
export async function predictRows(
  model: LayersModel,
  images: ImageSource,
  rows: Int32Array,
  options: PredictOptions = {},
): Promise<Float32Array> {
  return await predictBatches(images, rows, options, async (bytes) => {
    await new Promise((resolve) => setTimeout(resolve)); // yields to the event loop
    return await takeTensor(tf.tidy(() => model.apply(toTensor(bytes, images.shape)) as tf.Tensor));
  });
}

/**
 * Predicts images batch by batch. With `mirror`, averages predictions over images and their mirror
 * images (test-time augmentation), which reduces their variance.
 * @param predict predicts images, [n, height, width, 3], as [n, outputs]
 */
export async function predictBatches(
  images: ImageSource,
  rows: Int32Array,
  { batch = 256, mirror, signal, onBatch }: PredictOptions,
  predict: (bytes: Uint8Array) => Promise<Float32Array>,
): Promise<Float32Array> {
  let predictions = new Float32Array();
  for (let start = 0; start < rows.length; start += batch) {
    signal?.throwIfAborted();
    const part = rows.subarray(start, start + batch), bytes = readBytes(images, part);
    let outputs = await predict(bytes);
    if (mirror) {
      const other = await predict(flipHorizontally(bytes, images.shape[2]));
      outputs = outputs.map((value, i) => (value + other[i]) / 2);
    }
    if (start === 0) predictions = new Float32Array(rows.length * outputs.length / part.length);
    predictions.set(outputs, start * outputs.length / part.length);
    onBatch?.(part.length);
  }
  return predictions;
}

/** Reads a tensor and disposes of it. */
export async function takeTensor(tensor: tf.Tensor): Promise<Float32Array> {
  try {
    return await readTensor(tensor);
  } finally {
    tensor.dispose();
  }
}
