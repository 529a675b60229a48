/**
 * Opens the compute backends of TensorFlow.js.
 *
 * All parts of TensorFlow.js are imported by bare name: a second copy of tfjs-core (CommonJS beside ES
 * modules) would have its own list of kernels.
 */
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers the gradients
import {
  type Backend,
  findInstallation,
  isOptional,
  notInstalled,
  type OptionalBackend,
} from "./backends.ts";

/**
 * Makes TensorFlow.js compute on `backend`, loading it if necessary.
 * @throws if it cannot be loaded or started
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * await openBackend("wasm");
 * console.log(await tf.sum([1, 2, 3]).data()); // [6]
 * ```
 */
export async function openBackend(backend: Backend): Promise<void> {
  const name = isOptional(backend) ? "tensorflow" : backend; // in TensorFlow.js
  if (!Object.hasOwn(load, backend)) {
    const known = Object.keys(load).join(", ");
    throw new Error(
      `Cannot compute on "${backend}": there is no such backend. Choose one of ${known}.`,
    );
  }
  if (tf.findBackendFactory(name) === null) await load[backend]();
  if (tf.getBackend() !== name && !await tf.setBackend(name)) {
    throw new Error(`Cannot compute on "${backend}": it did not start. See the warnings above.`);
  }
  // Else cpu advises to install a package of Node.
  Object.assign(tf.backend(), { firstUse: false });
}

const load: Record<Backend, () => Promise<void>> = {
  async wasm() {
    const name = "@tensorflow/tfjs-backend-wasm";
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    // The binaries are in the package: nothing is downloaded.
    setWasmPaths(fileURLToPath(new URL("./", import.meta.resolve(name))));
    // Its threads are workers from a blob, which Deno's node:worker_threads does not support.
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    const { registerTrainingKernels } = await import("./wasm_kernels.ts");
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
