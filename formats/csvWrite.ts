/** CSV as RFC 4180 has it, a line at a time. */

/** A line of values, with its end; `undefined` is an empty value. */
export function csvLine(values: readonly (string | number | undefined)[]): string {
  return values.map((value) => csvField(String(value ?? ""))).join(",") + "\n";
}

/** A value, quoted where it must be. */
export function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
