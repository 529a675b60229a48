/**
 * Replaces modules that the page cannot run: packages/compute/open_backend.ts with TensorFlow.js on
 * WebAssembly, faces/training/predictor.ts with predictions on it, node:path with paths of URLs.
 */
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { registerTrainingKernels } from "../../../../packages/compute/wasm_kernels.ts";
import { predictRows } from "../../../training/predict_rows.ts";
import type { Predictor } from "../../../training/predictor.ts";

export async function openBackend(): Promise<void> {
  setWasmPaths("/wasm/");
  // Threads need a page that is isolated from other origins, and workers made from blobs.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (!await tf.setBackend("wasm")) throw new Error("This browser does not run WebAssembly.");
  // Those of TensorFlow.js are wrong where a stride exceeds a kernel, as in residual networks.
  registerTrainingKernels();
}

/** Opens a predictor without the engine, whose shared memory needs an isolated page. */
export function openPredictor(model: LayersModel): Promise<Predictor> {
  return Promise.resolve({
    fast: false,
    predict: (images, rows, options) => predictRows(model, images, rows, options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

export function join(...parts: string[]): string {
  return parts.join("/");
}
