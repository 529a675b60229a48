/**
 * What a trained network says about many images: by the project's own engine where it knows the
 * layers and the backend is `wasm`, else by TensorFlow.js. Apart from predict.ts, which runs in web
 * pages as well.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import { cores } from "../../packages/workers/cores.ts";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import {
  Engine,
  type EngineOptions,
  type Tensors,
  UnsupportedNetwork,
} from "../../packages/engine/engine.ts";
import { isSoftmax } from "./forward.ts";
import { type ImageSource, readBytes } from "./image_source.ts";
import { toEngineNetwork } from "./to_engine_network.ts";
import { type PredictOptions, predictRows, predictWithFlip } from "./predict_rows.ts";

export interface Predictor extends AsyncDisposable {
  /** Whether the engine computes, and not TensorFlow.js. */
  readonly fast: boolean;
  /** As predictRows, and equal but for rounding. One call at a time. */
  predict(images: ImageSource, rows: Int32Array, options?: PredictOptions): Promise<Float32Array>;
}

export interface PredictorOptions {
  /** Images that the engine sees at once, at most; its memory grows with them. 64 unless given. */
  batch?: number;
  /** The engine's; 0 for the one that asks. */
  threads?: number;
}

/** Opens a network for predictions. It must keep its weights until the predictor is disposed of. */
export async function openPredictor(
  model: LayersModel,
  { batch: most = 64, threads = cores() }: PredictorOptions = {},
): Promise<Predictor> {
  const options: EngineOptions = { batch: most, threads };
  const parts = tf.getBackend() === "wasm" ? await enginePart(model, options) : undefined;
  if (parts === undefined) {
    return {
      fast: false,
      predict: (images, rows, options) => predictRows(model, images, rows, options),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const { engine, rest } = parts;
  return {
    fast: true,
    async predict(images, rows, { mirror, signal, onBatch } = {}) {
      const [, height, width, channels] = images.shape;
      const ask = async (bytes: Uint8Array) =>
        await follow(await engine.predict(bytes), bytes.length / (height * width * channels), rest);
      const said: Float32Array[] = [];
      for (let start = 0; start < rows.length; start += most) {
        signal?.throwIfAborted();
        const batch = rows.subarray(start, start + most);
        said.push(await predictWithFlip(readBytes(images, batch), width, mirror, ask));
        onBatch?.(batch.length);
      }
      return concat(said);
    },
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

/**
 * An engine with the layers up to the first softmax, or all if there is none, and the layers that
 * follow: a few numbers an image. Undefined if the engine lacks one of its layers.
 */
async function enginePart(
  model: LayersModel,
  options: EngineOptions,
): Promise<{ engine: Engine; rest: layers.Layer[] } | undefined> {
  const softmax = model.layers.findIndex(isSoftmax);
  const end = softmax < 0 ? model.layers.length : softmax + 1;
  const first = model.layers.slice(0, end), rest = model.layers.slice(end);
  if (rest.length > 0 && model.getClassName() !== "Sequential") return undefined;
  const weights: Tensors = new Map();
  for (const weight of first.flatMap((layer) => layer.weights)) {
    const data = Float32Array.from(await readTensor(weight.read()));
    weights.set(weight.originalName, { shape: weight.shape as number[], data });
  }
  const loss = softmax < 0 ? "meanAbsoluteError" : "categoricalCrossentropy";
  try {
    const engine = await Engine.compile(toEngineNetwork(model, loss, first), options);
    engine.setWeights(weights);
    return { engine, rest };
  } catch (error) {
    if (error instanceof UnsupportedNetwork) return undefined;
    throw error;
  }
}

/** Lets layers do what is left to do with what the engine gave, [rows, columns]. */
async function follow(
  outputs: Float32Array,
  rows: number,
  rest: readonly layers.Layer[],
): Promise<Float32Array> {
  if (rest.length === 0) return outputs;
  const values = tf.tidy(() =>
    rest.reduce<tf.Tensor>(
      (x, layer) => layer.apply(x) as tf.Tensor,
      tf.tensor2d(outputs, [rows, outputs.length / rows]),
    )
  );
  try {
    return Float32Array.from(await readTensor(values));
  } finally {
    values.dispose();
  }
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
