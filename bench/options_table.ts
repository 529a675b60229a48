/** Options and tables of a benchmark. */
import { parseArgs } from "node:util";
import { formatTable } from "../packages/pipeline/format.ts";

/** An option's value: a text, a positive integer, a flag, or a list of one of the first two. */
type Option = string | number | boolean | readonly string[] | readonly number[];
type Widened<T> = T extends readonly string[] ? string[]
  : T extends readonly number[] ? number[]
  : T extends string ? string
  : T extends number ? number
  : boolean;

/**
 * Reads options, whose defaults give their types. Prints the help for `--help`.
 * @param allowed the values of a list, where they are limited
 * @returns undefined if the help was printed
 */
export function readOptions<T extends Record<string, Option>>(
  help: string,
  args: string[],
  defaults: T,
  allowed: { [K in keyof T]?: readonly string[] } = {},
): { [K in keyof T]: Widened<T[K]> } | undefined {
  const types = Object.entries(defaults).map(([name, value]) =>
    [name, { type: typeof value === "boolean" ? "boolean" as const : "string" as const }] as const
  );
  const options = { ...Object.fromEntries(types), help: { type: "boolean" as const } };
  const values: Record<string, string | boolean | undefined> = parseArgs({ args, options }).values;
  if (values.help) return void console.log(help);
  const read = Object.entries(defaults).map(([name, value]) => {
    const text = values[name];
    if (text === undefined || typeof text === "boolean") return [name, text ?? value];
    if (typeof value === "number") return [name, whole(name, text)];
    if (typeof value === "string") return [name, text];
    const parts = text.split(",");
    if (typeof (value as Option[])[0] === "number") return [name, parts.map((n) => whole(name, n))];
    const wrong = parts.find((part) => allowed[name]?.includes(part) === false);
    if (wrong === undefined) return [name, parts];
    throw new Error(
      `Cannot read "--${name} ${text}": "${wrong}" is not one of ${allowed[name]!.join(", ")}.`,
    );
  });
  return Object.fromEntries(read);
}

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

/** Formats bytes: 1,234 MB. */
export function megabytes(bytes: number | null | undefined): string {
  return bytes ? `${thousands(bytes / 1e6)} MB` : "–";
}

/** Parses a positive integer of an option. */
function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`Cannot read "--${option}": "${text}" is not a whole number above 0.`);
  }
  return value;
}
