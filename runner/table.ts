/** Tables and numbers for people. */

/** Rows of cells as lines, columns aligned and two blanks apart; numbers end a column flush. */
export function table(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => width(row[column] ?? "")))
  );
  return rows.map((row) =>
    row.map((cell, column) => {
      const blanks = " ".repeat(widths[column]! - width(cell));
      return right.includes(column) ? blanks + cell : cell + blanks;
    }).join("  ").trimEnd()
  );
}

/** Columns that a text takes on a terminal, colour codes apart. */
function width(text: string): number {
  // deno-lint-ignore no-control-regex -- colour codes begin with a control character
  return [...text.replaceAll(/\x1b\[\d+m/g, "")].length;
}

/** Three digits that count: 0.681, 11.4, 1,234. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  const digits = Math.abs(value) < 1 ? 3 : Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value === 0 || Math.abs(value) >= 0.0005 ? value.toFixed(digits) : value.toPrecision(2);
}

/** 730 B, 41 MB, 1.3 GB. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const amount = bytes / 1000 ** power;
  return `${amount < 9.95 && power > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[power]}`;
}

/** A moment where the person is: 2026-11-24 05:41. */
export function moment(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const pad = (n: number) => String(n).padStart(2, "0");
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join("-");
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

/** A parameter's value: texts bare, everything else as JSON, cut where it is long. */
export function shown(value: unknown): string {
  if (value === undefined) return "–";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
