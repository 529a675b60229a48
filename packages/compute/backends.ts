/**
 * Which compute backends there are, and which of them are installed. This is asked in every run,
 * also when nothing has to be computed: it only looks for files, and loads no part of TensorFlow.js.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "./cache_folder.ts";

/** The backends, and what each is. */
export const backends = {
  wasm: "the project's own training engine, and TensorFlow.js, on WebAssembly",
  webgpu: "TensorFlow.js on the GPU, through the WebGPU of Deno",
  node: "TensorFlow's own kernels on the CPU, through @tensorflow/tfjs-node",
  "node-gpu": "TensorFlow's own kernels on an NVIDIA GPU, through @tensorflow/tfjs-node-gpu",
  cpu: "TensorFlow.js in plain JavaScript: very slow, for comparisons",
} as const;

export type Backend = keyof typeof backends;

/** The npm packages of the backends that do not come with the project, and their version. */
export const optionalPackages = {
  node: "@tensorflow/tfjs-node",
  "node-gpu": "@tensorflow/tfjs-node-gpu",
} as const;
export const optionalVersion = "4.22.0";

export type OptionalBackend = keyof typeof optionalPackages;

/** Where an optional backend was found. */
export interface Installation {
  /** compiled: by `deno task compute install`; npm: by npm, with the package's own script. */
  readonly from: "compiled" | "npm";
  /** The npm package, unpacked. */
  readonly folder: string;
  /** Its native part, linked with TensorFlow. */
  readonly binding: string;
  /** What tells this installation from another one: it changes when it is installed again. */
  readonly signature: string;
}

/** Where to look: the project, whose node_modules npm fills, and the cache that we fill. */
export interface Places {
  readonly root: string;
  readonly cache: string;
}

export function defaultPlaces(): Places {
  return { root: fileURLToPath(new URL("../../", import.meta.url)), cache: cacheFolder() };
}

/**
 * Checks that a backend which a pipeline names can be there.
 * @throws if it is one that has to be installed and is not, saying how
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

/** Whether a backend computes on a GPU, whose memory several processes had better not share. */
export function onGpu(backend: Backend): boolean {
  return backend === "webgpu" || backend === "node-gpu";
}

/** Where the package of an optional backend is, or undefined if it is not installed. */
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

/** Where `deno task compute install` puts a backend. */
export function installFolder(backend: OptionalBackend, cache: string = cacheFolder()): string {
  return join(cache, backend);
}

/** The two ways to get an optional backend, each one command. */
export function installCommands(backend: OptionalBackend): { ours: string; npm: string } {
  return {
    ours: `deno task compute install ${backend}`,
    npm: `npm install --no-save --no-package-lock ${optionalPackages[backend]}@${optionalVersion}`,
  };
}

/** The error for a backend whose package is missing, with the ways to get it. */
export function notInstalled(backend: OptionalBackend): Error {
  const { ours, npm } = installCommands(backend);
  return new Error(
    `Cannot compute on "${backend}": ${optionalPackages[backend]} is not installed, and is never ` +
      `downloaded unless asked for. Run ${ours}, which compiles it for a TensorFlow of today, ` +
      `or ${npm}, which downloads one of 2022. Or choose compute: wasm.`,
  );
}

/** A file's text, or undefined if there is none. */
async function textOf(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(absent);
}

function absent(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
    return undefined;
  }
  throw error;
}
