/** `deno task compute`: which backends this machine has, how fast they are, and how to get others. */
import { parseArgs } from "node:util";
import { type Backend, backends, isOptional } from "../../packages/compute/backends.ts";
import { createReporter, standardOutput } from "../../packages/pipeline/reporter.ts";
import { onStopSignal } from "../../packages/workers/stop_signals.ts";
import { pickFastest, round } from "./auto_backend.ts";
import { type BackendStatus, lookForGpu, measureBackend } from "./compute/measure_backend.ts";
import {
  currentEnvironment,
  loadBenchmark,
  sameEnvironment,
  saveBenchmark,
} from "./compute/benchmark_cache.ts";

/** Help of `deno task compute`. */
export const HELP = `What this machine can compute on, and how fast.

  deno task compute                     list the backends, with the milliseconds of one step of the
                                        report's gender network at batch 64
  deno task compute install BACKEND     get node (TensorFlow on the CPU) or node-gpu (TensorFlow on
                                        an NVIDIA GPU): compiles tfjs-node for the TensorFlow of a
                                        wheel of PyPI, into your cache folder (Linux)
  deno task compute uninstall BACKEND   remove that

  --json                list: print one JSON object to stdout; all else goes to stderr
  --again               list: measure again what was measured before
  --tensorflow VERSION  install: another TensorFlow than 2.21
  --help

compute: auto in a pipeline takes the fastest. That is measured once and remembered, until the
machine, Deno, the project's packages or what is installed change.`;

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
      `there is no "deno task compute ${[command, name, ...rest].join(" ").trim()}". It takes ` +
        "install or uninstall, and a backend.",
      2,
    );
  }
  if (name === undefined || !(name in backends) || !isOptional(name as Backend)) {
    const others = name && name in backends ? ` ${name} needs no installation.` : "";
    return complain(`which backend: node or node-gpu?${others}`, 2);
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
  const now = await currentEnvironment();
  const memory = await loadBenchmark();
  const known = memory && sameEnvironment(memory.circumstances, now) && !again
    ? memory.findings.filter(({ usable }) => usable)
    : [];
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
  await saveBenchmark({ circumstances: now, at: new Date().toISOString(), chosen, findings });
  if (json) {
    const listed = findings.map((finding) => ({ msPerStep: null, ...finding }));
    console.log(JSON.stringify({ backends: listed, auto: chosen }));
    return 0;
  }
  for (const finding of findings) {
    const { name, usable, why } = finding;
    const time = usable ? `${round(finding.msPerStep)} ms` : "-";
    const mark = name === chosen.backend ? "*" : " ";
    console.log(`${mark} ${name.padEnd(9)} ${time.padStart(9)}  ${backends[name]}`);
    if (usable) {
      console.log(`${" ".repeat(23)}${[finding.version, why].filter(Boolean).join("; ")}`);
    } else console.log(`${" ".repeat(23)}not usable: ${why}`);
  }
  console.log(
    `\nMilliseconds of one step of the report's gender network, 64 images. compute: auto takes ` +
      `${chosen.backend}: ${chosen.why}.`,
  );
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
      `${backend} with TensorFlow ${made.tensorflow} is installed, but does not run here: ` +
        finding.why,
      1,
    );
  }
  reporter.log(
    `${backend} with TensorFlow ${made.tensorflow} is installed: ${
      round(finding.msPerStep)
    } ms a ` +
      `step. deno task compute compares it; deno task compute uninstall ${backend} removes it.`,
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
      ? `Cannot uninstall ${backend}: npm has put it into ${other.folder}. Remove that folder.`
      : `Cannot uninstall ${backend}: it is not installed.`,
    1,
  );
}

function complain(message: string, code: number): number {
  console.error(`error: ${message}`);
  return code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
