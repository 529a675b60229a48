/** Options, tables and the machine of a benchmark. */
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
