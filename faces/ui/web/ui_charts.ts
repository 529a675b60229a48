/** Charts by the report's library, in the colors of the theme. */
import * as Plot from "@observablehq/plot";
import { dom, part } from "../../serving/page_dom.ts";
import { number, short, text } from "./ui_dom.ts";

/** Patterns of lines; the second one also marks the training set. */
export const DASHES = ["none", "4 3", "1 3", "9 3", "9 3 1 3"] as const;

export const color = (i: number) => `var(--c${i % 8})`;
/** Distinguishes lines of the same color. */
export const dash = (i: number) => DASHES[Math.floor(i / 8) % DASHES.length]!;

/** A short line, as in a chart. */
export const lineKey = (color: string, dash: string) =>
  dom`<svg class="swatch" width="22" height="8" aria-hidden="true"><line x2="22" y1="4" y2="4"
    stroke="${color}" stroke-dasharray="${dash}"/></svg>`;

export interface Series {
  readonly name: string;
  readonly color: string;
  readonly dash: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** x of the point to mark. */
  readonly mark?: number;
}

/** Draws values of `y`; the label describes the chart to screen readers. */
function draw(
  label: string,
  y: string,
  values: readonly number[],
  options: Plot.PlotOptions,
  legend: readonly Series[] = [],
): Node {
  const margins = { marginLeft: 48, marginRight: 14, marginTop: 24, marginBottom: 38 };
  // The ticks of equal values would have six decimals.
  const tickFormat = new Set(values).size > 1 ? undefined : (value: number) => number(value, false);
  const axis = { label: y, grid: true, nice: true, tickFormat };
  const size = { width: 420, height: 240, ...margins };
  const chart = Plot.plot({ ...size, className: "plot", y: axis, ...options });
  // The page's style sheet has its rules; the page's policy forbids another one.
  chart.querySelector("style")?.remove();
  // One image to screen readers: parts of an image have no names.
  for (const part of chart.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  const keys = legend.filter(({ name }) => name !== "").map(({ name, color, dash }) =>
    dom`<li>${lineKey(color, dash)}${name}</li>`
  );
  return dom`<figure class="card"><figcaption>${label}</figcaption>${chart}${
    keys.length > 0 && dom`<ul class="legend">${keys}</ul>`
  }</figure>`;
}

/** Lines over epochs, with a dot at the marked one. */
export function lines(label: string, y: string, series: readonly Series[]): Node {
  const drawn = series.filter(({ points }) => points.length > 0);
  const marks = drawn.flatMap(({ color, dash, points, mark }) => [
    Plot.lineY(points, {
      x: "0",
      y: "1",
      stroke: color,
      strokeWidth: dash === "none" ? 2 : 1.4,
      strokeDasharray: dash,
    }),
    Plot.dot(points.filter(([x]) => x === mark || points.length === 1), {
      x: "0",
      y: "1",
      // Of one epoch, no line distinguishes training and validation.
      fill: dash === "none" ? color : "var(--card)",
      stroke: color,
      r: 4,
    }),
  ]);
  const last = Math.max(1, ...drawn.flatMap(({ points }) => points.map(([x]) => x)));
  const ticks = last > 10 ? 6 : Array.from({ length: last }, (_, i) => i + 1);
  const x = { label: "epoch", tickFormat: "d", ticks };
  const values = drawn.flatMap(({ points }) => points.map(([, value]) => value));
  return draw(label, y, values, { x, marks }, drawn);
}

export interface Dot {
  readonly x: unknown;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
  readonly best?: boolean;
  readonly title: string;
  readonly color: string;
}

/** Shortens a value to some characters: of paths, the ends differ; a choice keeps its name. */
export function shortName(value: string, room: number): string {
  if (value.length <= room) return value;
  const [, use = ""] = value.match(/^use: ([^,]+)/) ?? [];
  return `${use}…${value.slice(value.length - Math.max(0, room - use.length - 1))}`;
}

/** Points with intervals over a parameter, numeric or not. */
export function dots(label: string, x: string, y: string, points: readonly Dot[]): Node {
  const numeric = points.every((point) => typeof point.x === "number");
  const data = points.map((one) => ({ ...one, x: numeric ? Number(one.x) : text(one.x) }));
  const values = numeric
    ? [...new Set(data.map((one) => Number(one.x)))].sort((a, b) => a - b)
    : [];
  const [least = 0, most = 0] = [values[0], values.at(-1)];
  // Over more than a power of ten, as of sizes of networks, small values would be one dot.
  const log = least > 0 && most / least > 10;
  const places = values.map((value) => log ? Math.log(value) : value);
  const apart = places.every((place, i) =>
    i === 0 || place - places[i - 1]! > (places.at(-1)! - places[0]!) / 9
  );
  const scale = numeric
    ? { inset: 16, type: log ? "log" : "linear", ticks: apart ? values : 4 }
    : { type: "point" };
  const room = Math.max(8, Math.floor(58 / new Set(data.map(({ x }) => x)).size));
  const tickFormat = (value: unknown) => {
    if (Number(value) >= 10000) return short(Number(value));
    return shortName(String(value), room);
  };
  const dot = { x: "x", y: "y", fill: "color", title: "title" };
  const spread = data.filter(({ low }) => low !== undefined);
  return draw(label, y, data.map((one) => one.y), {
    x: { label: x, ...scale, tickFormat } as never,
    color: { type: "identity" },
    marks: [
      Plot.ruleX(spread, { x: "x", y1: "low", y2: "high", stroke: "color", strokeWidth: 1.5 }),
      Plot.dot(data.filter(({ best }) => !best), { ...dot, r: 4 }),
      Plot.dot(data.filter(({ best }) => best), { ...dot, r: 8, symbol: "star" }),
    ],
  });
}

/** Lines without axes, each with a dot at the kept epoch. */
export function sparkline(label: string, series: readonly { values: number[]; kept: number }[]) {
  const [width, height] = [84, 26];
  const all = series.flatMap(({ values }) => values).filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const place = (values: readonly number[], i: number) => {
    const x = 3 + i * (width - 6) / Math.max(1, values.length - 1);
    const y = height - 4 - ((values[i] ?? low) - low) * (height - 8) / (high - low || 1);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  const paths = series.map(({ values }) => `M${values.map((_, i) => place(values, i)).join("L")}`);
  const dots = series.map(({ values, kept }) => `M${place(values, kept - 1)}h0`);
  return part`<svg class="spark" width="${width}" height="${height}" role="img" aria-label="${label}">
    <path d="${paths.join("")}"/><path class="dot" d="${dots.join("")}"/></svg>`;
}
