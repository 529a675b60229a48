/** Stands in for packages/compute/open_backend.ts where the page computes: TensorFlow.js on WebAssembly. */
import * as tf from "@tensorflow/tfjs-core";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";

export async function openBackend(): Promise<void> {
  setWasmPaths("/wasm/");
  // Its threads take a page that is isolated from other origins, and workers made from blobs.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (!await tf.setBackend("wasm")) throw new Error("This browser does not run WebAssembly.");
}
