/** `deno task compute`: lists, measures and installs compute backends. */
import {
  type Backend,
  backends,
  findInstallation,
  isOptional,
  type OptionalBackend,
} from "../../packages/compute/backends.ts";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { UsageError } from "../../packages/pipeline/errors.ts";
import { broken, formatTable } from "../../packages/pipeline/format.ts";
import { createReporter, standardOutput } from "../../packages/pipeline/reporter.ts";
import { onStopSignal } from "../../packages/workers/stop_signals.ts";
import { formatMs, loadBenchmark, pickFastest, saveBenchmark } from "./auto_backend.ts";
import { type BackendStatus, lookForGpu, measureBackend } from "./compute/measure_backend.ts";

/** Help of `deno task compute`. */
export const HELP = `List, measure and install compute backends.

  deno task compute                     list the backends with the duration of one training step:
                                        2021 gender network, 64 images
  deno task compute install BACKEND     install node (TensorFlow on the CPU) or node-gpu (TensorFlow
                                        on an NVIDIA GPU): compiles tfjs-node against TensorFlow
                                        from PyPI, into your cache folder (Linux)
  deno task compute uninstall BACKEND   remove it

  --json                list: print one JSON object to stdout; all else goes to stderr
  --again               list: measure again
  --tensorflow VERSION  install: version of TensorFlow. Default: 2.21
  --help

compute: auto in a pipeline chooses the fastest. It is measured once and kept until the machine,
Deno, the project's packages or the installed backends change.`;

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
    again: { type: "boolean" },
    tensorflow: { type: "string" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (command === undefined) return await list(values.json ?? false, values.again ?? false);
  if ((command !== "install" && command !== "uninstall") || rest.length > 0) {
    throw new UsageError(
      `there is no "deno task compute ${[command, name, ...rest].join(" ").trim()}": expected ` +
        "install or uninstall, and a backend.",
    );
  }
  if (name === undefined || !(name in backends) || !isOptional(name as Backend)) {
    const others = name && name in backends ? ` ${name} needs no installation.` : "";
    throw new UsageError(`missing backend: node or node-gpu.${others}`);
  }
  const backend = name as OptionalBackend;
  return command === "install"
    ? await install(backend, values.tensorflow)
    : await uninstall(backend);
}

async function list(json: boolean, again: boolean): Promise<number> {
  const reporter = createReporter(standardOutput("stderr"));
  const { environment, current } = await loadBenchmark();
  const known = again ? [] : current?.findings.filter(({ usable }) => usable) ?? [];
  const names = Object.keys(backends) as Backend[];
  const progress = reporter.startProgress("measuring");
  progress.start(names.length, "backends");
  const gpu = await lookForGpu();
  const findings: BackendStatus[] = [];
  for (const name of names) {
    progress.advance(0, name);
    findings.push(
      known.find((finding) => finding.name === name) ?? await measureBackend(name, gpu),
    );
    progress.advance(1);
  }
  progress.end();
  const chosen = pickFastest(findings);
  await saveBenchmark(environment, chosen, findings);
  if (json) {
    const listed = findings.map((finding) => ({ msPerStep: null, ...finding }));
    console.log(JSON.stringify({ backends: listed, auto: chosen }));
    return 0;
  }
  const rows = findings.map((finding) => {
    const { name, usable, why } = finding;
    const notes = usable ? [finding.version, why].filter(Boolean).join("; ") : `Not usable: ${why}`;
    const time = usable ? `${formatMs(finding.msPerStep)} ms` : "-";
    return [`${name === chosen.backend ? "*" : " "} ${name}`, time, `${backends[name]}. ${notes}`];
  });
  formatTable(rows, [1], 80).forEach((line) => console.log(line));
  const meaning = "Duration of one training step: 2021 gender network, 64 images. " +
    `* compute: auto chooses ${chosen.backend}: ${chosen.why}.`;
  console.log(`\n${broken(meaning, 80).join("\n")}`);
  return 0;
}

async function install(backend: OptionalBackend, tensorflow?: string): Promise<number> {
  const { installNode, usualTensorflow } = await import("../../packages/compute/install_node.ts");
  const reporter = createReporter(standardOutput("stdout"));
  const abort = new AbortController();
  const stop = () => abort.abort(new Error("interrupted; the next attempt resumes here"));
  const progress = reporter.startProgress(backend);
  let made;
  try {
    using _listening = onStopSignal(stop);
    made = await installNode(backend, tensorflow ?? usualTensorflow, {
      signal: abort.signal,
      progress,
      line: reporter.log,
    });
  } finally {
    progress.end();
  }
  const finding = await measureBackend(backend, undefined);
  if (!finding.usable) {
    throw new Error(
      `${backend} with TensorFlow ${made.tensorflow} is installed, but does not run: ${finding.why}`,
    );
  }
  reporter.log(
    `${backend} with TensorFlow ${made.tensorflow} is installed: ${
      formatMs(finding.msPerStep)
    } ms ` +
      `per step. deno task compute compares backends; deno task compute uninstall ${backend} ` +
      "removes it.",
  );
  return 0;
}

async function uninstall(backend: OptionalBackend): Promise<number> {
  const { uninstallNode } = await import("../../packages/compute/install_node.ts");
  if (await uninstallNode(backend)) {
    console.log(`${backend} is removed`);
    return 0;
  }
  const other = await findInstallation(backend);
  const why = other
    ? `npm installed it in ${other.folder}. Remove that folder.`
    : "it is not installed.";
  throw new Error(`Cannot uninstall ${backend}: ${why}`);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
