/** `deno task ui`: a local page over the artifacts folder. */
import { once } from "node:events";
import { join, resolve } from "node:path";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { UsageError } from "../../packages/pipeline/errors.ts";
import { findPipeline } from "../../packages/pipeline/find_pipeline.ts";
import type { UiStep } from "../ui/ui_api.ts";
import { abortOnSignal } from "../../packages/pipeline/interrupt.ts";

const command: Command = {
  help: `Show runs in a browser: live, compared, and their files.

  deno task ui [PIPELINE ...] [OPTIONS]

  --port N           port to listen on; 0 picks a free port. Default: 8100
  --artifacts DIR    folder of the runs. Default: the project's artifacts/
  --help

The page reads the folder and changes nothing in it, also while runs are at work. It accepts
requests from this machine only. For each PIPELINE it can print what would run, and why.

Exit codes: 0 stopped, 1 it cannot listen, 2 wrong command line.`,
  async run(args, tools) {
    const { values, positionals: pipelines } = parseOptions("ui", args, {
      port: { type: "string" },
      artifacts: { type: "string" },
      help: { type: "boolean", short: "h" },
    });
    const port = Number(values.port ?? 8100);
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
      throw new UsageError(`--port ${values.port}: expected a whole number from 0 to 65535`);
    }
    for (const name of pipelines) await findPipeline(name, tools.cwd, tools.project);
    const artifacts = resolve(tools.cwd, values.artifacts ?? join(tools.project, "artifacts"));
    const { createUi } = await import("../ui/ui_app.ts");
    const { listen } = await import("../serving/server.ts");
    const { log: warn } = tools.reporter;
    const app = await createUi({
      ...{ artifacts, pipelines, warn },
      async compare(runs) {
        const { compareRuns } = await import("./compare/compare_runs.ts");
        const { pageComparison } = await import("./compare/format_comparison.ts");
        return pageComparison(await compareRuns(runs, new ArtifactStore(artifacts)));
      },
      explain: (pipeline) => dryRun(pipeline, tools),
      occlude: (...args) => occlude(args.map(String), tools.project),
    });
    const { urls: [url], stop } = listen(app, { host: "127.0.0.1", port, connections: 64, warn });
    using interrupt = abortOnSignal({ log: () => {} }, EXIT.ok);
    warn(`${tools.reporter.paint.bold(url)} shows ${artifacts} (Ctrl-C stops)`);
    if (!interrupt.signal.aborted) await once(interrupt.signal, "abort");
    await stop();
    return EXIT.ok;
  },
};
export default command;

/** Returns an occlusion map; a process of its own computes it. */
async function occlude(args: string[], project: string): Promise<UiStep> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "-P=ui", "faces/ui/occlusion_process.ts", ...args],
    ...{
      cwd: project,
      stdin: "null",
      env: { NO_COLOR: "1" },
      signal: AbortSignal.timeout(120_000),
    },
  }).output();
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  const log = new TextDecoder().decode(stderr).trim().slice(-500);
  throw new Error(`Cannot compute the occlusion map: ${log || "it took over two minutes"}`);
}

/** Returns what a dry run of a pipeline prints as JSON; its code runs in a process of its own. */
async function dryRun(pipeline: string, { project, cwd }: Parameters<Command["run"]>[1]) {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "--no-prompt", "-P=ui", "main.ts"],
      ...["run", pipeline, "--dry-run", "--json"],
    ],
    cwd: project,
    env: { INIT_CWD: cwd, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const [out, log] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  try {
    return JSON.parse(out!);
  } catch {
    return { ok: false, stages: [], error: log!.trim().slice(-2000) };
  }
}
