/** The compute backends, and whether they are installed. Loads no part of TensorFlow.js. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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

/** npm packages of the optional backends, and their version. */
export const optionalPackages = {
  node: "@tensorflow/tfjs-node",
  "node-gpu": "@tensorflow/tfjs-node-gpu",
} as const;
const optionalVersion = "4.22.0";

export type OptionalBackend = keyof typeof optionalPackages;

/** An installed optional backend. */
export interface Installation {
  /** compiled: by `deno task compute install`; npm: by npm, with the package's own script. */
  readonly from: "compiled" | "npm";
  /** Folder of the npm package. */
  readonly folder: string;
  /** Path of the native binding, linked with TensorFlow. */
  readonly binding: string;
}

/** Folders to search: the project's root with its node_modules, and the cache. */
export interface Places {
  readonly root: string;
  readonly cache: string;
}

export function defaultPlaces(): Places {
  return { root: fileURLToPath(new URL("../../", import.meta.url)), cache: cacheFolder() };
}

/**
 * Checks that a backend is installed.
 * @throws if it is optional and not installed, with the ways to install it
 */
export async function requireBackend(
  backend: Backend,
  places: Places = defaultPlaces(),
): Promise<void> {
  if (isOptional(backend) && !await findInstallation(backend, places)) throw notInstalled(backend);
}

export function isOptional(backend: Backend): backend is OptionalBackend {
  return backend in optionalPackages;
}

/** Returns true for backends on a GPU, whose memory processes should not share. */
export function onGpu(backend: Backend): boolean {
  return backend === "webgpu" || backend === "node-gpu";
}

/** Finds an optional backend. Returns undefined if it is not installed. */
export async function findInstallation(
  backend: OptionalBackend,
  { root, cache }: Places = defaultPlaces(),
): Promise<Installation | undefined> {
  const compiled = installFolder(backend, cache);
  if (await isFile(join(compiled, "installation.json"))) {
    return {
      from: "compiled",
      folder: join(compiled, "package"),
      binding: join(compiled, "tensorflow", "tfjs_binding.node"),
    };
  }
  const folder = join(root, "node_modules", optionalPackages[backend]);
  if (!await isFile(join(folder, "package.json"))) return undefined;
  return { from: "npm", folder, binding: join(folder, "lib", "napi-v8", "tfjs_binding.node") };
}

/** Returns the folder in which `deno task compute install` installs a backend. */
export function installFolder(backend: OptionalBackend, cache: string = cacheFolder()): string {
  return join(cache, backend);
}

/** Returns the two commands that install an optional backend. */
export function installCommands(backend: OptionalBackend): { ours: string; npm: string } {
  return {
    ours: `deno task compute install ${backend}`,
    npm: `npm install --no-save --no-package-lock ${optionalPackages[backend]}@${optionalVersion}`,
  };
}

/** Creates the error for an optional backend that is not installed. */
export function notInstalled(backend: OptionalBackend): Error {
  const { ours, npm } = installCommands(backend);
  return new Error(
    `Cannot compute on "${backend}": ${optionalPackages[backend]} is not installed, and is only ` +
      `downloaded on request. Run ${ours}, which compiles it for a current TensorFlow, or ${npm}, ` +
      "which downloads one of 2022. Or choose compute: wasm.",
  );
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, (error) => {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return false;
    throw error;
  });
}
