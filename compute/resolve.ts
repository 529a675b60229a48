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
  // First the folder: only there do npm's install scripts run, and so only there is it whole.
  const folder = await Deno.stat(new URL(`node_modules/${name}/package.json`, root)).catch(absent);
  if (folder !== undefined) return "node_modules";
  const config = await Deno.readTextFile(new URL("deno.json", root)).catch(absent);
  return config?.includes(`"${name}":`) ? "imports" : undefined;
}

/**
 * How to install the package of an optional backend: into node_modules, where its script runs that
 * downloads TensorFlow, and without a trace in the project's own files.
 */
export function installCommand(backend: OptionalBackend): string {
  return `npm install --no-save --no-package-lock ${optionalPackages[backend]}@4.22.0`;
}

/** The error for a backend whose package is missing, with the way to get it. */
export function notInstalled(backend: OptionalBackend): Error {
  return new Error(
    `Cannot compute on "${backend}": ${optionalPackages[backend]} is not installed, and is never ` +
      `downloaded unless asked for. Run: ${installCommand(backend)} (in ` +
      `${fileURLToPath(projectRoot)}). Or choose compute: wasm.`,
  );
}

function absent(error: unknown): undefined {
  if (error instanceof Deno.errors.NotFound) return undefined;
  throw error;
}
