/** Charts of what predictions are worth. */
import * as Plot from "@observablehq/plot";
import type { Html } from "../html.ts";
import { colors, draw } from "./draw.ts";
import type { AgeBand } from "../age_bands.ts";
import type { CalibrationBin } from "../../../packages/statistics/calibration.ts";
import type { Group } from "../subgroups.ts";
import type { Interval } from "../../../packages/statistics/confidence_intervals.ts";
import type { Roc } from "../../../packages/statistics/roc.ts";
import { faces } from "../format_metric.ts";

export interface IntervalRow {
  metric: "accuracy" | "mae";
  value: number;
  low: number;
  high: number;
  guess: number;
}

/** A test metric and its interval on a line, beside the guess. */
export function intervalChart({ metric, value, low, high, guess }: IntervalRow): Html {
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
      Plot.ruleY([0.5], { stroke: colors.soft, strokeWidth: 2 }),
      Plot.ruleX([marks.guess], {
        stroke: colors.guess,
        strokeWidth: 2.5,
        strokeDasharray: "3 2",
      }),
      Plot.text([marks.guess], {
        x: (x) => x,
        text: () => "guess",
        frameAnchor: "top",
        dy: -18,
        fill: colors.guess,
      }),
      Plot.ruleY([marks], { y: 0.5, x1: "low", x2: "high", stroke: colors.train, strokeWidth: 8 }),
      Plot.dot([marks], {
        x: "value",
        y: 0.5,
        r: 6,
        fill: colors.card,
        stroke: colors.train,
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
        fill: colors.train,
        title: (band) => `${name(band)}: ${band.mae.toFixed(1)} years off, ${faces(band.count)}`,
      }),
      interval(bands, name, ({ interval }) => interval),
      Plot.tickY(bands, { x: name, y: "guessMae", stroke: colors.guess, strokeWidth: 3 }),
      Plot.ruleY([0]),
    ],
  });
}

/** A line from the lower to the upper end of each band's interval. */
function interval(
  bands: readonly AgeBand[],
  name: (band: AgeBand) => string,
  of: (band: AgeBand) => Interval | undefined,
): Plot.Markish {
  return Plot.ruleX(bands.filter(of), {
    x: name,
    y1: (band) => of(band)!.low,
    y2: (band) => of(band)!.high,
    stroke: colors.ink,
    strokeWidth: 1.25,
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
      Plot.line([[lowest, lowest], [highest, highest]], {
        stroke: colors.guess,
        strokeDasharray: "4 3",
      }),
      Plot.dot(points, {
        x: "age",
        y: "said",
        r: 2.5,
        fill: colors.train,
        fillOpacity: Math.max(0.25, Math.min(0.7, 120 / points.length)),
      }),
    ],
  });
}

/** Mean of prediction - truth by age band. */
export function bandBias(bands: readonly AgeBand[]): Html {
  const name = ({ from, to }: AgeBand) => `${from}–${to}`;
  const many = bands.length > 7;
  return draw("Mean signed error by age band", {
    x: {
      label: "true age, years",
      domain: bands.map(name),
      tickRotate: many ? -40 : 0,
      labelAnchor: "right",
      labelArrow: "right",
    },
    y: { label: "years too old", grid: true, nice: true },
    marginBottom: many ? 60 : 42,
    marks: [
      Plot.barY(bands, {
        x: name,
        y: "bias",
        fill: (band) => band.bias > 0 ? colors.validation : colors.train,
        title: (band) => `${name(band)}: ${band.bias.toFixed(1)} years, ${faces(band.count)}`,
      }),
      interval(bands, name, ({ biasInterval }) => biasInterval),
      Plot.ruleY([0]),
    ],
  });
}

