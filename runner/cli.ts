/** The command line: words in, exit code out. */
import { join } from "node:path";
import type { parseArgs, ParseArgsConfig } from "node:util";
import { readWords } from "./arguments.ts";
import type { Commands } from "./command.ts";
import { type ConfigOptions, openConfig, readConfig } from "./config.ts";
import { ConfigError, didYouMean, explain, list, tell, UsageError } from "./errors.ts";
import { findPipeline } from "./find.ts";
import { mermaid, type Plan, plan } from "./graph.ts";
import { HELP } from "./help.ts";
import { onInterrupt } from "./interrupt.ts";
import { Locked } from "./lockfile.ts";
import { Modules } from "./modules.ts";
import { parseOverride } from "./override.ts";
import { fromFileUrl, readTextIfThere, short, userFolder, writeWhole } from "./paths.ts";
import { Registry, type StageSource } from "./registry.ts";
import { clock, createReporter, type Reporter, standardOutput } from "./reporter.ts";
import {
  INTERRUPTED,
  runPlan,
  type RunReport,
  select,
  type Selection,
  type Workshop,
} from "./run.ts";
import { pipelineJsonSchema, referenceMarkdown } from "./schema.ts";
import { Store } from "./store.ts";

/** What the command line is about; the runner itself knows no stage. */
export interface Program {
  /** Folder of deno.json. */
  project: string;
  stages: readonly StageSource[];
  resolveCompute: Workshop["resolveCompute"];
  /** Commands beside the runner's own. */
  commands?: Commands;
}

export const EXIT = { ok: 0, failed: 1, config: 2, interrupted: 130 } as const;

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  host: { type: "string" },
  set: { type: "string", multiple: true },
  seed: { type: "string" },
  until: { type: "string" },
  from: { type: "string" },
  only: { type: "string" },
  force: { type: "string", multiple: true },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  check: { type: "boolean" },
} as const satisfies ParseArgsConfig["options"];

type Command = Exclude<keyof typeof HELP, "main">;

const TAKES: Record<Command, readonly (keyof typeof OPTIONS)[]> = {
  run: ["help", "set", "seed", "until", "from", "only", "force", "dry-run", "json"],
  serve: ["help", "host", "set", "seed"],
  graph: ["help", "set"],
  schema: ["help", "check"],
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
      throw new UsageError(
        `there is no command "${command}".${
          didYouMean(command, [
            ...Object.keys(TAKES),
            ...Object.keys(program.commands ?? {}),
          ])
        }`,
      );
    }
    const { values, name } = readArguments(command, rest);
    pipeline = name;
    if (values.help) {
      reporter.line(HELP[command]);
      return EXIT.ok;
    }
    return await COMMANDS[command]({ values, name, program, reporter });
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
      console.log(JSON.stringify({ ...report, error: explain(error) }));
    }
    return wrong ? EXIT.config : EXIT.failed;
  }
}

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
    openPlan: (name) => planOf(name, {}, program),
    resolveCompute: program.resolveCompute,
  });
}

