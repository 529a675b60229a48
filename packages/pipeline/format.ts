/** Tables and numbers as text. */
import type { MetricNames } from "./app.ts";
import type { Metrics } from "./stage.ts";

/**
 * Formats rows of cells as lines with aligned columns.
 * @param right indices of the right-aligned columns
 * @param room columns of the terminal. Cells that do not fit are broken between words; if that is too
 *   wide, each row becomes a list of its cells with the names of the first row
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  room = Infinity,
): string[] {
  const most = (measure: (cell: string) => number) =>
    (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => measure(row[column] ?? ""))));
  const widths = most(width);
  const least = most((cell) => Math.max(...cell.split(" ").map(width)));
  const excess = () => widths.reduce((sum, one) => sum + one + 2, -2) - room;
  while (excess() > 0) {
    const spare = widths.map((one, column) => one > least[column]! ? one : 0);
    const widest = spare.indexOf(Math.max(...spare));
    if (!spare[widest]) return stacked(rows, room);
    widths[widest]!--;
  }
  return rows.flatMap((row) => {
    const cells = row.map((cell, column) => broken(cell, widths[column]!));
    return Array.from(
      { length: Math.max(1, ...cells.map(({ length }) => length)) },
      (_, line) =>
        cells.map((parts, column) => {
          const part = parts[line] ?? "";
          const blanks = " ".repeat(widths[column]! - width(part));
          return right.includes(column) ? blanks + part : part + blanks;
        }).join("  ").trimEnd(),
    );
  });
}

/** Each row but the first as its first cell and, below it, the others, all with their names. */
function stacked([head = [""], ...rows]: readonly (readonly string[])[], room: number): string[] {
  return rows.flatMap(([first = "", ...cells]) => [
    ...broken(`${head[0]} ${first}`.trim(), room),
    ...cells.flatMap((cell, i) => {
      const text = `${head[i + 1] ?? ""} ${cell}`.trim();
      return cell === ""
        ? []
        : broken(text, room - 4).map((part, n) => `${n ? "    " : "  "}${part}`);
    }),
  ]);
}

/** Breaks a text into lines of a width; only a longer word exceeds it. */
export function broken(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && width(last) + 1 + width(word) <= most) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

/** Letters of two columns. */
const WIDE = /[\p{sc=Han}\p{sc=Hangul}\p{sc=Hira}\p{sc=Kana}\u3001-\u303f\uff01-\uff60]/gu;

/** Returns the columns of a text on a terminal, without color codes and combining marks. */
function width(text: string): number {
  // deno-lint-ignore no-control-regex -- color codes begin with a control character
  return [...text.replaceAll(/\x1b\[\d+m|\p{M}/gu, "").replaceAll(WIDE, "ww")].length;
}

/** Formats three significant digits: 0.681, 11.4, 1,234. The decimals are those of `like`. */
export function formatNumber(exact: number, like = exact): string {
  if (!Number.isFinite(exact)) return String(exact);
  // Sums in another order differ in their last digits: 0.1375 may be 0.13749999999999996.
  const value = Number(exact.toPrecision(12)), size = Math.abs(like);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  const digits = size < 1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0;
  return value === 0 || Math.abs(value) >= 0.0005 ? value.toFixed(digits) : value.toPrecision(2);
}

/** Formats as `formatNumber` does, with a minus sign. */
export function signedNumber(value: number, like = value): string {
  return value < 0 ? `−${formatNumber(-value, like)}` : formatNumber(value, like);
}

/** 1,234,567. */
export function formatInteger(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "0.4 s", "12 s", "3:07", "1:02:03", "2 d 01:02:03". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds), days = Math.floor(whole / 86400);
  if (whole < 60) return `${whole} s`;
  const time = new Date(whole % 86400 * 1000).toISOString().slice(11, 19);
  return days > 0 ? `${days} d ${time}` : time.replace(/^(00:)?0?/, "");
}

/** 730 B, 41 MB, 1.3 GB. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const amount = bytes / 1000 ** power;
  return `${amount < 9.95 && power > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[power]}`;
}

/** Formats a local time: 2026-11-24 05:41. */
export function formatTimestamp(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return date.toLocaleString("sv").slice(0, 16);
}

/** Formats a parameter: strings bare, other values as JSON, cut to 60 characters. */
export function formatValue(value: unknown): string {
  if (value === undefined) return "–";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** "test: train accuracy 0.681, again loss 11.4": metrics of the test set, or of the last one. */
export function formatMetrics(metrics: Metrics, names: MetricNames = {}): string {
  const texts = Object.entries(metrics).map(([stage, splits]) => {
    const split = splits.test ? "test" : Object.keys(splits).at(-1) ?? "";
    // null: it has no value.
    const known = Object.entries(splits[split] ?? {}).filter(([, value]) => Number.isFinite(value));
    const scores = known.filter(([name]) => name !== "loss");
    const shown = scores.length > 0 ? scores : known;
    const words = shown.map(([name, value]) => `${names[name] ?? name} ${formatNumber(value)}`);
    return { split: split && `${split}: `, text: `${stage} ${words.join(" ") || "–"}` };
  });
  return [...Map.groupBy(texts, ({ split }) => split)]
    .map(([split, own]) => split + own.map(({ text }) => text).join(", ")).join("; ");
}

/** Escapes Markdown and HTML markup, and replaces line breaks by spaces. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\r\n]+/g, " ").replace(/[\\`*_[\]<>|#]/g, "\\$&");
}

/** Returns "train.learningRate=0.001 seed=2". */
export function formatValues(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values).map(([key, value]) =>
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`
  ).join(" ");
}

/** Returns a name with a number from 2 on behind it, as in "name-2", where it is taken. */
export function freeName(name: string, taken: readonly string[], separator: string): string {
  let free = name;
  for (let i = 2; taken.includes(free); i++) free = `${name}${separator}${i}`;
  return free;
}
