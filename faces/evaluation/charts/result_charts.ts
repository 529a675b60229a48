/** Charts of metrics and errors. */
import * as Plot from "@observablehq/plot";
import type { Html } from "../html.ts";
import { colors, draw } from "./draw.ts";
import type { AgeBand } from "../age_bands.ts";
import type { CalibrationBin } from "../../../packages/statistics/calibration.ts";
import type { Group } from "../subgroups.ts";
import type { Interval } from "../../../packages/statistics/confidence_intervals.ts";
import type { Roc } from "../../../packages/statistics/roc.ts";
import { faces, formatMetricValue } from "../format_metric.ts";

/** A test metric, its confidence interval and its constant baseline. */
export interface IntervalRow {
  metric: "accuracy" | "mae";
  value: number;
  low: number;
  high: number;
  baseline: number;
}

/** Renders a test metric with its confidence interval and the constant baseline. */
export function intervalChart(marks: IntervalRow): Html {
  const { metric, value, low, high, baseline } = marks;
  const label = metricLabel(metric);
  const [at, from, to, constant] = [value, low, high, baseline]
    .map((mark) => formatMetricValue(mark, metric));
  return draw(`${label} ${at}, 95 % CI ${from} to ${to}; constant baseline ${constant}`, {
    height: 84,
    marginLeft: 14,
    marginRight: 14,
    marginTop: 26,
    marginBottom: 40,
    x: {
      domain: metric === "accuracy" ? [0, 1] : [0, Math.max(high, baseline) * 1.15],
      label,
      ticks: 5,
    },
    y: { axis: null, domain: [0, 1] },
    marks: [
      Plot.ruleY([0.5], { stroke: colors.soft, strokeWidth: 2 }),
      Plot.ruleX([baseline], {
        stroke: colors.baseline,
        strokeWidth: 2.5,
        strokeDasharray: "3 2",
      }),
      Plot.text([baseline], {
        x: (x) => x,
        text: () => "baseline",
        frameAnchor: "top",
        dy: -18,
        fill: colors.baseline,
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

function metricLabel(metric: "accuracy" | "mae"): string {
  return metric === "accuracy" ? "accuracy" : "MAE, years";
}

/** Renders the MAE of each age band, with that of the constant baseline. */
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
    y: { label: "MAE, years", grid: true, nice: true },
    marginBottom: bands.length > 7 ? 60 : 42,
    marks: [
      Plot.barY(bands, {
        x: name,
        y: "mae",
        fill: colors.train,
        title: (band) => `${name(band)}: MAE ${band.mae.toFixed(1)} years, ${faces(band.count)}`,
      }),
      interval(bands, name, ({ interval }) => interval),
      Plot.tickY(bands, { x: name, y: "guessMae", stroke: colors.baseline, strokeWidth: 3 }),
      Plot.ruleY([0]),
    ],
  });
}

/** Draws the confidence interval of each band. */
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

/** Renders a scatter plot of predicted against true age, one dot per face. */
export function scatter(truth: ArrayLike<number>, prediction: ArrayLike<number>): Html {
  const points = Array.from(truth, (age, i) => ({ age, predicted: prediction[i] }));
  // Multiples of ten, the same on both axes.
  const highest = Math.ceil(Math.max(10, ...points.flatMap(Object.values)) / 10) * 10;
  const lowest = Math.floor(Math.min(0, ...points.map(({ predicted }) => predicted)) / 10) * 10;
  const domain = [lowest, highest];
  return draw("Predicted age against true age", {
    height: 320,
    x: { label: "true age, years", domain },
    y: { label: "predicted age, years", domain, grid: true },
    marks: [
      Plot.line([[lowest, lowest], [highest, highest]], {
        stroke: colors.baseline,
        strokeDasharray: "4 3",
      }),
      Plot.dot(points, {
        x: "age",
        y: "predicted",
        r: 2.5,
        fill: colors.train,
        fillOpacity: Math.max(0.25, Math.min(0.7, 120 / points.length)),
      }),
    ],
  });
}

/** Renders the bias, the mean of prediction - truth, of each age band. */
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
    y: { label: "bias, years", grid: true, nice: true },
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

/** Renders an ROC curve. */
export function roc(points: Roc["points"], positive: string): Html {
  // At most 300 points: more are not visible at this width.
  const step = Math.max(1, Math.ceil(points.length / 300));
  const shown = points.filter((_, i) => i % step === 0 || i === points.length - 1);
  return draw(`ROC curve of “${positive}”`, {
    height: 320,
    x: { label: "false positive rate", domain: [0, 1] },
    y: { label: "true positive rate", domain: [0, 1], grid: true },
    marks: [
      Plot.line([[0, 0], [1, 1]], { stroke: colors.baseline, strokeDasharray: "4 3" }),
      Plot.line(shown.map(([x, y]) => [x, y]), {
        stroke: colors.train,
        strokeWidth: 2.5,
      }),
    ],
  });
}

/** Renders a reliability diagram: observed frequency by mean predicted probability of each bin. */
export function reliability(bins: readonly CalibrationBin[], of: string): Html {
  const points = bins.filter(({ count }) => count > 0).map((bin) => ({
    predicted: bin.said!,
    observed: bin.true!,
    low: bin.interval!.low,
    high: bin.interval!.high,
    count: bin.count,
  }));
  return draw(`Calibration of ${of}`, {
    height: 320,
    x: { label: `predicted probability of ${of}`, domain: [0, 1] },
    y: { label: "observed frequency", domain: [0, 1], grid: true },
    r: { range: [3, 13], domain: [0, points.reduce((a, { count }) => Math.max(a, count), 1)] },
    marks: [
      Plot.line([[0, 0], [1, 1]], { stroke: colors.baseline, strokeDasharray: "4 3" }),
      Plot.ruleX(points, {
        ...{ x: "predicted", y1: "low", y2: "high" },
        ...{ stroke: colors.train, strokeWidth: 1.5 },
      }),
      Plot.dot(points, {
        x: "predicted",
        y: "observed",
        r: "count",
        fill: colors.train,
        fillOpacity: 0.75,
        title: ({ predicted, observed, count }) =>
          `predicted ${predicted.toFixed(2)}, observed ${observed.toFixed(2)}, ${faces(count)}`,
      }),
    ],
  });
}

/** Renders a metric by gender and age band, with confidence intervals. */
export function groupValues(groups: readonly Group[], metric: "accuracy" | "mae"): Html {
  const bands = groups.filter((group) => group.from !== undefined).map((group) => ({
    band: `${group.from}–${group.to}`,
    from: group.from!,
    gender: group.gender === 1 ? "men" : "women",
    color: group.gender === 1 ? colors.male : colors.female,
    dx: group.gender === 1 ? 6 : -6,
    value: group.value,
    low: group.interval?.low ?? group.value,
    high: group.interval?.high ?? group.value,
    count: group.count,
  }));
  const domain = [...new Set(bands.toSorted((a, b) => a.from - b.from).map(({ band }) => band))];
  const label = metricLabel(metric);
  return draw(`${label} by gender and age band`, {
    x: { type: "point", label: "true age, years", domain, padding: 0.6, labelArrow: "right" },
    y: {
      label,
      grid: true,
      ...(metric === "accuracy" ? { domain: [0, 1] } : { nice: true, zero: true }),
    },
    marks: [
      ...(["women", "men"] as const).flatMap((gender) => {
        const own = bands.filter((band) => band.gender === gender);
        const dx = gender === "men" ? 6 : -6;
        const color = gender === "men" ? colors.male : colors.female;
        return [
          Plot.ruleX(own, { x: "band", y1: "low", y2: "high", stroke: color, strokeWidth: 2, dx }),
          Plot.dot(own, {
            x: "band",
            y: "value",
            r: 4.5,
            fill: color,
            symbol: gender === "men" ? "square" : "circle",
            dx,
            title: ({ band, value, count }) =>
              `${gender}, ${band}: ${formatMetricValue(value, metric)}, ${faces(count)}`,
          }),
        ];
      }),
      Plot.ruleY([0]),
    ],
  });
}