interface Call {
  values: Values;
  name: string;
  program: Program;
  reporter: Reporter;
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

function isCommand(text: string): text is Command {
  return text in TAKES;
}

function readArguments(command: Command, args: string[]): { values: Values; name: string } {
  const known = TAKES[command];
  const options = Object.fromEntries(known.map((key) => [key, OPTIONS[key]]));
  const parsed = readWords(command, args, options);
  const values = parsed.values as Values;
  const [name, ...others] = parsed.positionals;
  if (others.length > 0) {
    throw new UsageError(`one pipeline at a time; got ${list(parsed.positionals)}`);
  }
  if (name === undefined && command === "run" && !values.help) {
    throw new UsageError("which pipeline? deno task run pipeline runs pipeline.yaml");
  }
  return { values, name: name ?? "pipeline" };
}

const COMMANDS: Record<Command, (call: Call) => Promise<number>> = {
  async run({ values, name, program, reporter }) {
    const planned = await planOf(name, values, program);
    const ids = planned.stages.map((stage) => stage.id);
    for (const option of ["until", "from", "only", "force"] as const) {
      for (const id of [values[option] ?? []].flat()) {
        if (!ids.includes(id)) {
          throw new UsageError(
            `--${option} ${id}: the pipeline has no such stage.${didYouMean(id, ids)} ` +
              `It has ${list(ids)}.`,
          );
        }
      }
    }
    const { from, only, force } = values;
    const until = values.until === undefined ? undefined : [values.until];
    if (select(planned, { until, from, only }).size === 0) {
      const service = planned.stages.find(({ id, stage }) =>
        stage.service && id === (only ?? from)
      );
      throw new UsageError(
        service
          ? `${service.id} is a service, which deno task serve starts`
          : "--until, --from and --only leave no stage to run",
      );
    }
    return await execute(planned, { until, from, only, force }, program, reporter, values);
  },

  async serve({ values, name, program, reporter }) {
    let planned = await planOf(name, values, program);
    const services = planned.stages.filter((stage) => stage.stage.service);
    if (values.host !== undefined) {
      const set = services.filter(({ stage }) => "host" in stage.params.shape)
        .map(({ id }) => `${id}.host=${JSON.stringify(values.host)}`);
      planned = await planOf(name, { ...values, set: [...values.set ?? [], ...set] }, program);
    }
    if (services.length === 0) {
      const { text } = planned.source.at(["stages"], true);
      throw new UsageError(
        `${text}: the pipeline has no service; add "webcamServe:" to its stages`,
      );
    }
    const until = services.flatMap((stage) => stage.after);
    return await execute(planned, { until }, program, reporter, {}, true);
  },

  async graph({ values, name, program, reporter }) {
    reporter.line(mermaid(await planOf(name, values, program)));
    return EXIT.ok;
  },

  async schema({ values, name, program, reporter }) {
    const { project } = program;
    // What the stages are given may be wrong, and completion is what helps; plugins must load.
    const { file, options } = await optionsOf(name, values, program);
    const { registry, problems } = await openConfig(file, options);
    if (problems.length > 0) throw new ConfigError(problems);
    const stages = await Promise.all(
      registry.names().map(async (stage) => (await registry.get(stage)).stage),
    );
    const own = file === join(project, "pipeline.yaml");
    const built = new Set(program.stages.map((source) => source.name));
    const writes: [string, string][] = [[
      `${file.replace(/\.ya?ml$/, "")}.schema.json`,
      JSON.stringify(pipelineJsonSchema(stages), null, 2) + "\n",
    ]];
    if (own) {
      const readme = join(project, "README.md");
      const text = await readTextIfThere(readme);
      const reference = referenceMarkdown(stages.filter((stage) => built.has(stage.name)));
      if (text !== undefined) writes.push([readme, insertReference(text, reference)]);
    }
    let stale = false;
    for (const [path, text] of writes) {
      if (await readTextIfThere(path) === text) continue;
      stale = true;
      const shown = short(path, project);
      if (!values.check) await writeWhole(path, text);
      reporter.line(values.check ? `${shown} is out of date: deno task schema` : `wrote ${shown}`);
    }
    return stale && values.check ? EXIT.failed : EXIT.ok;
  },
};

/** Puts the reference between the README's markers. */
export function insertReference(text: string, reference: string): string {
  return text.replace(
    /(<!-- reference -->\n)[\s\S]*?(<!-- \/reference -->)/,
    (_, open, close) =>
      `${open}<!-- deno-fmt-ignore-start -->\n\n${reference}\n<!-- deno-fmt-ignore-end -->\n${close}`,
  );
}

async function optionsOf(
  name: string,
  values: Values,
  { project, stages }: Program,
): Promise<{ file: string; options: ConfigOptions }> {
  const overrides = (values.set ?? []).map(parseOverride);
  if (values.seed !== undefined) {
    const at = { text: `--seed ${values.seed}` };
    overrides.push({ ...parseOverride(`seed=${values.seed}`), at });
  }
  const user = userFolder();
  const file = await findPipeline(name, user, project);
  return { file, options: { project, user, registry: new Registry().add(stages), overrides } };
}

async function planOf(name: string, values: Values, program: Program): Promise<Plan> {
  const { file, options } = await optionsOf(name, values, program);
  return plan(await readConfig(file, options));
}

async function execute(
  planned: Plan,
  selection: Selection,
  { project, resolveCompute }: Program,
  reporter: Reporter,
  { json, "dry-run": dryRun = false }: Values,
  services = false,
): Promise<number> {
  using interrupt = onInterrupt(reporter, EXIT.interrupted);
  const { imports = {} } = JSON.parse(await Deno.readTextFile(join(project, "deno.json")));
  const shop: Workshop = {
    project,
    store: new Store(planned.artifacts),
    modules: new Modules(project, join(planned.artifacts, ".cache", "modules.json"), imports),
    locked: new Locked(await readTextIfThere(join(project, "deno.lock"))),
    uncounted: [fromFileUrl(new URL(".", import.meta.url))],
    resolveCompute,
    reporter,
    signal: interrupt.signal,
  };
  const report = await runPlan(planned, selection, shop, { dryRun, services });
  if (json) console.log(JSON.stringify(report));
  const interrupted = interrupt.signal.aborted;
  if (!services) summarise(report, interrupted, dryRun, reporter);
  // A service is meant to be stopped by Ctrl-C; what has to run before it is not.
  if (interrupted && !(services && report.ok)) return EXIT.interrupted;
  return report.ok ? EXIT.ok : EXIT.failed;
}

function summarise(
  { stages, seconds, ok }: RunReport,
  interrupted: boolean,
  dryRun: boolean,
  { line, paint }: Reporter,
): void {
  if (dryRun) return;
  const counted = (["ran", "cached", "failed"] as const).flatMap((status) => {
    const count = stages.filter((stage) => stage.status === status && stage.why !== INTERRUPTED)
      .length;
    return count > 0 ? [`${count} ${status}`] : [];
  });
  const head = ok
    ? `${paint.good("done")} in`
    : interrupted
    ? `${paint.warning("interrupted")} after`
    : `${paint.bad("not done")} in`;
  line(`${head} ${clock(seconds)}${counted.length > 0 ? `: ${list(counted)}` : ""}`);
}
