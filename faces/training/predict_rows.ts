/** Predictions of a trained network. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import {
  flipHorizontally,
  imagesInMemory,
  type ImageSource,
  readBytes,
  toTensor,
} from "./image_source.ts";

export { loadModel } from "./model_files.ts";

/** Options of predictions. */
export interface PredictOptions {
  /** Batch size. Affects predictions only by rounding. */
  batch?: number;
  /** Test-time augmentation, as in `training.json`: averages over the image and its mirror image. */
  mirror?: boolean;
  signal?: AbortSignal;
  /** Called after each batch. */
  onBatch?(images: number): void;
}

/**
 * Predicts images in memory.
 * @param images bytes of RGB images of the network's input size, [n, size, size, 3]
 * @returns class probabilities or years, [n, outputs]
 */
export async function predict(
  model: LayersModel,
  images: Uint8Array,
  options: PredictOptions = {},
): Promise<Float32Array> {
  const source = imagesInMemory(images, model.inputs[0].shape[1]!);
  const rows = Int32Array.from({ length: source.shape[0] }, (_, row) => row);
  return await predictRows(model, source, rows, options);
}

/** Predicts some images of a file (an open NpyFile). Returns [rows, outputs], in row order. */
export async function predictRows(
  model: LayersModel,
  images: ImageSource,
  rows: Int32Array,
  { batch = 256, mirror, signal, onBatch }: PredictOptions = {},
): Promise<Float32Array> {
  const outputs = model.outputs[0].shape.at(-1)!;
  const [, height, width, channels] = images.shape;
  const ask = async (bytes: Uint8Array): Promise<Float32Array> => {
    const shape = [bytes.length / (height * width * channels), height, width, channels] as const;
    const values = tf.tidy(() => model.apply(toTensor(bytes, [...shape])) as tf.Tensor);
    try {
      return Float32Array.from(await readTensor(values));
    } finally {
      values.dispose();
    }
  };
  const predictions = new Float32Array(rows.length * outputs);
  for (let start = 0; start < rows.length; start += batch) {
    signal?.throwIfAborted();
    const part = rows.subarray(start, start + batch);
    const said = await predictWithFlip(readBytes(images, part), width, mirror, ask);
    predictions.set(said, start * outputs);
    onBatch?.(part.length);
    await new Promise((resolve) => setTimeout(resolve)); // yields to the event loop
  }
  return predictions;
}

/**
 * Predicts images, [n, height, width, 3]. With `mirror`, averages predictions over images and their
 * mirror images (test-time augmentation), which reduces their variance.
 */
export async function predictWithFlip(
  bytes: Uint8Array,
  width: number,
  mirror: boolean | undefined,
  ask: (bytes: Uint8Array) => Promise<Float32Array>,
): Promise<Float32Array> {
  const said = await ask(bytes);
  if (!mirror) return said;
  const other = await ask(flipHorizontally(bytes, width));
  return said.map((value, i) => (value + other[i]) / 2);
}
