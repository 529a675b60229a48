/** Words of the command line → a command, its pipeline or runs, and its options. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { didYouMean, joinWords, UsageError } from "./errors.ts";

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  host: { type: "string" },
  set: { type: "string", multiple: true },
  sweep: { type: "string", multiple: true },
  jobs: { type: "string" },
  point: { type: "string" },
  seed: { type: "string" },
  until: { type: "string" },
  from: { type: "string" },
  only: { type: "string" },
  force: { type: "string", multiple: true },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  check: { type: "boolean" },
  last: { type: "string" },
  keep: { type: "string" },
  forget: { type: "string", multiple: true },
  interrupted: { type: "boolean" },
  yes: { type: "boolean", short: "y" },
  artifacts: { type: "string" },
  remote: { type: "string" },
} as const satisfies ParseArgsConfig["options"];

export type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

interface CommandSpec {
  readonly options: readonly (keyof typeof OPTIONS)[];
  /** One required pipeline, one with the default pipeline.yaml, or any number. */
  readonly names: "pipeline" | "pipeline?" | "any";
}

export const COMMANDS = {
  run: {
    options: [
      ...["help", "set", "seed", "sweep", "jobs", "point"] as const,
      ...["until", "from", "only", "force", "dry-run", "json"] as const,
    ],
    names: "pipeline",
  },
  serve: { options: ["help", "host", "set", "seed"], names: "pipeline?" },
  graph: { options: ["help", "set"], names: "pipeline?" },
  schema: { options: ["help", "check"], names: "pipeline?" },
  runs: { options: ["help", "last", "forget", "json", "artifacts"], names: "any" },
  verify: { options: ["help", "json", "artifacts"], names: "any" },
  gc: {
    options: ["help", "keep", "interrupted", "dry-run", "yes", "json", "artifacts"],
    names: "any",
  },
  push: { options: ["help", "remote", "artifacts"], names: "any" },
  pull: { options: ["help", "remote", "artifacts"], names: "any" },
  remote: { options: ["help", "remote", "artifacts"], names: "any" },
} as const satisfies Record<string, CommandSpec>;

export type Command = keyof typeof COMMANDS;

export function isCommand(text: string): text is Command {
  return Object.hasOwn(COMMANDS, text);
}

/** Reads what follows one of the runner's commands. */
export function parseArguments(
  command: Command,
  args: string[],
): { values: Values; names: string[] } {
  const takes: CommandSpec = COMMANDS[command];
  const options = Object.fromEntries(takes.options.map((key) => [key, OPTIONS[key]]));
  const parsed = parseOptions(command, args, options);
  const values = parsed.values as Values;
  const names = parsed.positionals;
  if (takes.names === "any") return { values, names };
  if (names.length > 1) {
    const cut = values.set?.find((text) => !text.includes("="));
    const hint = cut ? `. Write --set ${cut}=${args[args.indexOf(cut) + 1]}` : "";
    throw new UsageError(`one pipeline at a time; got ${joinWords(names)}${hint}`);
  }
  if (names.length === 0 && takes.names === "pipeline" && !values.help) {
    throw new UsageError("which pipeline? deno task run pipeline runs pipeline.yaml");
  }
  return { values, names: names.length === 0 ? ["pipeline"] : names };
}

export function parsePositiveInt<Name extends string>(
  option: Name,
  values: { readonly [N in Name]?: string },
): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new UsageError(`--${option} ${text}: expected a whole number, at least 1`);
  }
  return Number(text);
}

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: true }>
>;

/** Reads options and other words. @throws {UsageError} on an option that the command does not have */
export function parseOptions<const O extends Options>(
  command: string,
  args: string[],
  options: O,
): Parsed<O> {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string };
    if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
      throw new UsageError(message.replace(/^Option /, "option ").replaceAll("\n", " "));
    }
    const typed = message.match(/'([^']*)'/)?.[1] ?? "";
    const names = Object.keys(options).map((key) => `--${key}`);
    throw new UsageError(
      `deno task ${command} has no option "${typed}".${didYouMean(typed, names)} ` +
        `It has ${joinWords(names)}.`,
    );
  }
}
