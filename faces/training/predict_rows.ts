/** What a trained network says about images. */
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

export interface PredictOptions {
  /** Images at once; the predictions do not depend on it but for rounding. */
  batch?: number;
  /** Whether to ask about the mirror images, too, and to take the mean, as `training.json` says. */
  mirror?: boolean;
  signal?: AbortSignal;
  /** Called after each batch. */
  onBatch?(images: number): void;
}

/**
 * Predictions of images in memory.
 * @param images bytes of RGB images of the size that the network takes, [n, size, size, 3]
 * @returns [n, outputs]: probabilities of the classes, or years
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

/** Predictions of some images of a file (an open NpyFile): [rows, outputs], in the rows' order. */
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
    await new Promise((resolve) => setTimeout(resolve)); // lets the event loop turn
  }
  return predictions;
}

/**
 * What a network says of images, [n, height, width, 3]; with `mirror`, the mean of that and of what
 * it says of their mirror images. A face is as old in the mirror: where the two differ, it is by
 * chance, and half of that chance goes.
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
