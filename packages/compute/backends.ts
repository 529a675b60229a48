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
  /** Changes with every installation. */
  readonly signature: string;
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
  const made = await textOf(join(compiled, "installation.json"));
  if (made !== undefined) {
    return {
      from: "compiled",
      folder: join(compiled, "package"),
      binding: join(compiled, "tensorflow", "tfjs_binding.node"),
      signature: made,
    };
  }
  const folder = join(root, "node_modules", optionalPackages[backend]);
  const described = await Deno.stat(join(folder, "package.json")).catch(absent);
  if (described === undefined) return undefined;
  return {
    from: "npm",
    folder,
    binding: join(folder, "lib", "napi-v8", "tfjs_binding.node"),
    signature: `npm ${described.mtime?.getTime()}`,
  };
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

async function textOf(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(absent);
}

function absent(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
    return undefined;
  }
  throw error;
}
