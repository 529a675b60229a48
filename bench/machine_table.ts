/** What the benches do with the times that they took, and how they print them. */

/** @throws if there are no values */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Between two values, the share of the way; `share` 0 is the least, 1 the greatest. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("Cannot take a quantile of no values");
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share, below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

/** A Markdown table; every column but the first is aligned right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, c) =>
    Math.max(3, ...[title, ...rows.map((r) => r[c])].map(length))
  );
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, c) => c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])).join(
        " | ",
      )
    } |`;
  const rule = widths.map((width, c) => c === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`);
  return [line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

function length(text: string): number {
  return text.length;
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** What was measured on, as far as the runtime tells. */
export function machine(): { cores: number; os: string; arch: string; load: number[] } {
  return {
    cores: navigator.hardwareConcurrency,
    os: Deno.build.os,
    arch: Deno.build.arch,
    load: Deno.loadavg(),
  };
}
