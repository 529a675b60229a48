/** The command line: words in, exit code out. */
import { type Command, COMMANDS, isCommand, readArguments } from "./arguments.ts";
import type { Commands } from "./command.ts";
import { ConfigError, didYouMean, explain, tell, UsageError } from "./errors.ts";
import { HELP } from "./help.ts";
import { ofRun, planOf } from "./open.ts";
import { userFolder } from "./paths.ts";
import { type CommandMain, EXIT, type Program } from "./program.ts";
import type { RunReport } from "./report.ts";
import { createReporter, standardOutput } from "./reporter.ts";

export { EXIT, type Program };

/** Commands load when they are called. */
const MAIN: Record<Command, () => Promise<{ default: CommandMain }>> = {
  run: () => import("./commands/run.ts"),
  serve: () => import("./commands/serve.ts"),
  graph: () => import("./commands/graph.ts"),
  schema: () => import("./commands/schema.ts"),
  runs: () => import("./commands/runs.ts"),
  verify: () => import("./commands/verify.ts"),
  gc: () => import("./commands/gc.ts"),
};

/** Runs a command line and returns its exit code. */
export async function main(args: readonly string[], program: Program): Promise<number> {
  const [command = "", ...rest] = args;
  const json = rest.includes("--json");
  const reporter = createReporter(standardOutput(json ? "stderr" : "stdout"));
  const complain = (text: string) =>
    createReporter(standardOutput("stderr")).line(`${reporter.paint.bad("error")}: ${text}`);
  let pipeline = "";
  try {
    if (program.commands && Object.hasOwn(program.commands, command)) {
      return await runCommand(program.commands[command]!, rest, program);
    }
    if (!isCommand(command)) {
      if (command === "" || command === "--help" || command === "help") {
        reporter.line(HELP.main);
        return EXIT.ok;
      }
      const known = [...Object.keys(COMMANDS), ...Object.keys(program.commands ?? {})];
      throw new UsageError(`there is no command "${command}".${didYouMean(command, known)}`);
    }
    const { values, names } = readArguments(command, rest);
    pipeline = names[0] ?? "";
    if (values.help) {
      reporter.line(HELP[command]);
      return EXIT.ok;
    }
    const { default: run } = await MAIN[command]();
    const call = { command, values, names, program, reporter };
    return await run(["run", "serve", "graph"].includes(command) ? await ofRun(call) : call);
  } catch (error) {
    // As in "deno task graph | head": nobody reads on.
    if (error instanceof Deno.errors.BrokenPipe) return EXIT.failed;
    const wrong = error instanceof ConfigError || error instanceof UsageError;
    const problems = error instanceof ConfigError && error.problems.length > 1
      ? `${error.problems.length} things are wrong:\n`
      : "";
    complain(problems + tell(error));
    if (json) {
      const report: RunReport = { pipeline, ok: false, seconds: 0, stages: [], metrics: {} };
      const told = command === "run" ? report : { ok: false };
      console.log(JSON.stringify({ ...told, error: explain(error) }));
    }
    return wrong ? EXIT.config : EXIT.failed;
  }
}

/** Runs a command that is not the runner's own. */
async function runCommand(
  load: Commands[string],
  args: string[],
  program: Program,
): Promise<number> {
  const { default: command } = await load();
  if (args.includes("--help") || args.includes("-h")) {
    createReporter(standardOutput("stdout")).line(command.help);
    return EXIT.ok;
  }
  return await command.run(args, {
    project: program.project,
    user: userFolder(),
    reporter: createReporter(standardOutput("stderr")),
    columns: standardOutput("stdout").columns,
    stages: program.stages,
    openPlan: (name) => planOf({ names: [name], values: {}, program }),
    self: program.self,
    resolveCompute: program.resolveCompute,
  });
}
