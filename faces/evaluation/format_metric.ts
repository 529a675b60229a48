/** Numbers and judgements in a person's words. */
import type { Interval } from "../../packages/statistics/confidence_intervals.ts";
import type { ModelMetrics, Scores } from "./score_model.ts";

type Metric = ModelMetrics["metric"];

/** "1,204" */
export function count(n: number): string {
  return n.toLocaleString("en");
}

/** "1 face", "2 faces" */
export function faces(n: number): string {
  return `${count(n)} ${n === 1 ? "face" : "faces"}`;
}

/** "Three networks" */
export function networks(n: number): string {
  const words = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
  return `${words[n] ?? count(n)} ${n === 1 ? "network" : "networks"}`;
}

/** "93.2 %" of 0.932 */
export function percent(share: number, decimals = 1): string {
  return `${(share * 100).toFixed(decimals)}\u00a0%`;
}

/** "4.9 years" */
export function years(n: number): string {
  return `${n.toFixed(1)}\u00a0years`;
}

/** A metric's value with its unit. */
export function amount(value: number, metric: Metric): string {
  return metric === "accuracy" ? percent(value) : years(value);
}

/** A metric's value without its unit: "93.2" of an accuracy of 0.932. */
export function plain(value: number, metric: Metric): string {
  return (metric === "accuracy" ? value * 100 : value).toFixed(1);
}

/** "88.1 to 97.0 %", or without its unit "88.1–97.0" */
export function range({ low, high }: Interval, metric: Metric, unit = true): string {
  if (!unit) return `${plain(low, metric)}–${plain(high, metric)}`;
  return `${plain(low, metric)} to ${amount(high, metric)}`;
}

/** "−4.2 to −1.0" */
export function signedRange({ low, high }: Interval): string {
  return `${signed(low)} to ${signed(high)}`;
}

/** "+1.2", "−3.4" */
export function signed(n: number): string {
  return n < 0 ? `−${(-n).toFixed(1)}` : `+${n.toFixed(1)}`;
}

/** "0.4 s", "12 s", "3 min 5 s", "2 h 10 min" */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)}\u00a0s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}\u00a0s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min ${whole % 60}\u00a0s`;
  return `${Math.floor(whole / 3600)}\u00a0h ${Math.round((whole % 3600) / 60)}\u00a0min`;
}

/** The metric out of a split's scores. */
export function metricOf(scores: Scores, metric: Metric): number {
  return scores[metric] ?? NaN;
}

/** What the model predicts, as a heading. */
export function subject({ task, variant, classes }: ModelMetrics): string {
  if (task === "gender") return "Gender";
  if (task !== "age") return variant ? `${task}, ${variant}` : task;
  return classes ? `Age in ${classes.length} groups` : "Age in years";
}

/** What the guess is, without its score. */
export function guess({ metric, baseline }: ModelMetrics): string {
  return metric === "accuracy"
    ? `always saying “${baseline.guess}”, the most frequent in the training set`
    : `always saying ${baseline.guess} years, the median of the training set`;
}

/** Test result, interval and guess in two sentences. */
export function summary(metrics: ModelMetrics): string {
  const { metric, test, interval, baseline, counts } = metrics;
  const value = amount(metricOf(test, metric), metric);
  const guessed = amount(metricOf(baseline.test, metric), metric);
  return metric === "accuracy"
    ? `Right for ${value} of the ${faces(counts.test)} of the test set (95\u00a0% interval: ` +
      `${range(interval, metric)}). A guess, ${guess(metrics)}, is right for ${guessed}.`
    : `Off by ${value} on average over the ${faces(counts.test)} of the test set (95\u00a0% ` +
      `interval: ${range(interval, metric)}). A guess, ${guess(metrics)}, is off by ${guessed}.`;
}

/** What follows from the interval and the guess. */
export function verdict({ verdict }: ModelMetrics): string {
  return {
    better: "Better than guessing",
    worse: "Worse than guessing",
    unclear: "Not clearly better than guessing",
  }[verdict];
}

/** One line for a terminal. */
export function line(id: string, metrics: ModelMetrics): string {
  const { metric, test, interval, baseline } = metrics;
  const show = (value: number) => value.toFixed(2);
  const value = show(metricOf(test, metric));
  const between = `95 % ${show(interval.low)}-${show(interval.high)}`;
  const guessed = show(metricOf(baseline.test, metric));
  return metric === "accuracy"
    ? `${id}: accuracy ${value} on test (${between}), guessing the majority ${guessed}`
    : `${id}: ${value} years off on test (${between}), guessing the median ${guessed}`;
}
