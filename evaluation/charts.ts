/**
 * Numbers to charts: inline `<svg>`, whose colours are variables of the page's style, so that they
 * follow its light or dark theme. Drawn 360 wide, the width of a phone, and scaled up from there.
 */
import * as Plot from "@observablehq/plot";
import { DOMImplementation, XMLSerializer } from "@xmldom/xmldom";
import { type Html, trusted } from "./html.ts";
import type { AgeBand } from "./metrics.ts";

const WIDTH = 360;
const TRAIN = "var(--train)";
const VALIDATION = "var(--validation)";
const GUESS = "var(--guess)";
const SOFT = "var(--line)";

/** Draws a plot. `label` says what is to be seen, to those who cannot see it. */
function draw(label: string, options: Plot.PlotOptions): Html {
  const document = new DOMImplementation().createDocument("http://www.w3.org/1999/xhtml", "html");
  const figure = Plot.plot({
    width: WIDTH,
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

/** How many faces there are of each age, five years a bar. */
export function ageHistogram(ages: ArrayLike<number>, name: string): Html {
  const data = Array.from(ages);
  return draw(`Histogram of the ages in ${name}`, {
    x: { label: "age, years", domain: [0, data.reduce((a, b) => Math.max(a, b + 1), 100)] },
    y: { label: "faces", grid: true },
    marks: [
      Plot.rectY(
        data,
        Plot.binX<Plot.RectYOptions>({ y: "count" }, {
          x: (age) => age,
          interval: 5,
          fill: TRAIN,
          inset: 0.5,
        }),
      ),
      Plot.ruleY([0]),
    ],
  });
}

/** Women and men in each data set, as parts of a bar. */
export function genderShares(
  datasets: readonly { name: string; genders: ArrayLike<number> }[],
): Html {
  const parts = datasets.flatMap(({ name, genders }, y) => {
    const male = Array.from(genders).filter((gender) => gender === 1).length / genders.length;
    return [
      { name, y, word: "women", from: 0, to: 1 - male, fill: "var(--female)" },
      { name, y, word: "men", from: 1 - male, to: 1, fill: "var(--male)" },
    ];
  });
  const share = ({ from, to }: { from: number; to: number }) => Math.round((to - from) * 100);
  return draw(parts.map((part) => `${part.name}: ${share(part)} % ${part.word}`).join(", "), {
    height: 20 + 62 * datasets.length,
    marginLeft: 2,
    marginRight: 2,
    marginTop: 4,
    marginBottom: 4,
    x: { axis: null, domain: [0, 1] },
    y: { axis: null, domain: [0, datasets.length] },
    marks: [
      Plot.rect(parts, {
        x1: "from",
        x2: "to",
        y1: ({ y }) => datasets.length - y - 0.4,
        y2: ({ y }) => datasets.length - y - 0.75,
        fill: "fill",
        inset: 0.5,
      }),
      Plot.text(parts.filter(({ word }) => word === "women"), {
        x: 0,
        y: ({ y }) => datasets.length - y - 0.22,
        text: "name",
        textAnchor: "start",
        fontWeight: "600",
        lineWidth: 28,
        textOverflow: "ellipsis",
      }),
      ...(["women", "men"] as const).map((word) =>
        Plot.text(parts.filter((part) => part.word === word), {
          x: word === "women" ? 0 : 1,
          y: ({ y }) => datasets.length - y - 0.9,
          text: (part) => `${share(part)} % ${word}`,
          textAnchor: word === "women" ? "start" : "end",
          fill: "fill",
        })
      ),
    ],
  });
}

export interface Epoch {
  epoch: number;
  train: number;
  validation: number;
}

/** A value by epoch on train and validation, the kept and the last epoch marked. */
export function curves(
  epochs: readonly Epoch[],
  { name, kept }: { name: string; kept?: number },
): Html {
  const series = (["train", "validation"] as const).map((key) => ({
    key,
    stroke: key === "train" ? TRAIN : VALIDATION,
    dash: key === "train" ? undefined : "5 3",
    points: epochs.map((epoch) => ({ epoch: epoch.epoch, value: epoch[key] })),
  }));
  const finite = series.flatMap(({ points }) => points).filter(({ value }) =>
    Number.isFinite(value)
  );
  return draw(`${name} by epoch on the training and validation set`, {
    x: { label: "epoch", ticks: wholeTicks(epochs.map(({ epoch }) => epoch)), tickFormat: "d" },
    y: { label: name, grid: true, nice: true },
    marks: [
      kept === undefined ? null : Plot.ruleX([kept], { stroke: GUESS, strokeDasharray: "2 3" }),
      ...series.flatMap(({ points, stroke, dash }) => [
        Plot.line(points, {
          x: "epoch",
          y: "value",
          stroke,
          strokeWidth: 2,
          strokeDasharray: dash,
        }),
        Plot.dot(points, {
          x: "epoch",
          y: "value",
          fill: stroke,
          r: epochs.length > 40 ? 0 : 2.5,
          title: ({ epoch, value }) => `epoch ${epoch}: ${value.toPrecision(4)}`,
        }),
      ]),
      finite.length === 0 ? Plot.text(["no finite value"], { frameAnchor: "middle" }) : null,
    ],
  });
}

export interface Standing {
  metric: "accuracy" | "mae";
  value: number;
  low: number;
  high: number;
  guess: number;
}

/** A test metric and its interval on a line, beside the guess. */
export function standing({ metric, value, low, high, guess }: Standing): Html {
  const percent = metric === "accuracy";
  const [scale, unit] = percent ? [100, "% right"] : [1, "years off"];
  const marks = {
    value: value * scale,
    low: low * scale,
    high: high * scale,
    guess: guess * scale,
  };
  const [at, from, to, guessed] = [marks.value, marks.low, marks.high, marks.guess]
    .map((mark) => mark.toFixed(1));
  return draw(`${at} ${unit}, 95 % interval ${from} to ${to}; the guess: ${guessed}`, {
    height: 84,
    marginLeft: 14,
    marginRight: 14,
    marginTop: 26,
    marginBottom: 40,
    x: {
      domain: percent ? [0, 100] : [0, Math.max(marks.high, marks.guess) * 1.15],
      label: unit,
      ticks: 5,
    },
    y: { axis: null, domain: [0, 1] },
    marks: [
      Plot.ruleY([0.5], { stroke: SOFT, strokeWidth: 2 }),
      Plot.ruleX([marks.guess], { stroke: GUESS, strokeWidth: 2.5, strokeDasharray: "3 2" }),
      Plot.text([marks.guess], {
        x: (x) => x,
        text: () => "guess",
        frameAnchor: "top",
        dy: -18,
        fill: GUESS,
      }),
      Plot.ruleY([marks], { y: 0.5, x1: "low", x2: "high", stroke: TRAIN, strokeWidth: 8 }),
      Plot.dot([marks], {
        x: "value",
        y: 0.5,
        r: 6,
        fill: "var(--card)",
        stroke: TRAIN,
        strokeWidth: 3,
      }),
    ],
  });
}

/** The mean error of each age band, beside that of the guess. */
export function bandErrors(bands: readonly AgeBand[]): Html {
  const name = ({ from, to }: AgeBand) => `${from}–${to}`;
  return draw("Mean absolute error by age band", {
    x: {
      label: "true age, years",
      domain: bands.map(name),
      tickRotate: bands.length > 7 ? -40 : 0,
      labelAnchor: "right",
      labelArrow: "right",
    },
    y: { label: "years off", grid: true, nice: true },
    marginBottom: bands.length > 7 ? 60 : 42,
    marks: [
      Plot.barY(bands, {
        x: name,
        y: "mae",
        fill: TRAIN,
        title: (band) => `${name(band)}: ${band.mae.toFixed(1)} years off, ${band.count} faces`,
      }),
      Plot.tickY(bands, { x: name, y: "guessMae", stroke: GUESS, strokeWidth: 3 }),
      Plot.ruleY([0]),
    ],
  });
}

/** A dot for each face: its age, and the age that the model says. */
export function scatter(truth: ArrayLike<number>, prediction: ArrayLike<number>): Html {
  const points = Array.from(truth, (age, i) => ({ age, said: prediction[i] }));
  // Whole tens, the same on both axes.
  const highest = Math.ceil(Math.max(10, ...points.flatMap(Object.values)) / 10) * 10;
  const lowest = Math.floor(Math.min(0, ...points.map(({ said }) => said)) / 10) * 10;
  const domain = [lowest, highest];
  return draw("Predicted age against true age", {
    height: 320,
    x: { label: "true age, years", domain },
    y: { label: "predicted age, years", domain, grid: true },
    marks: [
      Plot.line([[lowest, lowest], [highest, highest]], { stroke: GUESS, strokeDasharray: "4 3" }),
      Plot.dot(points, {
        x: "age",
        y: "said",
        r: 2.5,
        fill: TRAIN,
        fillOpacity: Math.max(0.25, Math.min(0.7, 120 / points.length)),
      }),
    ],
  });
}

/** At most some ten whole epochs. */
function wholeTicks(epochs: readonly number[]): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100].find((n) => epochs.length / n <= 10) ?? 200;
  return epochs.filter((epoch) => epoch % step === 0 || epochs.length === 1);
}
