/**
 * Batch predictions, by the engine if it supports the layers and the backend is `wasm`, else by
 * TensorFlow.js. Separate from predict_rows.ts, which also runs in web pages.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import { cores } from "../../packages/workers/cores.ts";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { Engine, type EngineOptions, UnsupportedNetwork } from "../../packages/engine/engine.ts";
import { isSoftmax } from "./forward.ts";
import type { ImageSource } from "./image_source.ts";
import { named, toEngineNetwork } from "./to_engine_network.ts";
import { predictBatches, type PredictOptions, predictRows, takeTensor } from "./predict_rows.ts";

/** Predicts rows of a file. */
export interface Predictor extends AsyncDisposable {
  /** True if the engine computes, false for TensorFlow.js. */
  readonly fast: boolean;
  /** Predicts as predictRows does, up to rounding. One call at a time. */
  predict(images: ImageSource, rows: Int32Array, options?: PredictOptions): Promise<Float32Array>;
}

/**
 * Opens a predictor. The model's weights must not change until it is disposed of.
 * @param options of the engine: its batch determines its memory; default: 64. Default threads: `cores()`
 */
export async function openPredictor(
  model: LayersModel,
  { batch = 64, threads = cores() }: Partial<Pick<EngineOptions, "batch" | "threads">> = {},
): Promise<Predictor> {
  const part = tf.getBackend() === "wasm" ? await enginePart(model, { batch, threads }) : undefined;
  if (part === undefined) {
    return {
      fast: false,
      predict: (images, rows, options) => predictRows(model, images, rows, options),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const { engine, rest } = part;
  return {
    fast: true,
    async predict(images, rows, options) {
      const size = images.shape.slice(1).reduce((product, n) => product * n, 1);
      return await predictBatches(
        images,
        rows,
        { ...options, batch },
        async (bytes) => await follow(await engine.predict(bytes), bytes.length / size, rest),
      );
    },
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

/**
 * Opens an engine for a sequence up to its first softmax, or for all layers. Returns it with the
 * remaining layers, or undefined if the engine does not support a layer.
 */
async function enginePart(model: LayersModel, options: EngineOptions) {
  // A graph is computed as a whole.
  const softmax = model.getClassName() === "Sequential" ? model.layers.findIndex(isSoftmax) : -1;
  const first = softmax < 0 ? model.layers : model.layers.slice(0, softmax + 1);
  const rest = model.layers.slice(first.length);
  const weights = first.flatMap((layer) => layer.weights);
  const values = await Promise.all(weights.map((weight) => readTensor(weight.read())));
  const last = rest.length > 0 ? first.at(-1)! : model.outputs[0].sourceLayer;
  const ends = model.outputs.length === 1 && isSoftmax(last);
  const loss = ends ? "categoricalCrossentropy" : "meanAbsoluteError";
  try {
    const engine = await Engine.compile(toEngineNetwork(model, loss, first), options);
    engine.setWeights(named(weights, values));
    return { engine, rest };
  } catch (error) {
    if (error instanceof UnsupportedNetwork) return undefined;
    throw error;
  }
}

/** Applies the remaining layers to the engine's outputs, [rows, columns]. */
async function follow(outputs: Float32Array, rows: number, rest: readonly layers.Layer[]) {
  if (rest.length === 0) return outputs;
  return await takeTensor(tf.tidy(() =>
    rest.reduce<tf.Tensor>(
      (x, layer) => layer.apply(x) as tf.Tensor,
      tf.tensor2d(outputs, [rows, outputs.length / rows]),
    )
  ));
}
