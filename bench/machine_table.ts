/** Options, tables and the machine of a benchmark. */
import { parseArgs } from "node:util";
import { formatTable } from "../packages/pipeline/format.ts";

/** Returns a Markdown table; all columns but the first are right-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const bars = (cells: readonly string[]) => ["|", ...cells.flatMap((cell) => [cell, "|"])];
  const rule = head.map((title, column) => {
    const width = Math.max(3, title.length, ...rows.map((row) => row[column].length));
    return column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`;
  });
  const right = head.flatMap((_, column) => column === 0 ? [] : [2 * column + 1]);
  return formatTable([head, rule, ...rows].map(bars), right)
    .map((line) => line.replaceAll("|  ", "| ").replaceAll("  |", " |")).join("\n");
}

/** Formats an integer: 1,234. */
export function thousands(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Describes the machine, as far as the runtime knows it. */
export function machine(): { cores: number; os: string; arch: string; load: number[] } {
  return {
    cores: navigator.hardwareConcurrency,
    os: Deno.build.os,
    arch: Deno.build.arch,
    load: Deno.loadavg(),
  };
}

type Defaults = Readonly<Record<string, string | false | undefined>>;
type Values<D extends Defaults> = {
  [K in keyof D]: D[K] extends string ? string : D[K] extends false ? boolean : string | undefined;
};

/**
 * Parses options. `--help` prints the help, and nothing is returned.
 * @param defaults of each option: a text, false for a flag, undefined for a text that may be missing
 */
export function parseOptions<const D extends Defaults>(
  args: string[],
  help: string,
  defaults: D,
): Values<D> | undefined {
  const options = Object.entries(defaults).map(([name, value]) => [
    name,
    value === undefined ? { type: "string" } : { type: typeof value, default: value },
  ]);
  const { values } = parseArgs({
    args,
    options: { ...Object.fromEntries(options), help: { type: "boolean", short: "h" } },
  });
  return "help" in values ? console.log(help) as undefined : values as never;
}

/** Parses a positive integer of an option. */
export function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`Cannot read "--${option}": "${text}" is not a whole number above 0.`);
  }
  return value;
}

/** Prints a report: its text, or with `--json` one JSON object to stdout and the text to stderr. */
export function printReport(text: string, json: boolean | undefined, report: unknown): void {
  if (!json) return console.log(`\n${text}`);
  console.error(`\n${text}`);
  console.log(JSON.stringify(report, null, 2));
}
