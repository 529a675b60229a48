/**
 * Loads kernels, backend and native binding of @tensorflow/tfjs-node for the project's copy of tfjs-core.
 * The package's entry point would load a second copy.
 */
import Module, { createRequire } from "node:module";
import * as nodeUtil from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import type { Installation, OptionalBackend } from "./backends.ts";

/** The used part of the native binding. */
interface Binding {
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
}

/** Registers the backend `tensorflow`. @throws if it cannot be loaded */
export function loadNode(backend: OptionalBackend, { folder, binding }: Installation): void {
  const way = `Install it again: deno task compute install ${backend}. Or choose compute: wasm.`;
  prepare();
  let native: Binding;
  try {
    native = loadPackage(Deno.realPathSync(folder), binding);
  } catch (cause) {
    const line = (cause as Error).message.split("\n")[0].trim();
    throw new Error(
      `Cannot compute on "${backend}": cannot load "${binding}" (${line}). ${way}`,
      { cause },
    );
  }
  if (backend === "node-gpu" && !native.isUsingGpuDevice()) {
    throw new Error(
      `Cannot compute on "node-gpu": TensorFlow ${native.TF_Version} found no NVIDIA GPU. ` +
        "nvidia-smi must list one: install NVIDIA's driver, or give the container access " +
        "(--gpus all). TF_CPP_MIN_LOG_LEVEL=0 makes TensorFlow log the reason. Or choose " +
        "compute: wasm.",
    );
  }
}

/** Sets defaults of the environment variables that TensorFlow reads when it loads. */
function prepare(): void {
  const usual = {
    // Without it, TensorFlow logs how it was compiled.
    TF_CPP_MIN_LOG_LEVEL: "2",
    // Without it, TensorFlow allocates all of a GPU's memory.
    TF_FORCE_GPU_ALLOW_GROWTH: "true",
  };
  for (const [name, value] of Object.entries(usual)) {
    if (!Deno.env.get(name)) Deno.env.set(name, value);
  }
}

/** `Module._load`, which Node calls for each `require`; not in its types. */
type Load = (request: string, parent: { filename?: string } | undefined, main: boolean) => unknown;

/**
 * Loads the package's modules with replacements of some imports:
 * - node:util no longer has `isNullOrUndefined` and `isArray`, which tfjs-node 4.22 calls;
 * - "@tensorflow/tfjs" is the project's tfjs-core and tfjs-layers;
 * - protocol buffers, which write TensorBoard's files, are omitted.
 */
function loadPackage(folder: string, binding: string): Binding {
  const { default: util } = nodeUtil as unknown as { default: Record<string, unknown> };
  const patchedUtil = {
    ...util,
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  };
  const tfjs = { ...tf, ...layers };
  const loader = Module as unknown as { _load: Load };
  const load = loader._load;
  loader._load = function (this: unknown, request, parent, main) {
    if (parent?.filename?.startsWith(folder)) {
      if (request === "util") return patchedUtil;
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
    const open = () => new NodeJSKernelBackend(native, "@tensorflow/tfjs-node");
    tf.registerBackend("tensorflow", open);
    return native;
  } finally {
    loader._load = load;
  }
}
