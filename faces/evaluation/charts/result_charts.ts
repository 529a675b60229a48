/** Charts of metrics and errors. */
import * as Plot from "@observablehq/plot";
import type { Html } from "../html.ts";
import { colors, draw, inLabel, whiskers } from "./draw.ts";
import type { CalibrationBin } from "../../../packages/statistics/calibration.ts";
import type { RiskPoint } from "../../../packages/statistics/conformal.ts";
import type { Roc } from "../../../packages/statistics/roc.ts";
import { faces } from "../format_result.ts";
import { formatMetricValue, metricLabel, type MetricName, METRICS } from "../metrics.ts";
import type { ErrorCurves, Line } from "../error_curves.ts";
import type { Sensitivity } from "../sensitivity.ts";
import type { AgeBand } from "../subgroups.ts";

/** Renders the MAE of each age band and of the constant baseline. */
export function bandChart(bands: readonly AgeBand[]): Html {
  const many = bands.length > 7;
  const bars = bands.map((band) => ({ ...band, name: `${band.from}–${band.to}` }));
  return draw("Mean absolute error by age band", {
    x: {
      label: "true age, years",
      domain: bars.map(({ name }) => name),
      tickRotate: many ? -40 : 0,
      labelAnchor: "right",
      labelArrow: "right",
    },
    y: { label: "MAE, years", grid: true, nice: true },
    marginBottom: many ? 60 : 42,
    marks: [
      Plot.barY(bars, {
        x: "name",
        y: "mae",
        fill: colors.train,
        title: ({ name, mae, count }) => `${name}: MAE ${mae.toFixed(1)} years, ${faces(count)}`,
      }),
      whiskers(bars, "name", { stroke: colors.ink, strokeWidth: 1.25 }),
      Plot.tickY(bars, { x: "name", y: "guessMae", stroke: colors.baseline, strokeWidth: 3 }),
      Plot.ruleY([0]),
    ],
  });
}

/** Renders a scatter plot of predicted against true values of a task, one dot per face. */
export function scatter(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  task: string,
  line?: Line,
): Html {
  const points = Array.from(truth, (age, i) => ({ age, predicted: prediction[i] }));
  // Of ages multiples of ten, the same on both axes.
  const all = points.flatMap(Object.values), age = task === "age";
  const name = age ? "age, years" : task;
  const highest = age ? Math.ceil(Math.max(10, ...all) / 10) * 10 : Math.max(...all);
  const lowest = age ? Math.floor(Math.min(0, ...all) / 10) * 10 : Math.min(...all);
  const domain = [lowest, highest];
  return draw(`Predicted against true ${name}`, {
    height: 320,
    x: { label: `true ${inLabel(name)}`, domain },
    y: { label: `predicted ${inLabel(name)}`, domain, grid: true },
    marks: [
      diagonal(domain),
      Plot.dot(points, {
        x: "age",
        y: "predicted",
        r: 2.5,
        fill: colors.train,
        fillOpacity: Math.max(0.25, Math.min(0.7, 120 / points.length)),
      }),
      line && trend(points.map(({ age }) => age), line.slope, line.intercept),
    ],
  });
}

/** Renders a line over some values. */
function trend(values: readonly number[], slope: number, intercept: number): Plot.Markish {
  const ends = [Math.min(...values), Math.max(...values)].map((x) => [x, intercept + slope * x]);
  return Plot.line(ends as [number, number][], { stroke: colors.ink, strokeWidth: 1.5 });
}

/** Style of a curve of the network. */
const CURVE = { stroke: colors.train, strokeWidth: 2.5 };

function diagonal([low, high]: readonly number[]): Plot.Markish {
  return Plot.line([[low, low], [high, high]], { stroke: colors.baseline, strokeDasharray: "4 3" });
}

export function roc(points: Roc["points"], positive: string): Html {
  // At most 300 points: more are not visible at this width.
  const step = Math.max(1, Math.ceil(points.length / 300));
  const shown = points.filter((_, i) => i % step === 0 || i === points.length - 1);
  return draw(`ROC curve of “${positive}”`, {
    height: 320,
    x: { label: "false positive rate", domain: [0, 1] },
    y: { label: "true positive rate", domain: [0, 1], grid: true },
    marks: [diagonal([0, 1]), Plot.line(shown.map(([x, y]) => [x, y]), CURVE)],
  });
}

