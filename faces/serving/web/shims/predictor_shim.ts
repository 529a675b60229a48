/**
 * Stands in for faces/training/predictor.ts where the page computes, without the engine: its memory is
 * shared between threads, which browsers allow only to pages that are isolated from other origins.
 */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { predictRows } from "../../../training/predict_rows.ts";
import type { Predictor } from "../../../training/predictor.ts";

export function openPredictor(model: LayersModel): Promise<Predictor> {
  return Promise.resolve({
    fast: false,
    predict: (images, rows, options) => predictRows(model, images, rows, options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}
