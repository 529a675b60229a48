/** `deno task compute`: lists, measures and installs compute backends. */
import { parseArgs } from "node:util";
import { type Backend, backends, isOptional } from "../../packages/compute/backends.ts";
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
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: "boolean" },
        again: { type: "boolean" },
        tensorflow: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    return complain(`${(error as Error).message.split(". ")[0]}. See deno task compute --help.`, 2);
  }
  const { values, positionals: [command, name, ...rest] } = parsed;
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (command === undefined) return await list(values.json ?? false, values.again ?? false);
  if ((command !== "install" && command !== "uninstall") || rest.length > 0) {
    return complain(
      `there is no "deno task compute ${[command, name, ...rest].join(" ").trim()}": expected ` +
        "install or uninstall, and a backend.",
      2,
    );
  }
  if (name === undefined || !(name in backends) || !isOptional(name as Backend)) {
    const others = name && name in backends ? ` ${name} needs no installation.` : "";
    return complain(`missing backend: node or node-gpu.${others}`, 2);
  }
  const backend = name as "node" | "node-gpu";
  try {
    return command === "install"
      ? await install(backend, values.tensorflow)
      : await uninstall(backend);
  } catch (error) {
    return complain((error as Error).message, 1);
  }
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

async function install(backend: "node" | "node-gpu", tensorflow?: string): Promise<number> {
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
    return complain(
      `${backend} with TensorFlow ${made.tensorflow} is installed, but does not run: ` +
        finding.why,
      1,
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

async function uninstall(backend: "node" | "node-gpu"): Promise<number> {
  const { uninstallNode } = await import("../../packages/compute/install_node.ts");
  const { findInstallation } = await import("../../packages/compute/backends.ts");
  if (await uninstallNode(backend)) {
    console.log(`${backend} is removed`);
    return 0;
  }
  const other = await findInstallation(backend);
  return complain(
    other
      ? `Cannot uninstall ${backend}: npm installed it in ${other.folder}. Remove that folder.`
      : `Cannot uninstall ${backend}: it is not installed.`,
    1,
  );
}

function complain(message: string, code: number): number {
  console.error(`error: ${message}`);
  return code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