/** Renders a reliability diagram: observed frequency by mean predicted probability of each bin. */
export function reliability(bins: readonly CalibrationBin[], of: string): Html {
  const points = bins.filter(({ count }) => count > 0);
  return draw(`Calibration of ${of}`, {
    height: 320,
    x: { label: `predicted probability of ${inLabel(of)}`, domain: [0, 1] },
    y: { label: "observed frequency", domain: [0, 1], grid: true },
    r: { range: [3, 13], domain: [0, points.reduce((a, { count }) => Math.max(a, count), 1)] },
    marks: [
      diagonal([0, 1]),
      whiskers(points, "said", { stroke: colors.train, strokeWidth: 1.5 }),
      Plot.dot(points, {
        x: "said",
        y: "true",
        r: "count",
        fill: colors.train,
        fillOpacity: 0.75,
        title: ({ said, true: observed, count }) =>
          `predicted ${said!.toFixed(2)}, observed ${observed!.toFixed(2)}, ${faces(count)}`,
      }),
    ],
  });
}

/** Renders the cumulative score of the network and of the constant baseline. */
export function cumulativeScore(points: ErrorCurves["cumulative"]): Html {
  return draw("Cumulative score", {
    x: { label: "absolute error at most, years" },
    y: { label: "share of faces", domain: [0, 1], grid: true },
    marks: [
      Plot.line(points, {
        x: "error",
        y: "baseline",
        stroke: colors.baseline,
        strokeWidth: 2,
        strokeDasharray: "4 3",
      }),
      Plot.line(points, { x: "error", y: "share", ...CURVE }),
    ],
  });
}

/** Renders the share of wrong predictions by the share kept. */
export function riskCurve(points: readonly RiskPoint[]): Html {
  return draw("Risk-coverage curve", {
    x: { label: "share kept", domain: [0, 1] },
    y: {
      label: "share wrong",
      grid: true,
      domain: [0, points.reduce((most, { risk }) => Math.max(most, risk), 0) || 1],
    },
    marks: [Plot.line(points, { x: "coverage", y: "risk", ...CURVE })],
  });
}

/** Renders the bias of each true age, and the line that all predictions follow. */
export function biasByYear(points: ErrorCurves["bias"], line?: Line): Html {
  return draw("Mean signed error by true age", {
    x: { label: "true age, years" },
    y: { label: "bias, years", grid: true, nice: true },
    r: { range: [2, 8] },
    marks: [
      Plot.ruleY([0]),
      line && trend(points.map(({ truth }) => truth), line.slope - 1, line.intercept),
      Plot.dot(points, {
        x: "truth",
        y: "bias",
        r: "count",
        fillOpacity: 0.6,
        fill: ({ bias }) => bias > 0 ? colors.validation : colors.train,
        title: ({ truth, bias, count }) =>
          `${truth}: bias ${formatMetricValue(bias, "mae")} years, ${faces(count)}`,
      }),
    ],
  });
}

/** Renders a metric on changed images, beside that on unchanged ones. */
export function sensitivityChart({ unchanged, changes }: Sensitivity, metric: MetricName): Html {
  const show = (value: number) => formatMetricValue(value, metric);
  return draw(changes.map(({ name, value }) => `${name}: ${show(value)}`).join(", "), {
    height: 60 + 20 * changes.length,
    marginLeft: 146,
    marginRight: 46,
    marginTop: 8,
    x: { label: metricLabel(metric), domain: METRICS[metric].domain, ticks: 5, nice: true },
    y: { label: null, domain: changes.map(({ name }) => name), tickSize: 0 },
    marks: [
      Plot.barX(changes, {
        x: "value",
        y: "name",
        fill: colors.train,
        insetTop: 2,
        insetBottom: 2,
      }),
      Plot.text(changes, {
        x: (METRICS[metric].domain ?? [])[1],
        y: "name",
        frameAnchor: "right" as const,
        text: ({ value }) => show(value),
        textAnchor: "start" as const,
        dx: 8,
      }),
      Plot.ruleX([unchanged], { stroke: colors.ink, strokeWidth: 1.5, strokeDasharray: "3 2" }),
    ],
  });
}
