/**
 * The compute backends of TensorFlow.js, made ready for training.
 *
 * All of tfjs is imported by bare name, so that one copy of tfjs-core serves all: a second one
 * (CommonJS beside ES modules) would keep its own list of kernels.
 */
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers the gradients
import { type Backend, findInstallation, notInstalled, type OptionalBackend } from "./backends.ts";

/** Our names of the backends → tfjs's. */
const tfjsNames: Record<Backend, string> = {
  wasm: "wasm",
  webgpu: "webgpu",
  cpu: "cpu",
  node: "tensorflow",
  "node-gpu": "tensorflow",
};

/**
 * Makes `backend` the one that tfjs computes on, loading it if need be.
 * @throws if it cannot be loaded or started, saying why and what to do
 */
export async function openBackend(backend: Backend): Promise<void> {
  const name = tfjsNames[backend];
  if (name === undefined) {
    const known = Object.keys(tfjsNames).join(", ");
    throw new Error(
      `Cannot compute on "${backend}": there is no such backend. Take one of ${known}.`,
    );
  }
  if (tf.findBackendFactory(name) === null) await load[backend]();
  if (tf.getBackend() !== name && !await tf.setBackend(name)) {
    throw new Error(`Cannot compute on "${backend}": it did not start. See the warnings above.`);
  }
}

const load: Record<Backend, () => Promise<void>> = {
  async wasm() {
    const name = "@tensorflow/tfjs-backend-wasm";
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    // The binaries lie in the package, beside its entry: nothing is fetched.
    setWasmPaths(fileURLToPath(new URL("./", import.meta.resolve(name))));
    // Its threads are web workers made from a blob, which Deno's node:worker_threads refuses.
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    const { registerTrainingKernels } = await import("./kernels/mod.ts");
    registerTrainingKernels();
  },
  async webgpu() {
    await (await import("./webgpu.ts")).loadWebGpu();
  },
  async cpu() {
    await import("@tensorflow/tfjs-backend-cpu");
  },
  node: () => openNode("node"),
  "node-gpu": () => openNode("node-gpu"),
};

async function openNode(backend: OptionalBackend): Promise<void> {
  const installation = await findInstallation(backend);
  if (installation === undefined) throw notInstalled(backend);
  (await import("./tfjs_node.ts")).loadNode(backend, installation);
}
