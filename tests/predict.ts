/** Predictions of images in memory. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { imagesInMemory } from "../faces/training/image_source.ts";
import { type PredictOptions, predictRows } from "../faces/training/predict_rows.ts";

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
