/** Words of the command line → a command, its pipeline or runs, and its options. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, type ParseArgsConfig } from "node:util";
import type { CommandContext } from "./app.ts";
import { didYouMean, joinWords, UsageError } from "./errors.ts";
import { isUrl, resolveFrom } from "./paths.ts";

/** One required pipeline, one with the default pipeline.yaml, or any number. */
type Names = "pipeline" | "pipeline?" | "any";

/** Command → its options, as `parseOptions` takes them, and names. */
export const COMMANDS = {
  run: {
    options: "help set=* seed= sweep=* jobs= point= until=* from=* only=* force=* dry-run json",
    names: "pipeline",
  },
  serve: { options: "help host= set=* seed=", names: "pipeline?" },
  graph: { options: "help set=*", names: "pipeline?" },
  schema: { options: "help check", names: "pipeline?" },
  runs: { options: "help last= forget=* json artifacts=", names: "any" },
  verify: { options: "help json artifacts=", names: "any" },
  gc: { options: "help keep= interrupted dry-run yes json artifacts=", names: "any" },
  push: { options: "help remote= artifacts=", names: "any" },
  pull: { options: "help remote= artifacts=", names: "any" },
  remote: { options: "help remote= artifacts=", names: "any" },
} as const satisfies Record<string, { readonly options: string; readonly names: Names }>;

/** Values of options by name; those that are missing are undefined. */
type ValuesOf<Options extends string> = {
  readonly [Word in Words<Options> as Word extends `${infer Name}=${string}` ? Name : Word]?:
    Word extends `${string}=*` ? string[] : Word extends `${string}=` ? string : boolean;
};
type Words<Text extends string> = Text extends `${infer Word} ${infer Rest}` ? Word | Words<Rest>
  : Text;

export type Values = ValuesOf<(typeof COMMANDS)[Command]["options"]>;

export type Command = keyof typeof COMMANDS;

export function isCommand(text: string): text is Command {
  return Object.hasOwn(COMMANDS, text);
}

/** Reads what follows one of the runner's commands. */
export function parseArguments(
  command: Command,
  args: string[],
): { values: Values; names: string[] } {
  const takes: { options: string; names: Names } = COMMANDS[command];
  const parsed = parseOptions(command, args, takes.options);
  const values = parsed.values as Values, names = parsed.positionals;
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

export function parseWhole<Name extends string>(
  option: Name,
  values: { readonly [N in Name]?: string },
  least = 1,
  most = Infinity,
): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  const range = most === Infinity ? `, at least ${least}` : ` from ${least} to ${most}`;
  throw new UsageError(`--${option} ${text}: expected a whole number${range}`);
}

/**
 * Returns the artifact folder that a command is about.
 * @throws {UsageError} if `--artifacts` is none; with `mayBeMade`, it need not be there
 */
export function artifactsOption(
  { artifacts }: { readonly artifacts?: string },
  { cwd, project }: Pick<CommandContext, "cwd" | "project">,
  mayBeMade = false,
): string {
  if (artifacts === undefined) return join(project, "artifacts");
  const folder = resolveFrom(artifacts, cwd), there = existsSync(folder);
  if (there ? statSync(folder).isDirectory() : mayBeMade && !isUrl(folder)) return folder;
  const why = there || isUrl(folder) ? "expected a folder" : "there is no such folder";
  throw new UsageError(`--artifacts ${artifacts}: ${why}`);
}

/** Options with a short form. */
const SHORT: Readonly<Record<string, string>> = { help: "h", yes: "y" };

/**
 * Reads options and other words.
 * @param names of the options: "json" for a flag, "port=" for one with a text, "set=*" for one that may
 *   repeat
 * @throws {UsageError} on an option that the command does not have, and on empty words
 */
export function parseOptions<const Options extends string>(
  command: string,
  args: string[],
  names: Options,
): { values: ValuesOf<Options>; positionals: string[] } {
  const options = Object.fromEntries(
    names.split(" ").map((word) => {
      const [name = "", rest] = word.split("=");
      const type = rest === undefined ? "boolean" : "string";
      return [name, { type, multiple: rest === "*", ...SHORT[name] && { short: SHORT[name] } }];
    }),
  ) as NonNullable<ParseArgsConfig["options"]>;
  // As a variable of a shell that is not set.
  const empty = args.findIndex((word) => /^(--[a-z-]+=)?$/.test(word));
  if (empty >= 0) {
    const before = args[empty] || args[empty - 1] || command;
    throw new UsageError(`expected a value after ${before}, got ""`);
  }
  try {
    const { values, positionals, tokens } = parseArgs({
      args,
      options,
      allowPositionals: true,
      tokens: true,
    });
    const single = tokens.flatMap((token) =>
      token.kind === "option" && token.value && !options[token.name]!.multiple ? token.name : []
    );
    const twice = single.find((name, i) => single.indexOf(name) < i);
    if (twice !== undefined) throw new UsageError(`--${twice} is there twice; keep one`);
    return { values: values as ValuesOf<Options>, positionals };
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string };
    if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
      throw new UsageError(message.replace(/^Option /, "option ").replaceAll("\n", " "));
    }
    const typed = message.match(/'([^']*)'/)?.[1] ?? "";
    const all = Object.keys(options).map((key) => `--${key}`);
    throw new UsageError(
      `deno task ${command} has no option "${typed}".${didYouMean(typed, all)} ` +
        `It has ${joinWords(all)}.`,
    );
  }
}
