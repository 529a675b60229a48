/** `deno task compute`: lists, measures and installs compute backends. */
import { fileURLToPath } from "node:url";
import {
  type Backend,
  backends,
  findInstallation,
  isOptional,
  notInstalled,
  type OptionalBackend,
} from "../../packages/compute/backends.ts";
import { type AdapterDescription, noAdapter } from "../../packages/compute/webgpu_adapter.ts";
import { type Command, type CommandContext, EXIT } from "../../packages/pipeline/app.ts";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { UsageError } from "../../packages/pipeline/errors.ts";
import { formatTable } from "../../packages/pipeline/format.ts";
import { createReporter, printJson, standardOutput } from "../../packages/pipeline/reporter.ts";
import { onStopSignal } from "../../packages/workers/stop_signals.ts";

const command: Command = {
  help: `List, measure and install compute backends.

  deno task compute                     list the backends with the duration of one training step:
                                        2021 gender network, 64 images
  deno task compute install BACKEND     install node (TensorFlow on the CPU) or node-gpu (TensorFlow
                                        on an NVIDIA GPU): compiles tfjs-node against TensorFlow
                                        from PyPI, into your cache folder (Linux)

  --json                list: print one JSON object to stdout; all else goes to stderr
  --tensorflow VERSION  install: version of TensorFlow. Default: 2.21
  --help

compute: auto in a pipeline is wasm. Where another backend is faster, set it, as in compute: webgpu.`,
  async run(args, { reporter }) {
    const { values, positionals } = parseOptions("compute", args, "json tensorflow= help");
    const [action, name, ...rest] = positionals;
    if (action === undefined) return await list(values.json ?? false, reporter);
    if (action !== "install" || rest.length > 0) {
      throw new UsageError(
        `there is no "deno task compute ${positionals.join(" ")}": expected install and a backend.`,
      );
    }
    if (name === undefined || !(name in backends) || !isOptional(name as Backend)) {
      const others = name && name in backends ? ` ${name} needs no installation.` : "";
      throw new UsageError(`missing backend: node or node-gpu.${others}`);
    }
    return await install(name as OptionalBackend, values.tensorflow);
  },
};
export default command;

async function measureAll(reporter: CommandContext["reporter"]): Promise<BackendStatus[]> {
  const names = Object.keys(backends) as Backend[];
  using progress = reporter.startProgress("measuring");
  progress.start(names.length, "backends");
  const gpu = await lookForGpu();
  return await Array.fromAsync(names, async (name) => {
    progress.advance(0, name);
    const finding = await measureBackend(name, gpu);
    progress.advance(1);
    return finding;
  });
}

async function list(json: boolean, reporter: CommandContext["reporter"]): Promise<number> {
  const findings = await measureAll(reporter);
  if (json) {
    printJson({ backends: findings.map((finding) => ({ msPerStep: null, ...finding })) });
    return EXIT.ok;
  }
  const rows = findings.map((finding) => {
    const { name, usable, why } = finding;
    const notes = usable ? [finding.version, why].filter(Boolean).join("; ") : `Not usable: ${why}`;
    const time = usable ? `${formatMs(finding.msPerStep)} ms` : "-";
    return [name, time, `${backends[name]}. ${notes}`];
  });
  const { log } = createReporter(standardOutput("stdout"));
  formatTable(rows, [1], 80).forEach(log);
  log("\nDuration of one training step: 2021 gender network, 64 images.");
  return EXIT.ok;
}

/** Formats milliseconds: "14.0", "120". */
function formatMs(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}

async function install(backend: OptionalBackend, tensorflow: string | undefined) {
  const { installNode, usualTensorflow } = await import("../../packages/compute/install_node.ts");
  const abort = new AbortController();
  using _listening = onStopSignal(() => abort.abort(new Error("interrupted")));
  await installNode(backend, tensorflow ?? usualTensorflow, abort.signal);
  const finding = await measureBackend(backend, undefined);
  if (!finding.usable) throw new Error(`${backend} is installed, but does not run: ${finding.why}`);
  const ms = formatMs(finding.msPerStep);
  createReporter(standardOutput("stdout")).log(
    `${backend} with ${finding.version} is installed: ${ms} ms per step. ` +
      "deno task compute compares backends.",
  );
  return EXIT.ok;
}

export interface Timing {
  /** Version of TensorFlow or TensorFlow.js. */
  version: string;
  batch: number;
  /** Median duration of a step of 64 images, ms, extrapolated from a smaller `batch`. */
  msPerStep: number;
}

/** A backend on this machine; `why` has notes, or the reason and the way out. */
type BackendStatus =
  & { readonly name: Backend; readonly why: string }
  & ({ readonly usable: true } & Timing | { readonly usable: false });

/** Timeout of a probe, seconds. */
const TIMEOUT = 120;

/** Returns the GPU of WebGPU, if there is one. Takes 0.5 s to load drivers. */
export async function lookForGpu(): Promise<AdapterDescription | undefined> {
  const { answer } = await runScript("packages/compute/webgpu_adapter.ts", [], 30);
  return (answer as AdapterDescription | null) ?? undefined;
}

export async function measureBackend(
  name: Backend,
  gpu: AdapterDescription | undefined,
): Promise<BackendStatus> {
  if (name === "webgpu" && gpu === undefined) return { name, usable: false, why: noAdapter };
  if (isOptional(name) && !await findInstallation(name)) {
    return { name, usable: false, why: withoutHead(notInstalled(name).message) };
  }
  const script = "faces/commands/compute/backend_probe.ts";
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
async function runScript(script: string, args: string[], seconds: number) {
  const timeout = AbortSignal.timeout(seconds * 1000);
  const { code, signal, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-P=compute", script, ...args],
    // The folder of deno.json, independent of the working directory.
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    signal: timeout,
  }).output();
  if (timeout.aborted) return { failure: `it did not finish within ${seconds} s` };
  const [line, last] = [stdout, stderr]
    .map((bytes) => new TextDecoder().decode(bytes).trim().split("\n").at(-1)!);
  if (code === 0 && /^(\{|null)/.test(line)) return { answer: JSON.parse(line) };
  return {
    failure: `it ended with ${signal ?? `exit code ${code}`}; last output: ${last || "none"}`,
  };
}
