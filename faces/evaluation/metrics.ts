/** The metrics of models, each declared once, and their values as text. */
import {
  accuracyInterval,
  type Interval,
  meanInterval,
} from "../../packages/statistics/confidence_intervals.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { type Choice, namesOf } from "../../packages/pipeline/define.ts";
import type { CacheKey } from "../../packages/pipeline/fingerprint.ts";
import { formatNumber } from "../../packages/pipeline/format.ts";
import type { RecordedStage } from "../../packages/pipeline/history.ts";
import { furtherMetrics, metricKeys, printedName } from "../training/further_metrics.ts";
import { absoluteErrors, isCorrect } from "../../packages/statistics/prediction_metrics.ts";

/** Name of a primary metric, as in metrics.json. */
export type MetricName = "accuracy" | "mae" | "error";

/** Metric of single predictions; a model's metric is their mean. */
export interface Metric {
  /** Name in a sentence: "accuracy". */
  readonly name: string;
  /** Name at the start of a sentence: "Accuracy". */
  readonly title: string;
  /** Unit, after a no-break space; empty for a share. */
  readonly unit: string;
  readonly better: "more" | "less";
  /** Decimals of a value; `error` has three digits. */
  readonly decimals: number;
  /** Limits of an axis; without them, it begins at 0. */
  readonly domain?: readonly [number, number];
  /** Returns the metric of each prediction: 1 or 0, or an absolute error. */
  each(truth: ArrayLike<number>, prediction: ArrayLike<number>): Float64Array;
  /** Returns the interval of the mean; undefined where there are too few images or people. */
  interval(each: ArrayLike<number>, people?: readonly unknown[]): Interval | undefined;
}

const MEAN_ERROR = {
  name: "MAE",
  title: "MAE",
  better: "less" as const,
  each: absoluteErrors,
  interval: meanInterval,
};

/** Primary metrics: accuracy of classes, MAE of ages, and MAE of other numbers. */
export const METRICS: Readonly<Record<MetricName, Metric>> = {
  accuracy: {
    name: "accuracy",
    title: "Accuracy",
    unit: "",
    better: "more",
    decimals: 3,
    domain: [0, 1],
    each: isCorrect,
    interval: accuracyInterval,
  },
  mae: { ...MEAN_ERROR, unit: "\u00a0years", decimals: 1 },
  error: { ...MEAN_ERROR, unit: "", decimals: 2 },
};

/** Returns the primary metric of a task, given its metric in training.json. */
export function primaryMetric(task: string, metric: "accuracy" | "mae"): MetricName {
  return metric === "mae" && task !== "age" ? "error" : metric;
}

/** Metric → whether higher or lower values are better. */
export const METRIC_DIRECTIONS: Readonly<Record<string, "more" | "less">> = Object.fromEntries([
  ["loss", "less"],
  ...Object.entries(METRICS).map(([name, { better }]) => [name, better]),
  ...furtherMetrics.flatMap((one) =>
    one.better ? namesOf(one).map((name) => [name, one.better]) : []
  ),
]);

/**
 * Returns metric → the name that it is printed by, where it is not its key: "mae" of errors, which both
 * are, and "cs@5" with its options, if stages have it with these alone. Where training and evaluation
 * have a metric, its key is that of the evaluation.
 */
export function metricNames(
  stages: readonly Pick<CacheKey, "use" | "params">[],
): Readonly<Record<string, string>> {
  const evaluations = stages.filter(({ use }) => use === "evaluate");
  const [all, evaluated] = [stages, evaluations].map((some) =>
    Map.groupBy(some.flatMap(printedNames), ([key]) => key)
  );
  const single = [...all, ...evaluated].filter(([, names]) =>
    names.every(([, name]) => name === names[0][1])
  );
  return Object.fromEntries([["error", "mae"], ...single.map(([, [first]]) => first)]);
}

/** Returns the keys of a stage's metrics, with the names that these are printed by. */
function printedNames({ params: { metrics } }: Pick<CacheKey, "params">) {
  const choices = [metrics].flat().filter((one): one is Choice =>
    typeof one === "string" || typeof Object(one).use === "string"
  );
  return metricKeys(choices).map((key, i) => [key, printedName(choices[i])] as const);
}

/** Returns the names of a model's metrics: of its training, and of the last stage that evaluated it. */
export function metricNamesOf(
  model: string,
  stages: readonly Pick<RecordedStage, "id" | "after" | "dependencies">[],
): ReturnType<typeof metricNames> {
  const [trainer] = model.split(".");
  const evaluated = stages.filter(({ dependencies }) => dependencies?.use === "evaluate");
  const last = evaluated.findLast(({ after }) => after?.includes(trainer));
  const own = stages.filter(({ id }) => id === trainer);
  const all = [...own, ...last ? [last] : evaluated];
  return metricNames(all.flatMap(({ dependencies = [] }) => dependencies));
}

/** Labels an axis or column: "accuracy", "MAE, years". */
export function metricLabel(metric: MetricName, name: "name" | "title" = "name"): string {
  const { unit, [name]: label } = METRICS[metric];
  return unit === "" ? label : `${label}, ${unit.trim()}`;
}

/** Formats a metric with its unit: "0.932" for an accuracy, "4.9 years" for an MAE. */
export function formatMetric(value: number, metric: MetricName): string {
  return formatMetricValue(value, metric) + METRICS[metric].unit;
}

/** Formats a metric without its unit: "0.932" for an accuracy, "4.9" for an MAE. */
export function formatMetricValue(
  value: number,
  metric: MetricName,
  decimals = METRICS[metric].decimals,
): string {
  // Numbers other than years may be of any scale.
  const text = metric === "error" ? formatNumber(value) : value.toFixed(decimals);
  return text.replace("-", "−");
}

/** Faces, or people where they repeat, below which a percentile bootstrap is too narrow. */
export const NARROW_BELOW = 20;

/**
 * Returns what follows an interval of n faces: that it is too narrow, or nothing.
 * @param people number of their people, which are resampled where they repeat. Default: n
 */
export function narrowness({ method }: Pick<Interval, "method">, n: number, people = n): string {
  if (method !== "bootstrap" || people >= NARROW_BELOW) return "";
  return people < n ? `, too narrow: of ${counted(people, "person", "people")}` : ", too narrow";
}

/** Formats an interval without its unit: "4.1–5.6"; of a bias, with signs: "−4.2 to −1.0". */
export function formatInterval(
  { low, high }: Interval,
  metric: MetricName,
  signed = false,
): string {
  const show = signed ? formatSigned : formatMetricValue;
  return show(low, metric) + (signed ? " to " : "–") + show(high, metric);
}

/** Formats a number with its sign: "+1.2", "−3.4". */
export function formatSigned(n: number, metric: MetricName): string {
  return (n < 0 ? "" : "+") + formatMetricValue(n, metric);
}
