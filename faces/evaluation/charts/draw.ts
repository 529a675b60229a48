/**
 * Draws charts as inline `<svg>`. Colors are CSS variables, so charts follow the light or dark
 * theme. Charts are drawn 360 pixels wide, the width of a phone, and scaled up by the page.
 */
import * as Plot from "@observablehq/plot";
import { DOMImplementation, XMLSerializer } from "@xmldom/xmldom";
import { type Html, trusted } from "../html.ts";

/** CSS variables of the report's style sheet. */
export const colors = {
  train: "var(--train)",
  validation: "var(--validation)",
  test: "var(--test)",
  baseline: "var(--baseline)",
  card: "var(--card)",
  ink: "var(--ink)",
  female: "var(--female)",
  male: "var(--male)",
} as const;

/**
 * Renders a plot as SVG.
 * @param label text alternative for screen readers
 */
export function draw(label: string, options: Plot.PlotOptions): Html {
  const document = new DOMImplementation().createDocument("http://www.w3.org/1999/xhtml", "html");
  const figure = Plot.plot({
    width: 360,
    height: 230,
    marginLeft: 46,
    marginRight: 12,
    marginTop: 26,
    marginBottom: 42,
    className: "plot",
    ...options,
    // Plot uses only a small part of the DOM.
    document: document as unknown as Plot.PlotOptions["document"],
  });
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", label);
  // Plot adds the same style sheet to each chart; the report's own style sheet has it once.
  figure.removeChild(figure.firstChild!);
  const text = new XMLSerializer().serializeToString(
    figure as unknown as Parameters<XMLSerializer["serializeToString"]>[0],
  );
  // An image has no parts with names of their own.
  return trusted(
    text.replace(/<g aria-label="[^"]*"/g, "<g")
      .replace(/(?<=>)−?\d{1,3}(,\d{3})+(?=<)/g, compact)
      .replace(/ (d|transform|[xy][12]?|c[xy]|width|height)="[^"]*"/g, shorten),
  );
}

/** Draws the intervals of points as vertical lines. @param x property of a point */
export function whiskers<T extends { interval?: { low: number; high: number } }>(
  points: readonly T[],
  x: keyof T & string,
  style: Plot.RuleXOptions,
): Plot.Markish {
  const known = points.filter(({ interval }) => interval);
  const [y1, y2] = (["low", "high"] as const).map((end) => (point: T) => point.interval![end]);
  return Plot.ruleX(known, { x, y1, y2, ...style });
}

/** Shortens a name from the data in an axis label, which would leave the chart. */
export function inLabel(name: string): string {
  const letters = [...name];
  return letters.length > 28 ? `${letters.slice(0, 27).join("")}…` : name;
}

/** Shortens a number that would leave the chart: "122,500,000" becomes "122.5M". */
function compact(number: string): string {
  if (number.length < "100,000".length) return number;
  return Number(number.replaceAll(",", "").replace("−", "-"))
    .toLocaleString("en", { notation: "compact", maximumSignificantDigits: 4 }).replace("-", "−");
}

/** Rounds to two decimals: more only increase the size of the page. */
function shorten(attribute: string): string {
  return attribute.replace(/\d+\.\d{3,}/g, (number) => String(Math.round(+number * 100) / 100));
}
