/**
 * Which compute backend a run uses. This is asked in every run, also when nothing has to be
 * computed: it only looks for files, and loads no part of TensorFlow.js.
 */
import { fileURLToPath } from "node:url";

/** The backends, and what each is for. */
export const backends = {
  wasm: "TensorFlow.js on WebAssembly with SIMD: comes with the project",
  node: "TensorFlow's own kernels on the CPU, through @tensorflow/tfjs-node",
  "node-gpu": "TensorFlow's own kernels on an NVIDIA GPU, through @tensorflow/tfjs-node-gpu",
  cpu: "plain JavaScript: very slow, for comparisons",
} as const;

export type Backend = keyof typeof backends;

/** The npm packages of the backends that do not come with the project. */
export const optionalPackages = {
  "node-gpu": "@tensorflow/tfjs-node-gpu",
  node: "@tensorflow/tfjs-node",
} as const;

type OptionalBackend = keyof typeof optionalPackages;

/** Where an optional package was found: in deno.json's imports, or in the folder node_modules. */
export type Installation = "imports" | "node_modules";

const projectRoot = new URL("../", import.meta.url);

/**
 * The backend that `wanted` means in this project. "auto" takes node-gpu or node if the user has
 * installed it, else wasm.
 * @throws if `wanted` names a package that is not installed, saying how to get it
 */
export async function resolveCompute(
  wanted: Backend | "auto",
  root: URL = projectRoot,
): Promise<{ backend: Backend; why: string }> {
  if (wanted === "auto") {
    for (const backend of Object.keys(optionalPackages) as OptionalBackend[]) {
      if (await findInstallation(backend, root)) {
        return { backend, why: `${optionalPackages[backend]} is installed` };
      }
    }
    return { backend: "wasm", why: "neither tfjs-node-gpu nor tfjs-node is installed" };
  }
  if (isOptional(wanted) && !await findInstallation(wanted, root)) throw notInstalled(wanted);
  return { backend: wanted, why: "the pipeline asks for it" };
}

export function isOptional(backend: Backend): backend is OptionalBackend {
  return backend in optionalPackages;
}

/** Where the package of an optional backend is, or undefined if it is not installed. */
export async function findInstallation(
  backend: OptionalBackend,
  root: URL = projectRoot,
): Promise<Installation | undefined> {
  const name = optionalPackages[backend];
  const config = await Deno.readTextFile(new URL("deno.json", root)).catch(absent);
  if (config !== undefined && config.includes(`"${name}":`)) return "imports";
  const found = await Deno.stat(new URL(`node_modules/${name}/package.json`, root)).catch(absent);
  return found === undefined ? undefined : "node_modules";
}

/** The error for a backend whose package is missing, with the way to get it. */
export function notInstalled(backend: OptionalBackend): Error {
  const name = optionalPackages[backend];
  return new Error(
    `Cannot compute on "${backend}": ${name} is not installed, and is never downloaded unless ` +
      `asked for. Run: deno install --node-modules-dir=auto --allow-scripts=npm:${name} ` +
      `npm:${name}@4.22.0 (in ${fileURLToPath(projectRoot)}). Or choose compute: wasm.`,
  );
}

function absent(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound) return undefined;
  throw error;
}
