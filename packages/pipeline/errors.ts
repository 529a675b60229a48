/** Errors that a user can fix, and their formatting. */
export { joinWords } from "./causes.ts";
export { didYouMean } from "./did_you_mean.ts";
import { pluginName } from "./paths.ts";
import { hideSecrets } from "./secrets.ts";
import type { ParamProblem } from "./stage.ts";

/** Place of a value in a file or on the command line. */
export interface Location {
  /** "pipeline.yaml:12:5", or "--set split.test=2". */
  readonly text: string;
  /** The line itself and a column (from 1), when there is one to show. */
  readonly line?: string;
  readonly column?: number;
}

export interface Problem {
  readonly at: Location;
  readonly message: string;
}

/** Number of problems after which the search for more ends. */
export const MAX_PROBLEMS = 100;

/** The config is wrong; has every problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Those of a file by line and column; each once, as the combinations of a sweep share some. */
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    const { compare } = new Intl.Collator("en", { numeric: true }); // line 9 precedes line 10
    // Arguments stay in the order in which they were typed.
    const files = Map.groupBy(problems, ({ at }) => at.text.replace(/:\d+:\d+$/, "")).values();
    const ordered = [...files].flatMap((ones) =>
      ones.toSorted((a, b) => compare(a.at.text, b.at.text))
    );
    const described = new Map(ordered.map((one) => [describe(one), one]));
    const first = [...described.keys()].slice(0, MAX_PROBLEMS);
    const more = described.size - first.length;
    super([...first, ...more > 0 ? [`... and ${more} more`] : []].join("\n"), options);
    this.problems = [...described.values()];
  }

  static at(at: Location, message: string): ConfigError {
    return new ConfigError([{ at, message }]);
  }
}

/** Invalid use of the command line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A stage cannot run for a reason that the message explains to the end; no stack is shown. */
export class RunError extends Error {
  override readonly name = "RunError";
}

/** The reason of a signal that Ctrl-C has aborted. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

function describe({ at, message }: Problem): string {
  const head = hideSecrets(`${at.text}: ${message}`);
  // The column is that of the line with its secrets.
  if (!at.line?.trim() || at.column === undefined || hideSecrets(at.line) !== at.line) return head;
  return `${head}\n    ${at.line}\n    ${" ".repeat(at.column - 1)}^`;
}

/**
 * Escapes control characters (`\\x1b`), which move a terminal's cursor or change its title, and those
 * that turn the direction of writing. New lines and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (char) => {
    const code = char.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`;
  });
}

/** Returns a value as JSON, cut to the length of a message. */
export function quote(value: unknown): string {
  return cut(typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value));
}

/** Cuts a text to the length of a message. */
export function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Returns true if an error's message is that of a full disk. */
export function isDiskFull(message: string): boolean {
  return /\(os error 28\)|ENOSPC/.test(message);
}

/** Returns true if an error's message is that of a process with as many open files as it may have. */
export function isOutOfFiles(message: string): boolean {
  return /\(os error 24\)|EMFILE/.test(message);
}

/** Returns the message of anything thrown, with its causes. */
export function formatError(error: unknown, above: readonly unknown[] = []): string {
  if (!(error instanceof Error)) {
    return hideSecrets(typeof error === "object" ? Deno.inspect(error) : String(error));
  }
  const message = hideSecrets(error.message || error.name);
  const causes = [error.cause, ...error instanceof AggregateError ? error.errors : []]
    .filter((cause) => cause !== undefined && ![...above, error].includes(cause))
    .map((cause) => formatError(cause, [...above, error]))
    .filter((cause) => !message.includes(cause));
  return [message, ...causes].join("\n  because: ");
}

/** Maps all items. @throws {ConfigError} with the errors of all */
export function mapAll<T, R>(items: readonly T[], map: (item: T) => R): R[] {
  const problems: Problem[] = [];
  const mapped = items.flatMap((item) => {
    try {
      return [map(item)];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return [];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return mapped;
}

/** Returns the errors of parameters with which their checks fail. @param what begins their messages */
export async function problemsOf(
  checks: Iterable<readonly [path: ParamProblem["path"], check: () => unknown]>,
  what = "",
): Promise<ParamProblem[]> {
  const problems: ParamProblem[] = [];
  for (const [path, check] of checks) {
    await Promise.try(check).catch((error) => {
      problems.push({ path, message: what + formatError(error) });
    });
  }
  return problems;
}

/**
 * Returns the place of an error in a module, as `path:line:column`: the innermost frame that is in
 * it, of the error or of its causes; undefined if there is none.
 * @param module URL
 */
export function placeIn(error: unknown, module: string): string | undefined {
  const url = decodeUrl(module);
  for (let at = error; at instanceof Error; at = at.cause) {
    // deno-lint-ignore no-control-regex -- Deno colors the place of a missing import
    const stack = at.stack?.replaceAll(/\x1b\[\d+m/g, "");
    const frame = stack?.split("\n").map(decodeUrl).find((line) => line.includes(`${url}:`));
    const place = frame?.slice(frame.indexOf(url) + url.length).match(/^(:\d+:\d+)/);
    if (place) return `${pluginName(module)}${place[1]}`;
  }
  return undefined;
}

/** Decodes a URL, of which a stack may have parts decoded. Returns others than URLs as they are. */
export function decodeUrl(text: string): string {
  try {
    return decodeURI(text);
  } catch {
    return text; // a "%" that encodes nothing
  }
}

/**
 * Returns the message; of a mistake in the code, with its stack.
 * @param place a line that is appended in place of the stack
 */
export function formatErrorWithStack(error: unknown, place = ""): string {
  const mistake = error instanceof TypeError || error instanceof ReferenceError ||
    error instanceof RangeError;
  if (!mistake || place) return formatError(error) + place;
  const stack = error.stack?.split("\n").slice(1).join("\n") ?? "";
  return `${formatError(error)}\n${hideSecrets(stack)}`;
}
