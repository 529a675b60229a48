/** Requests, values as text, tables and choices. */
/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="esnext" />
import { signedNumber } from "../../../packages/pipeline/format.ts";
import { dom, part } from "../../serving/page_dom.ts";

/**
 * Requests JSON.
 * @param signal ends what the server does for the request, such as a process
 * @throws {Error} with the server's message
 */
export async function get<T>(
  path: string,
  query: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<T> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  const response = await fetch(text ? `${path}?${text}` : path, { signal }).catch(() => {
    throw new Error("The server does not answer. Start it again: deno task ui.");
  });
  const value = await response.json();
  if (!response.ok) throw new Error(value.error?.message ?? `Error ${response.status}`);
  return value as T;
}

let held: string | undefined;

/**
 * Draws anew. The focus returns to what has the same `data-key`, once it is there: screen readers and
 * keyboards would begin at the top of the page.
 */
export function redraw(draw: () => void): void {
  held = document.activeElement?.closest<HTMLElement>("[data-key]")?.dataset.key ?? held;
  draw();
  if (document.activeElement !== document.body) held = undefined;
  const control = [...document.querySelectorAll<HTMLElement>("[data-key]")]
    .find(({ dataset }) => dataset.key === held);
  control?.focus({ preventScroll: true });
  if (control) held = undefined;
}

/** Shows what a promise makes, or its error. */
export function later(promise: Promise<Node>): HTMLElement {
  const place = document.createElement("div");
  place.className = "flow";
  place.append(dom`<p class="muted">Loading …</p>`);
  promise.catch(({ message }: Error) => dom`<p class="notice">${message}</p>`)
    .then((node) => redraw(() => place.replaceChildren(node)));
  return place;
}

/** "0.984", "12.7", "1,234"; a metric, not `whole`, "1.00". The decimals are those of `like`. */
export function number(value: number | null | undefined, whole = true, like = value): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (whole && Number.isInteger(value)) return value.toLocaleString("en");
  return signedNumber(value, like ?? value);
}

/** "0.912 to 0.934", or nothing. */
export const range = (interval?: { readonly low: number; readonly high: number }) =>
  interval && `${signedNumber(interval.low)} to ${signedNumber(interval.high)}`;

/** "68k", "1.2M". */
export const short = (value: number) =>
  value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });

/** Formats a setting or a cell of a table. */
export function text(value: unknown): string {
  if (value === undefined || value === null) return "–";
  if (Number.isInteger(value)) return String(value); // such as a seed
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  if (Array.isArray(value)) return value.map(text).join(", ") || "none";
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([key, one]) => `${key}: ${text(one)}`).join(", ");
}

/** "28 Nov, 09:15", with the year if it is another one than now. */
export function date(iso: string): string {
  const at = new Date(iso), old = at.getFullYear() !== new Date().getFullYear();
  const options = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } as const;
  return at.toLocaleString("en-GB", old ? { ...options, year: "numeric" } : options);
}

/** A table in a region that scrolls. */
export function table(label: string, head: readonly unknown[], rows: readonly unknown[][]) {
  return dom`<div class="wide" tabindex="0" role="region" aria-label="${label}"><table>
    <thead><tr>${head.map((cell) => dom`<th scope="col">${cell}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => part`<tr>${row.map((cell) => part`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/** Returns a listener that passes on a field's value. */
export const withValue = (set: (value: string) => void) => ({ target }: Event) =>
  set((target as HTMLInputElement).value);

/** A value, or a value and its text. Default: the value, "any" for none. */
export type Option = string | readonly [value: string, text: string];

export function select(
  label: string,
  options: readonly Option[],
  chosen: string,
  change: (value: string) => void,
): Node {
  const listed = options.map((one) => {
    const [value, text] = typeof one === "string" ? [one, one || "any"] : one;
    return part`<option value="${value}" ${value === chosen && "selected"}>${text}</option>`;
  });
  return dom`<label>${label} <select data-key="${label}" @change=${
    withValue(change)
  }>${listed}</select></label>`;
}
