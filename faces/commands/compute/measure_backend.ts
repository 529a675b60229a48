/** Speed of each backend on this machine, measured in a process of its own. */
import { fileURLToPath } from "node:url";
import { type AdapterDescription, noAdapter } from "../../../packages/compute/webgpu_adapter.ts";
import {
  type Backend,
  findInstallation,
  isOptional,
  notInstalled,
} from "../../../packages/compute/backends.ts";

/** Result of a probe. */
export interface Timing {
  /** Version of TensorFlow or TensorFlow.js. */
  version: string;
  /** Batch size of the timed steps. */
  batch: number;
  /** Median duration of a step of 64 images, ms, extrapolated from a smaller `batch`. */
  msPerStep: number;
}

/** A backend on this machine; `why` has notes, or the reason and the way out. */
export type BackendStatus =
  & { readonly name: Backend; readonly why: string }
  & ({ readonly usable: true } & Timing | { readonly usable: false });

/** Timeout of a probe, seconds. */
const TIMEOUT = 120;

/** Returns the GPU of WebGPU, if there is one. Takes 0.5 s to load drivers. */
export async function lookForGpu(): Promise<AdapterDescription | undefined> {
  const { answer } = await runScript(
    new URL("../../../packages/compute/webgpu_adapter.ts", import.meta.url),
    [],
    30,
  );
  return (answer as AdapterDescription | null) ?? undefined;
}

/** Measures a backend. */
export async function measureBackend(
  name: Backend,
  gpu: AdapterDescription | undefined,
): Promise<BackendStatus> {
  if (name === "webgpu" && gpu === undefined) {
    return { name, usable: false, why: noAdapter };
  }
  if (isOptional(name) && !await findInstallation(name)) {
    return { name, usable: false, why: withoutHead(notInstalled(name).message) };
  }
  const script = new URL("./backend_probe.ts", import.meta.url);
  const { answer, failure } = await runScript(script, [name], TIMEOUT);
  if (answer === undefined) return { name, usable: false, why: failure! };
  const found = answer as Timing | { error: string };
  if ("error" in found) return { name, usable: false, why: withoutHead(found.error) };
  const notes = [
    name === "webgpu" ? gpu!.name : "",
    name === "webgpu" && gpu!.software ? "a GPU emulated on the CPU" : "",
    name === "wasm" ? "trains on the project's engine" : "",
    found.batch < 64 ? `extrapolated from batches of at most ${found.batch}` : "",
  ];
  return { name, usable: true, why: notes.filter(Boolean).join("; "), ...found };
}

/** Removes the backend from a message, as the table has it beside. */
function withoutHead(message: string): string {
  return message.replace(/^Cannot compute on "[^"]+": /, "");
}

/** Runs a script of the project that prints one line of JSON. */
async function runScript(
  script: URL,
  args: string[],
  seconds: number,
): Promise<{ answer?: unknown; failure?: string }> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), seconds * 1000);
  try {
    const { code, signal, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-write", "--allow-env"],
        ...["--allow-net", "--allow-sys", "--allow-ffi", fileURLToPath(script), ...args],
      ],
      // The folder of deno.json, independent of the working directory.
      cwd: fileURLToPath(new URL("../../../", import.meta.url)),
      stdout: "piped",
      stderr: "piped",
      signal: abort.signal,
    }).output();
    if (abort.signal.aborted) return { failure: `it did not finish within ${seconds} s` };
    const [line, last] = [stdout, stderr]
      .map((bytes) => new TextDecoder().decode(bytes).trim().split("\n").at(-1)!);
    if (code === 0 && /^(\{|null)/.test(line)) return { answer: JSON.parse(line) };
    return {
      failure: `it ended with ${signal ?? `exit code ${code}`}; last output: ${last || "none"}`,
    };
  } finally {
    clearTimeout(timer);
  }
}
