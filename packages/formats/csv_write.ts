/** Writes CSV (RFC 4180) line by line. */

/**
 * Formats a line of values with its line end; `undefined` is an empty value.
 *
 * @example
 * ```ts
 * console.log(csvLine(["Ada, Countess", 36, undefined])); // "Ada, Countess",36,
 * ```
 */
export function csvLine(values: readonly (string | number | undefined)[]): string {
  return values.map((value) => csvField(String(value ?? ""))).join(",") + "\n";
}

/**
 * Formats a value, quoted if necessary, as with outer blanks, which readers trim. A ' is put before
 * values that spreadsheets run as formulas.
 */
export function csvField(text: string): string {
  return quoted(FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text);
}

/** Formats a value as it is, quoted if necessary, for programs other than spreadsheets. */
export function quoted(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Reverts the ' of `csvField`. */
export function withoutGuard(value: string): string {
  return value.startsWith("'") && FORMULA.test(value.slice(1)) ? value.slice(1) : value;
}

// A value that begins with ' gets another one, so that removing one restores the value.
const FORMULA = /^'*[=+\-@\t\r]/, NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
