/** Metrics, durations and counts as text. */
import type { Interval } from "../../packages/statistics/confidence_intervals.ts";
import type { ModelMetrics, Scores } from "./score_model.ts";

type Metric = ModelMetrics["metric"];

/** Metric → whether higher or lower values are better. */
export const METRIC_DIRECTIONS: Readonly<Record<string, "more" | "less">> = {
  accuracy: "more",
  loss: "less",
  mae: "less",
};

/** Formats an integer: "1,204". */
export function count(n: number): string {
  return n.toLocaleString("en");
}

/** Formats a count of faces: "1 face", "2 faces". */
export function faces(n: number): string {
  return `${count(n)} ${n === 1 ? "face" : "faces"}`;
}

/** Formats a count of networks at the start of a sentence: "Three networks". */
export function networks(n: number): string {
  const words = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
  return `${words[n] ?? count(n)} ${n === 1 ? "network" : "networks"}`;
}

/** Formats a share as percent: 0.932 becomes "93.2 %". */
export function percent(share: number, decimals = 1): string {
  return `${(share * 100).toFixed(decimals)}\u00a0%`;
}

/** Formats years: "4.9 years". */
export function years(n: number): string {
  return `${n.toFixed(1)}\u00a0years`;
}

/** Formats a metric with its unit: "0.932" for an accuracy, "4.9 years" for an MAE. */
export function formatMetric(value: number, metric: Metric): string {
  return metric === "accuracy" ? formatMetricValue(value, metric) : years(value);
}

/** Formats a metric without its unit: "0.932" for an accuracy, "4.9" for an MAE. */
export function formatMetricValue(value: number, metric: Metric): string {
  return value.toFixed(metric === "accuracy" ? 3 : 1);
}

/** Formats an interval: "4.1–5.6 years", or without its unit "4.1–5.6". */
export function formatInterval({ low, high }: Interval, metric: Metric, unit = true): string {
  const end = unit ? formatMetric(high, metric) : formatMetricValue(high, metric);
  return `${formatMetricValue(low, metric)}–${end}`;
}

/** Formats the interval of a bias: "−4.2 to −1.0". */
export function formatSignedInterval({ low, high }: Interval): string {
  return `${formatSigned(low)} to ${formatSigned(high)}`;
}

/** Formats a number with its sign: "+1.2", "−3.4". */
export function formatSigned(n: number): string {
  return n < 0 ? `−${(-n).toFixed(1)}` : `+${n.toFixed(1)}`;
}

/** Formats a duration: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)}\u00a0s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}\u00a0s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min ${whole % 60}\u00a0s`;
  return `${Math.floor(whole / 3600)}\u00a0h ${Math.round((whole % 3600) / 60)}\u00a0min`;
}

/** Returns the metric of a split's scores. */
export function metricOf(scores: Scores, metric: Metric): number {
  return scores[metric] ?? NaN;
}

/** Names a model's prediction task, as a heading. */
export function subject({ task, variant, classes }: ModelMetrics): string {
  if (task === "gender") return "Gender";
  if (task !== "age") return variant ? `${task}, ${variant}` : task;
  return classes ? `Age in ${classes.length} groups` : "Age in years";
}

/** Describes the constant baseline, without its score. */
export function describeBaseline({ metric, baseline }: ModelMetrics): string {
  return metric === "accuracy"
    ? `the majority class of the training set, “${baseline.guess}”`
    : `the median of the training set, ${baseline.guess} years`;
}

/** Summarizes test metric, interval and constant baseline in two sentences. */
export function summary(metrics: ModelMetrics): string {
  const { metric, test, interval, baseline, counts } = metrics;
  const name = metric === "accuracy" ? "Accuracy" : "MAE";
  return `${name} ${formatMetric(metricOf(test, metric), metric)} on the ${
    faces(counts.test)
  } of the test set (95\u00a0% CI ${formatInterval(interval, metric)}). Constant baseline ${
    formatMetric(metricOf(baseline.test, metric), metric)
  }: ${describeBaseline(metrics)}.`;
}

/** Compares the interval with the constant baseline, in words. */
export function verdict({ verdict }: ModelMetrics): string {
  return {
    better: "Better than the constant baseline",
    worse: "Worse than the constant baseline",
    unclear: "Not significantly better than the constant baseline",
  }[verdict];
}

/** Formats a model's test metric as one line for the terminal. */
export function line(id: string, metrics: ModelMetrics): string {
  const { metric, test, interval, baseline } = metrics;
  const show = (value: number) => value.toFixed(2);
  const value = show(metricOf(test, metric));
  const between = `95 % CI ${show(interval.low)}–${show(interval.high)}`;
  const constant = show(metricOf(baseline.test, metric));
  return metric === "accuracy"
    ? `${id}: test accuracy ${value} (${between}), constant baseline ${constant}`
    : `${id}: test MAE ${value} years (${between}), constant baseline ${constant} years`;
}
