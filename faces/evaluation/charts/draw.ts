/**
 * Numbers to charts: inline `<svg>`, whose colours are variables of the page's style, so that they
 * follow its light or dark theme. Drawn 360 wide, the width of a phone, and scaled up from there.
 */
import * as Plot from "@observablehq/plot";
import { DOMImplementation, XMLSerializer } from "@xmldom/xmldom";
import { type Html, trusted } from "../html.ts";

/** Variables of the page's style. */
export const colors = {
  train: "var(--train)",
  validation: "var(--validation)",
  test: "var(--test)",
  guess: "var(--guess)",
  soft: "var(--line)",
  card: "var(--card)",
  ink: "var(--ink)",
  female: "var(--female)",
  male: "var(--male)",
} as const;

/** Draws a plot. `label` says what is to be seen, to those who cannot see it. */
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
    // The little of the DOM that Plot uses.
    document: document as unknown as Plot.PlotOptions["document"],
  });
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", label);
  // Plot's own style sheet, the same in each chart: it is in the page's.
  figure.removeChild(figure.firstChild!);
  const text = new XMLSerializer().serializeToString(
    figure as unknown as Parameters<XMLSerializer["serializeToString"]>[0],
  );
  return trusted(text.replace(/ (d|transform|[xy][12]?|c[xy]|width|height)="[^"]*"/g, shorten));
}

/** 14 decimals of a pixel only make the page larger. */
function shorten(attribute: string): string {
  return attribute.replace(/\d+\.\d{3,}/g, (number) => String(Math.round(+number * 100) / 100));
}
