/** CSV as RFC 4180 has it, a line at a time, for spreadsheets and programs. */

/** A line of values, with its end; `undefined` is an empty value. */
export function csvLine(values: readonly (string | number | undefined)[]): string {
  return values.map((value) => csvField(String(value ?? ""))).join(",") + "\n";
}

/** A value, quoted where it must be; what a spreadsheet would run as a formula gets a ' in front. */
export function csvField(text: string): string {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Returns the value that `csvField` wrote, read back from its CSV. */
export function withoutGuard(value: string): string {
  return value.startsWith("'") && FORMULA.test(value.slice(1)) ? value.slice(1) : value;
}

// A ' of the value's own gets one more, so that taking one off gives the value back.
const FORMULA = /^'*[=+\-@\t\r]/, NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
