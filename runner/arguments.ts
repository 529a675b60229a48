/** The words of a command line, and what is wrong with them. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { didYouMean, list, UsageError } from "./errors.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Reads options and other words. @throws {UsageError} on an option that the command does not have */
export function readWords<const O extends Options>(command: string, args: string[], options: O) {
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
        `It has ${list(names)}.`,
    );
  }
}