/** The ROC curve. */
export function roc(points: Roc["points"], positive: string): Html {
  // More points than pixels show nothing more.
  const step = Math.max(1, Math.ceil(points.length / 300));
  const shown = points.filter((_, i) => i % step === 0 || i === points.length - 1);
  return draw(`ROC curve of “${positive}”`, {
    height: 320,
    x: { label: `others taken for “${positive}”, %`, domain: [0, 100] },
    y: { label: `“${positive}” recognised, %`, domain: [0, 100], grid: true },
    marks: [
      Plot.line([[0, 0], [100, 100]], { stroke: colors.guess, strokeDasharray: "4 3" }),
      Plot.line(shown.map(([x, y]) => [100 * x, 100 * y]), {
        stroke: colors.train,
        strokeWidth: 2.5,
      }),
    ],
  });
}

/** How often what was said with a probability was so; dots as large as they have faces. */
export function reliability(bins: readonly CalibrationBin[], of: string): Html {
  const points = bins.filter(({ count }) => count > 0).map((bin) => ({
    said: 100 * bin.said!,
    so: 100 * bin.true!,
    low: 100 * bin.interval!.low,
    high: 100 * bin.interval!.high,
    count: bin.count,
  }));
  return draw(`Calibration of ${of}`, {
    height: 320,
    x: { label: `probability of ${of}, %`, domain: [0, 100] },
    y: { label: "how often it is so, %", domain: [0, 100], grid: true },
    r: { range: [3, 13], domain: [0, points.reduce((a, { count }) => Math.max(a, count), 1)] },
    marks: [
      Plot.line([[0, 0], [100, 100]], { stroke: colors.guess, strokeDasharray: "4 3" }),
      Plot.ruleX(points, {
        ...{ x: "said", y1: "low", y2: "high" },
        ...{ stroke: colors.train, strokeWidth: 1.5 },
      }),
      Plot.dot(points, {
        x: "said",
        y: "so",
        r: "count",
        fill: colors.train,
        fillOpacity: 0.75,
        title: ({ said, so, count }) =>
          `said with ${said.toFixed(0)} %, so in ${so.toFixed(0)} % of ${count}`,
      }),
    ],
  });
}

/** A metric of women and men by age band, with intervals. */
export function groupValues(groups: readonly Group[], metric: "accuracy" | "mae"): Html {
  const scale = metric === "accuracy" ? 100 : 1;
  const bands = groups.filter((group) => group.from !== undefined).map((group) => ({
    band: `${group.from}–${group.to}`,
    from: group.from!,
    gender: group.gender === 1 ? "men" : "women",
    colour: group.gender === 1 ? colors.male : colors.female,
    dx: group.gender === 1 ? 6 : -6,
    value: scale * group.value,
    low: scale * (group.interval?.low ?? group.value),
    high: scale * (group.interval?.high ?? group.value),
    count: group.count,
  }));
  const domain = [...new Set(bands.toSorted((a, b) => a.from - b.from).map(({ band }) => band))];
  const label = metric === "accuracy" ? "% right" : "years off";
  return draw(`${label} by gender and age band`, {
    x: { type: "point", label: "true age, years", domain, padding: 0.6, labelArrow: "right" },
    y: {
      label,
      grid: true,
      ...(metric === "accuracy" ? { domain: [0, 100] } : { nice: true, zero: true }),
    },
    marks: [
      ...(["women", "men"] as const).flatMap((gender) => {
        const own = bands.filter((band) => band.gender === gender);
        const dx = gender === "men" ? 6 : -6;
        const colour = gender === "men" ? colors.male : colors.female;
        return [
          Plot.ruleX(own, { x: "band", y1: "low", y2: "high", stroke: colour, strokeWidth: 2, dx }),
          Plot.dot(own, {
            x: "band",
            y: "value",
            r: 4.5,
            fill: colour,
            symbol: gender === "men" ? "square" : "circle",
            dx,
            title: ({ band, value, count }) =>
              `${gender}, ${band}: ${value.toFixed(1)}, ${faces(count)}`,
          }),
        ];
      }),
      Plot.ruleY([0]),
    ],
  });
}
