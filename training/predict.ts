/** What a trained network says about images. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { read } from "../compute/read.ts";
import { imagesInMemory, type ImageSource, readBatch } from "./images.ts";

export { loadModel } from "./model.ts";

export interface PredictOptions {
  /** Images at once; the predictions do not depend on it but for rounding. */
  batch?: number;
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
  { batch = 256, signal, onBatch }: PredictOptions = {},
): Promise<Float32Array> {
  const outputs = model.outputs[0].shape.at(-1)!;
  const predictions = new Float32Array(rows.length * outputs);
  for (let start = 0; start < rows.length; start += batch) {
    signal?.throwIfAborted();
    const part = rows.subarray(start, start + batch);
    const values = tf.tidy(() => model.apply(readBatch(images, part)) as tf.Tensor);
    predictions.set(await read(values), start * outputs);
    values.dispose();
    onBatch?.(part.length);
    await new Promise((resolve) => setTimeout(resolve)); // lets the event loop turn
  }
  return predictions;
}
