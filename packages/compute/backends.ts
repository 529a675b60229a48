/** The compute backends, and whether they are installed. Loads no part of TensorFlow.js. */
import { join } from "node:path";
import { cacheFolder } from "./cache_folder.ts";

/** Description of each backend. */
export const backends = {
  wasm: "the project's own training engine, and TensorFlow.js, on WebAssembly",
  webgpu: "TensorFlow.js on the GPU, through the WebGPU of Deno",
  node: "TensorFlow's own kernels on the CPU, through @tensorflow/tfjs-node",
  "node-gpu": "TensorFlow's own kernels on an NVIDIA GPU, through @tensorflow/tfjs-node-gpu",
  cpu: "TensorFlow.js in plain JavaScript: very slow, for comparisons",
} as const;

export type Backend = keyof typeof backends;

/** Backends that `deno task compute install` installs. */
export type OptionalBackend = "node" | "node-gpu";

/** An installed optional backend. */
export interface Installation {
  /** Folder of the npm package. */
  readonly folder: string;
  /** Path of the native binding, linked with TensorFlow. */
  readonly binding: string;
}

/**
 * Checks that a backend is installed.
 * @throws if it is optional and not installed, with the way to install it
 */
export async function requireBackend(backend: Backend): Promise<void> {
  if (isOptional(backend) && !await findInstallation(backend)) throw notInstalled(backend);
}

export function isOptional(backend: Backend): backend is OptionalBackend {
  return backend === "node" || backend === "node-gpu";
}

/** Returns true for backends on a GPU, whose memory processes should not share. */
export function onGpu(backend: Backend): boolean {
  return backend === "webgpu" || backend === "node-gpu";
}

/** Finds an optional backend. Returns undefined if it is not installed. */
export async function findInstallation(
  backend: OptionalBackend,
): Promise<Installation | undefined> {
  const folder = installFolder(backend);
  const record = await Deno.stat(join(folder, "installation.json")).catch(() => undefined);
  return record && {
    folder: join(folder, "package"),
    binding: join(folder, "tensorflow", "tfjs_binding.node"),
  };
}

/** Returns the folder in which `deno task compute install` installs a backend. */
export function installFolder(backend: OptionalBackend): string {
  return join(cacheFolder(), backend);
}

export function notInstalled(backend: OptionalBackend): Error {
  return new Error(
    `Cannot compute on "${backend}": TensorFlow is not installed, and is only downloaded on ` +
      `request. Run deno task compute install ${backend}, or choose compute: wasm.`,
  );
}
