/** The command line: words in, exit code out. */
import "./jitless.ts"; // before all modules with schemas
import { type Command as BuiltIn, COMMANDS, isCommand, parseArguments } from "./args.ts";
import {
  ConfigError,
  didYouMean,
  formatError,
  formatErrorWithStack,
  UsageError,
} from "./errors.ts";
import { HELP, mainHelp } from "./cli/help.ts";
import { loadPlan, ofRun } from "./run/create_context.ts";
import { invocationDir } from "./paths.ts";
import { type App, type CommandContext, type CommandHandler, EXIT } from "./app.ts";
import type { RunReport } from "./run/run_report.ts";
import { createReporter, standardOutput } from "./reporter.ts";

export { type App, EXIT };

/** Commands load when they are called. */
const MAIN: Record<BuiltIn, () => Promise<{ default: CommandHandler }>> = {
  run: () => import("./cli/run_command.ts"),
  serve: () => import("./cli/serve_command.ts"),
  graph: () => import("./cli/graph_command.ts"),
  schema: () => import("./cli/schema_command.ts"),
  runs: () => import("./cli/runs_command.ts"),
  verify: () => import("./cli/verify_command.ts"),
  gc: () => import("./cli/gc_command.ts"),
  push: async () => ({ default: (await import("./cli/remote_commands.ts")).push }),
  pull: async () => ({ default: (await import("./cli/remote_commands.ts")).pull }),
  remote: async () => ({ default: (await import("./cli/remote_commands.ts")).remoteStatus }),
};

/** Runs a command line and returns its exit code. */
export async function main(args: readonly string[], app: App): Promise<number> {
  const [command = "", ...rest] = args;
  const json = rest.includes("--json");
  const reporter = createReporter(standardOutput(json ? "stderr" : "stdout"));
  const complain = (text: string) =>
    createReporter(standardOutput("stderr")).log(`${reporter.paint.red("error")}: ${text}`);
  let pipeline = "";
  try {
    if (app.commands && Object.hasOwn(app.commands, command)) {
      return await runCommand(app.commands[command]!, rest, app);
    }
    if (!isCommand(command)) {
      if (command === "" || command === "--help" || command === "help") {
        reporter.log(mainHelp(app));
        return EXIT.ok;
      }
      const known = [...Object.keys(COMMANDS), ...Object.keys(app.commands ?? {})];
      throw new UsageError(`there is no command "${command}".${didYouMean(command, known)}`);
    }
    const { values, names } = parseArguments(command, rest);
    pipeline = names[0] ?? "";
    if (values.help) {
      reporter.log(HELP[command]);
      return EXIT.ok;
    }
    const { default: run } = await MAIN[command]();
    const context = contextOf(app, reporter, values, names);
    return await run(["run", "serve", "graph"].includes(command) ? await ofRun(context) : context);
  } catch (error) {
    // As in "deno task graph | head".
    if (error instanceof Deno.errors.BrokenPipe) return EXIT.failed;
    const wrong = error instanceof ConfigError || error instanceof UsageError;
    const problems = error instanceof ConfigError && error.problems.length > 1
      ? `${error.problems.length} errors:\n`
      : "";
    complain(problems + formatErrorWithStack(error));
    if (json) {
      const report: RunReport = { pipeline, ok: false, seconds: 0, stages: [], metrics: {} };
      const told = command === "run" ? report : { ok: false };
      console.log(JSON.stringify({ ...told, error: formatError(error) }));
    }
    return wrong ? EXIT.config : EXIT.failed;
  }
}

/** Runs a command that is not the runner's own. */
async function runCommand(
  load: NonNullable<App["commands"]>[string],
  args: string[],
  app: App,
): Promise<number> {
  const { default: command } = await load();
  if (args.includes("--help") || args.includes("-h")) {
    createReporter(standardOutput("stdout")).log(command.help);
    return EXIT.ok;
  }
  return await command.run(args, contextOf(app, createReporter(standardOutput("stderr"))));
}

function contextOf(
  app: App,
  reporter: CommandContext["reporter"],
  values: CommandContext["values"] = {},
  names: readonly string[] = [],
): CommandContext {
  return {
    ...app,
    ...{ values, names, reporter },
    cwd: invocationDir(),
    columns: standardOutput("stdout").columns,
    openPlan: (name) => loadPlan({ ...app, names: [name], values: {} }),
  };
}
