/**
 * The compute backends of TensorFlow.js, made ready for training.
 *
 * All of tfjs is imported by bare name, so that one copy of tfjs-core serves all: a second one
 * (CommonJS beside ES modules) would keep its own list of kernels.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import * as nodeUtil from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers the gradients
import {
  type Backend,
  findInstallation,
  type Installation,
  installCommand,
  notInstalled,
  optionalPackages,
} from "./resolve.ts";

/** Our names of the backends → tfjs's. */
const tfjsNames: Record<Backend, string> = {
  wasm: "wasm",
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
  if (tf.findBackend(name) === null) await load[backend]();
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
  async cpu() {
    await import("@tensorflow/tfjs-backend-cpu");
  },
  node: () => loadNode("node"),
  "node-gpu": () => loadNode("node-gpu"),
};

async function loadNode(backend: "node" | "node-gpu"): Promise<void> {
  const name = optionalPackages[backend];
  const installation = await findInstallation(backend);
  if (installation === undefined) throw notInstalled(backend);
  mendNodeUtil();
  try {
    await loadPackage(name, installation);
  } catch (cause) {
    throw new Error(
      `Cannot compute on "${backend}": ${name} does not load (${firstLine(cause)}). ` +
        `Its install script, which downloads TensorFlow, must have run. Install it again: ` +
        `${installCommand(backend)}. Or choose compute: wasm.`,
      { cause },
    );
  }
  if (tf.findBackend(tfjsNames[backend]) === null) {
    throw new Error(
      `Cannot compute on "${backend}": ${name} loaded, but with a copy of tfjs-core of its own. ` +
        `Install version ${tf.version_core}, that of the project. Or choose compute: wasm.`,
    );
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split("\n")[0].trim();
}

/** The name is a variable on purpose: Deno downloads what a literal import names. */
async function loadPackage(name: string, installation: Installation): Promise<void> {
  if (installation === "imports") {
    await import(name);
    return;
  }
  // By path: a name that deno.json knows too would lead to Deno's cache, where no script has run.
  const folder = new URL(`../node_modules/${name}`, import.meta.url);
  createRequire(import.meta.url)(fileURLToPath(folder));
}

/** tfjs-node 4.22 calls two functions that newer runtimes dropped from node:util. */
function mendNodeUtil(): void {
  const util = (nodeUtil as unknown as { default: Record<string, unknown> }).default;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}
