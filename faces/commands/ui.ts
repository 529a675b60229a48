/** `deno task ui`: a local page over the artifacts folder. */
import { once } from "node:events";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { artifactsOption, parseOptions, parseWhole } from "../../packages/pipeline/args.ts";
import { findPipeline } from "../../packages/pipeline/find_pipeline.ts";
import { abortOnSignal } from "../../packages/pipeline/interrupt.ts";

/** Maximum time of a process that the page waits for, ms. */
const MAX_MS = 600_000;

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
    const { values, positionals: pipelines } = parseOptions("ui", args, "port= artifacts= help");
    const port = parseWhole("port", values, 0, 65535) ?? 8100;
    for (const name of pipelines) await findPipeline(name, tools);
    const artifacts = artifactsOption(values, tools, true);
    const { createUi } = await import("../ui/ui_app.ts");
    const { listen } = await import("../serving/server.ts");
    const { log: warn } = tools.reporter;
    using interrupt = abortOnSignal({ log: () => {} }, { code: EXIT.ok });
    // One process at a time, and none for a page that was closed.
    let last: Promise<unknown> = Promise.resolve();
    const run = <T>(left: AbortSignal, ...args: string[]): Promise<T> => {
      const next = last.then(() => {
        left.throwIfAborted();
        return runProcess(args, tools, AbortSignal.any([interrupt.signal, left]));
      });
      last = next.catch(() => {});
      return next as Promise<T>;
    };
    const app = await createUi({
      artifacts,
      pipelines,
      warn,
      compare: (ids, left) =>
        run(left, "main.ts", "compare", ...ids, "--json", "--artifacts", artifacts),
      explain: (pipeline, left) => run(left, "main.ts", "run", pipeline, "--dry-run", "--json"),
      occlude: (model, images, row, left) =>
        run(left, "faces/ui/occlusion_process.ts", model, images, String(row)),
    });
    const { urls: [url], stop } = listen(app, { host: "127.0.0.1", port, connections: 64, warn });
    warn(`${tools.reporter.paint.bold(url)} shows ${artifacts} (Ctrl-C stops)`);
    if (!interrupt.signal.aborted) await once(interrupt.signal, "abort");
    await stop();
    return EXIT.ok;
  },
};
export default command;

/** Runs a program in a process of its own and returns its JSON: meanwhile the page answers. */
async function runProcess(
  args: readonly string[],
  { project, cwd }: Parameters<Command["run"]>[1],
  stopped: AbortSignal,
): Promise<unknown> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "-P=ui", ...args],
    cwd: project,
    env: { INIT_CWD: cwd, NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.any([stopped, AbortSignal.timeout(MAX_MS)]),
  }).output();
  const [out, log] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  let error = log!.slice(-2000) || `it took over ${MAX_MS / 60_000} minutes.`;
  try {
    const value = JSON.parse(out!);
    if (value.error === undefined) return value;
    error = value.error;
  } catch {
    // Its log has the reason.
  }
  throw new Error(`Cannot show this: ${error}`);
}
