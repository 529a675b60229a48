/** How fast each backend is on this machine, each measured in a process of its own. */
import { fileURLToPath } from "node:url";
import { type AdapterDescription, noAdapter } from "../../../packages/compute/webgpu_adapter.ts";
import {
  type Backend,
  findInstallation,
  isOptional,
  notInstalled,
} from "../../../packages/compute/backends.ts";

/** What a probe found. */
export interface Timing {
  /** Of what computes. */
  version: string;
  /** Images in the steps that were timed. */
  batch: number;
  /** Milliseconds of a step of 64 images: the median, extrapolated if `batch` is smaller. */
  msPerStep: number;
  /** The fastest of the steps, likewise: what other work on the machine disturbs least. */
  bestMsPerStep: number;
}

/** A backend on this machine. */
export type BackendStatus =
  & { readonly name: Backend }
  & (
    | ({
      readonly usable: true;
      readonly why: string;
      /** Whether it computes on a processor what is meant for a GPU. */
      readonly software?: true;
    } & Timing)
    | {
      readonly usable: false;
      /** Why not, and what to do about it. */
      readonly why: string;
      /** Whether it only has to be installed. */
      readonly missing?: true;
    }
  );

/** Longest time for a probe. */
const LIMIT_SECONDS = 120;

/** The GPU that WebGPU would use, or undefined. Takes half a second: it loads drivers. */
export async function lookForGpu(): Promise<AdapterDescription | undefined> {
  const { answer } = await runScript(
    new URL("../../../packages/compute/webgpu_adapter.ts", import.meta.url),
    [],
    30,
  );
  return (answer as AdapterDescription | null) ?? undefined;
}

/** Whether a backend is usable, and how fast it is. */
export async function measureBackend(
  name: Backend,
  gpu: AdapterDescription | undefined,
): Promise<BackendStatus> {
  if (name === "webgpu" && gpu === undefined) {
    const why = `${noAdapter} Then: deno task compute --again`;
    return { name, usable: false, missing: true, why };
  }
  if (isOptional(name) && !await findInstallation(name)) {
    const why = withoutHead(notInstalled(name).message);
    return { name, usable: false, missing: true, why };
  }
  const script = new URL("./backend_probe.ts", import.meta.url);
  const { answer, failure } = await runScript(script, [name], LIMIT_SECONDS);
  if (answer === undefined) return { name, usable: false, why: failure! };
  const found = answer as Timing | { error: string };
  if ("error" in found) return { name, usable: false, why: withoutHead(found.error) };
  const software = name === "webgpu" && gpu!.software;
  const notes = [
    name === "webgpu" ? gpu!.name : "",
    software ? "no GPU, but a processor that does the work of one" : "",
    name === "wasm" ? "training on the project's engine" : "",
    found.batch < 64 ? `extrapolated from batches of up to ${found.batch}` : "",
  ];
  const why = notes.filter(Boolean).join("; ");
  return { name, usable: true, why, ...(software ? { software } : {}), ...found };
}

/** Messages say which backend they are about; in a table it stands beside them. */
function withoutHead(message: string): string {
  return message.replace(/^Cannot compute on "[^"]+": /, "");
}

/** Runs one of our scripts, and takes what it says on stdout, one line of JSON. */
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
      // Beside the project's deno.json, wherever the person stands.
      cwd: fileURLToPath(new URL("../../../", import.meta.url)),
      stdout: "piped",
      stderr: "piped",
      signal: abort.signal,
    }).output();
    if (abort.signal.aborted) return { failure: `it was not done after ${seconds} seconds` };
    const [said, complained] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const line = said.trim().split("\n").at(-1)!;
    if (code === 0 && /^(\{|null)/.test(line)) return { answer: JSON.parse(line) };
    const last = complained.trim().split("\n").at(-1);
    return {
      failure: `it ended with ${signal ?? `exit code ${code}`}: ${last || "no last words"}`,
    };
  } finally {
    clearTimeout(timer);
  }
}
