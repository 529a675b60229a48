/** `deno task compute`: lists, measures and installs compute backends. */
import {
  type Backend,
  backends,
  isOptional,
  type OptionalBackend,
} from "../../packages/compute/backends.ts";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { UsageError } from "../../packages/pipeline/errors.ts";
import { formatTable } from "../../packages/pipeline/format.ts";
import { createReporter, standardOutput } from "../../packages/pipeline/reporter.ts";
import { onStopSignal } from "../../packages/workers/stop_signals.ts";
import { type BackendStatus, lookForGpu, measureBackend } from "./compute/measure_backend.ts";

/** Help of `deno task compute`. */
export const HELP = `List, measure and install compute backends.

  deno task compute                     list the backends with the duration of one training step:
                                        2021 gender network, 64 images
  deno task compute install BACKEND     install node (TensorFlow on the CPU) or node-gpu (TensorFlow
                                        on an NVIDIA GPU): compiles tfjs-node against TensorFlow
                                        from PyPI, into your cache folder (Linux)

  --json                list: print one JSON object to stdout; all else goes to stderr
  --tensorflow VERSION  install: version of TensorFlow. Default: 2.21
  --help

compute: auto in a pipeline is wasm. Set the fastest: compute: webgpu.`;

export async function main(args: string[]): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function run(args: string[]): Promise<number> {
  const { values, positionals: [command, name, ...rest] } = parseOptions("compute", args, {
    json: { type: "boolean" },
    tensorflow: { type: "string" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (command === undefined) return await list(values.json ?? false);
  if (command !== "install" || rest.length > 0) {
    throw new UsageError(
      `there is no "deno task compute ${[command, name, ...rest].join(" ").trim()}": expected ` +
        "install and a backend.",
    );
  }
  if (name === undefined || !(name in backends) || !isOptional(name as Backend)) {
    const others = name && name in backends ? ` ${name} needs no installation.` : "";
    throw new UsageError(`missing backend: node or node-gpu.${others}`);
  }
  return await install(name as OptionalBackend, values.tensorflow);
}

async function list(json: boolean): Promise<number> {
  const reporter = createReporter(standardOutput("stderr"));
  const names = Object.keys(backends) as Backend[];
  const progress = reporter.startProgress("measuring");
  progress.start(names.length, "backends");
  const gpu = await lookForGpu();
  const findings: BackendStatus[] = [];
  for (const name of names) {
    progress.advance(0, name);
    findings.push(await measureBackend(name, gpu));
    progress.advance(1);
  }
  progress.end();
  if (json) {
    const listed = findings.map((finding) => ({ msPerStep: null, ...finding }));
    console.log(JSON.stringify({ backends: listed }));
    return 0;
  }
  const rows = findings.map((finding) => {
    const { name, usable, why } = finding;
    const notes = usable ? [finding.version, why].filter(Boolean).join("; ") : `Not usable: ${why}`;
    const time = usable ? `${formatMs(finding.msPerStep)} ms` : "-";
    return [name, time, `${backends[name]}. ${notes}`];
  });
  formatTable(rows, [1], 80).forEach((line) => console.log(line));
  console.log("\nDuration of one training step: 2021 gender network, 64 images.");
  return 0;
}

/** Formats milliseconds: "14.0", "120". */
function formatMs(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}

async function install(
  backend: OptionalBackend,
  tensorflow: string | undefined,
): Promise<number> {
  const { installNode, usualTensorflow } = await import("../../packages/compute/install_node.ts");
  const abort = new AbortController();
  using _listening = onStopSignal(() => abort.abort(new Error("interrupted")));
  await installNode(backend, tensorflow ?? usualTensorflow, abort.signal);
  const finding = await measureBackend(backend, undefined);
  if (!finding.usable) {
    throw new Error(`${backend} is installed, but does not run: ${finding.why}`);
  }
  console.log(
    `${backend} with ${finding.version} is installed: ${
      formatMs(finding.msPerStep)
    } ms per step. deno task compute compares backends.`,
  );
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
