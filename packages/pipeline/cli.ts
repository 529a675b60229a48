/** The command line: words in, exit code out. */
import "./jitless.ts"; // before all modules with schemas
import { onEarlyExit } from "@reproducible/workers/early_exit";
import { type Command as BuiltIn, COMMANDS, isCommand, parseArguments } from "./args.ts";
import {
  ConfigError,
  decodeUrl,
  didYouMean,
  formatError,
  formatErrorWithStack,
  Interrupted,
  UsageError,
} from "./errors.ts";
import { HELP, mainHelp } from "./cli/help.ts";
import { loadPlan, overridesOf, resolveRunId } from "./load_plan.ts";
import { invocationDir } from "./paths.ts";
import { type App, type CommandContext, type CommandHandler, EXIT } from "./app.ts";
import { mermaid } from "./plan.ts";
import type { RunReport } from "./run/run_report.ts";
import { createReporter, printJson, standardOutput } from "./reporter.ts";

export { type App, EXIT };

/** Commands load when they are called. */
const MAIN: Record<BuiltIn, () => Promise<CommandHandler>> = {
  run: async () => (await import("./cli/run_command.ts")).run,
  serve: async () => (await import("./cli/run_command.ts")).serve,
  graph: () => Promise.resolve(graph),
  schema: async () => (await import("./cli/schema_command.ts")).default,
  runs: async () => (await import("./cli/runs_command.ts")).default,
  verify: async () => (await import("./cli/verify_command.ts")).default,
  gc: async () => (await import("./cli/gc_command.ts")).default,
  push: async () => (await import("./cli/remote_commands.ts")).push,
  pull: async () => (await import("./cli/remote_commands.ts")).pull,
  remote: async () => (await import("./cli/remote_commands.ts")).remoteStatus,
};

async function graph(call: CommandContext): Promise<number> {
  call.reporter.log(mermaid(await loadPlan(call)));
  return EXIT.ok;
}

/** Runs a command line and returns its exit code. */
export async function main(args: readonly string[], app: App): Promise<number> {
  using _early = failOnEarlyExit();
  // "help run" is "run --help".
  const [command = "", ...rest] = args[0] === "help" && args[1] ? [args[1], "--help"] : args;
  const json = rest.includes("--json");
  const reporter = createReporter(standardOutput(json ? "stderr" : "stdout"));
  const logError = (text: string) =>
    createReporter(standardOutput("stderr")).log(`${reporter.paint.red("error")}: ${text}`);
  let pipeline = "";
  try {
    if (app.commands && Object.hasOwn(app.commands, command)) {
      const { default: own } = await app.commands[command]();
      if (!rest.includes("--help") && !rest.includes("-h")) {
        using _logs = logToStandardError();
        return await own.run(rest, commandContextOf(app, createReporter(standardOutput("stderr"))));
      }
      createReporter(standardOutput("stdout")).log(own.help);
      return EXIT.ok;
    }
    if (["", "--help", "-h", "help"].includes(command)) {
      reporter.log(mainHelp(app));
      return EXIT.ok;
    }
    if (!isCommand(command)) {
      const known = [...Object.keys(COMMANDS), ...Object.keys(app.commands ?? {})];
      throw new UsageError(`there is no command "${command}".${didYouMean(command, known)}`);
    }
    const { values, names } = parseArguments(command, rest);
    pipeline = names[0] ?? "";
    if (values.help) {
      reporter.log(HELP[command]);
      return EXIT.ok;
    }
    using _logs = json ? logToStandardError() : undefined;
    const run = await MAIN[command]();
    const context = commandContextOf(app, reporter, values, names);
    const takesRun = ["run", "serve", "graph"].includes(command);
    return await run(takesRun ? await resolveRunId(context) : context);
  } catch (error) {
    // As in "deno task graph | head".
    if (error instanceof Deno.errors.BrokenPipe) return EXIT.brokenPipe;
    if (error instanceof Interrupted) return EXIT.interrupted;
    const problems = error instanceof ConfigError && error.problems.length > 1
      ? `${error.problems.length} errors:\n`
      : "";
    logError(problems + formatErrorWithStack(error));
    if (json) {
      const report: RunReport = { pipeline, ok: false, seconds: 0, stages: [], metrics: {} };
      const failed = command === "run" ? report : { ok: false };
      printJson({ ...failed, error: formatError(error) });
    }
    return error instanceof ConfigError || error instanceof UsageError ? EXIT.config : EXIT.failed;
  }
}

/** Until it is disposed of, lines that stages and plugins log leave standard output to results. */
function logToStandardError(): Disposable {
  const { log, info, debug } = console;
  console.log = console.info = console.debug = console.error;
  return { [Symbol.dispose]: () => void Object.assign(console, { log, info, debug }) };
}

/** Until it is disposed of, code of a stage or a plugin that ends the process fails, with its place. */
function failOnEarlyExit(): Disposable {
  return onEarlyExit((caller) => {
    // A second Ctrl-C ends the program at once; see `abortOnSignal`.
    if (decodeUrl(caller).startsWith(decodeUrl(import.meta.resolve("./interrupt.ts")))) return;
    const place = caller && ` at ${caller}`;
    console.error(`error: a stage or a plugin ended the program by Deno.exit()${place}`);
    Deno.exitCode ||= EXIT.failed;
  });
}

function commandContextOf(
  app: App,
  reporter: CommandContext["reporter"],
  values: CommandContext["values"] = {},
  names: readonly string[] = [],
): CommandContext {
  const cwd = invocationDir();
  return {
    ...app,
    values,
    names,
    reporter,
    cwd,
    columns: standardOutput("stdout").columns,
    openPlan: (name, given = {}) =>
      loadPlan({ ...app, cwd, names: [name], values: {} }, overridesOf(given, `a run of ${name}`)),
  };
}
