/**
 * Loads @tensorflow/tfjs-node onto the project's own copy of tfjs-core. Its entry point would bring
 * a whole second TensorFlow.js; what computes are its kernels, its backend and its native binding.
 */
import Module, { createRequire } from "node:module";
import * as nodeUtil from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import {
  type Installation,
  installCommands,
  type OptionalBackend,
  optionalPackages,
} from "./backends.ts";

/** What of the native binding is asked here. */
interface Binding {
  /** Version of TensorFlow. */
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
}

/**
 * Registers the backend `tensorflow`.
 * @returns the version of TensorFlow
 * @throws if it cannot be loaded, saying why and what to do
 */
export function loadNode(backend: OptionalBackend, { folder, binding }: Installation): string {
  const { ours, npm } = installCommands(backend);
  const way = `Install it again: ${ours}, or ${npm}. Or choose compute: wasm.`;
  prepare();
  let native: Binding;
  try {
    native = loadPackage(Deno.realPathSync(folder), binding, optionalPackages[backend]);
  } catch (cause) {
    const line = (cause as Error).message.split("\n")[0].trim();
    throw new Error(
      `Cannot compute on "${backend}": "${binding}" does not load (${line}). ${way}`,
      { cause },
    );
  }
  if (backend === "node-gpu" && !native.isUsingGpuDevice()) {
    throw new Error(
      `Cannot compute on "node-gpu": TensorFlow ${native.TF_Version} loads, but finds no NVIDIA ` +
        "GPU. nvidia-smi must list one: install NVIDIA's driver, or let the container see it " +
        "(--gpus all). TF_CPP_MIN_LOG_LEVEL=0 makes TensorFlow say what it misses. Or choose " +
        "compute: wasm.",
    );
  }
  return native.TF_Version;
}

/** What TensorFlow reads from the environment when it loads, unless a person has set it. */
function prepare(): void {
  const usual = {
    // It tells at length how it was compiled.
    TF_CPP_MIN_LOG_LEVEL: "2",
    // It takes all of a GPU's memory at once, so that no second process could use it.
    TF_FORCE_GPU_ALLOW_GROWTH: "true",
  };
  for (const [name, value] of Object.entries(usual)) {
    if (!Deno.env.get(name)) Deno.env.set(name, value);
  }
}

/** What Node's loader calls for each `require`; not in its types, but what hooks of it replace. */
type Load = (request: string, parent: { filename?: string } | undefined, main: boolean) => unknown;

/**
 * Loads the package's modules, all in this call, with what they expect and no longer find:
 * - node:util lost `isNullOrUndefined` and `isArray`, which tfjs-node 4.22 calls;
 * - "@tensorflow/tfjs" is this project's tfjs-core and tfjs-layers, so that there is one of each;
 * - protocol buffers, of which it writes TensorBoard's files, are not needed here.
 */
function loadPackage(folder: string, binding: string, name: string): Binding {
  const { default: util } = nodeUtil as unknown as { default: Record<string, unknown> };
  const mended = {
    ...util,
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  };
  const tfjs = { ...tf, ...layers };
  const loader = Module as unknown as { _load: Load };
  const load = loader._load;
  loader._load = function (this: unknown, request, parent, main) {
    if (parent?.filename?.startsWith(folder)) {
      if (request === "util") return mended;
      if (/^@tensorflow\/tfjs(-core)?$/.test(request)) return tfjs;
      if (request.endsWith("/api_pb")) return {};
    }
    return load.call(this, request, parent, main);
  };
  try {
    const require = createRequire(`${folder}/`);
    const native = require(binding) as Binding;
    const { NodeJSKernelBackend } = require("./dist/nodejs_kernel_backend.js");
    require("./dist/register_all_kernels.js");
    tf.registerBackend("tensorflow", () => new NodeJSKernelBackend(native, name));
    return native;
  } finally {
    loader._load = load;
  }
}
