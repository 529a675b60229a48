/** A model's results, counts and durations as text. */
import { counted } from "../../packages/pipeline/causes.ts";
import { joinWords } from "../../packages/pipeline/errors.ts";
import {
  formatInterval,
  formatMetric,
  formatMetricValue,
  type MetricName,
  METRICS,
  narrowness,
} from "./metrics.ts";
import { LESS_ACCURATE } from "../training/training_record.ts";
import type { ModelReport, Report } from "./report_data.ts";
import type { FurtherMetric, ModelMetrics, Scores, SplitName } from "./score_model.ts";

/** Formats an integer: "1,204". */
export function count(n: number): string {
  return n.toLocaleString("en");
}

/** Formats a count of faces: "1 face", "2 faces". */
export function faces(n: number): string {
  return counted(n, "face");
}

/** Formats a share as percent: 0.932 becomes "93.2 %". */
export function percent(share: number, decimals = 1): string {
  return `${(share * 100).toFixed(decimals)}\u00a0%`;
}

/** Formats a duration: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min". */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}\u00a0s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min ${whole % 60}\u00a0s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)}\u00a0h ${minutes % 60}\u00a0min`;
}

export function metricOf(scores: Scores, metric: MetricName): number {
  return scores[metric] ?? NaN;
}

/** Names a model's prediction task, as a heading. */
export function subject(
  { task, variant, classes }: {
    task: string;
    variant?: string;
    classes?: readonly string[] | null;
  },
): string {
  if (task === "gender") return "Gender";
  if (task !== "age") return variant ? `${task}, ${variant}` : task;
  return classes ? `Age in ${classes.length} groups` : "Age in years";
}

/** Names what models learn: "gender and age", or other columns. */
export function subjects(models: readonly { task: string }[]): string {
  const tasks = new Set(models.map(({ task }) => task));
  return joinWords([...new Set(["gender", "age"]).intersection(tasks).union(tasks)]);
}

/** Begins a text with a capital letter. */
export function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Names a model: its task and, if several have the same, its id. */
export function modelTitle(
  { id, metrics }: { id: string; metrics: ModelMetrics },
  all: readonly { metrics: ModelMetrics }[],
): string {
  const same = all.filter((other) => subject(other.metrics) === subject(metrics)).length;
  return subject(metrics) + (same > 1 ? ` (${id})` : "");
}

/** Names a subgroup of the test set: "men", "women, 20–39". */
export function groupName({ gender, from, to }: { gender?: number; from?: number; to?: number }) {
  return (gender === 1 ? "men" : "women") + (from === undefined ? "" : `, ${from}–${to}`);
}

/** Names what subgroups differ in; data without exact ages has no bands, and classes remain without both. */
export function groupedBy(groups: readonly { from?: number }[]): string {
  if (groups.length === 0) return "class";
  return groups.some(({ from }) => from !== undefined) ? "gender and age" : "gender";
}

/** Describes the constant baseline, without its score. */
export function describeBaseline({ metric, classes, baseline }: ModelMetrics): string {
  const of = baseline.of ?? "training";
  const { guess } = baseline;
  if (classes) return `the majority class of the ${of} set, “${guess}”`;
  const value = metric === "error" ? formatMetricValue(Number(guess), metric) : guess;
  return `the median of the ${of} set, ${value}${METRICS[metric].unit}`;
}

/** In place of a confidence interval. */
const TOO_FEW = "too few for a confidence interval";

/** All uses of images that flatter a test on them. */
export const TRAINED = "trained, validated or calibrated";

/** By what such images are recognized; names what is not. */
export const RECOGNIZED =
  "by pixels and files of photos. A photo that was saved anew is not recognized";

/** Summarizes test metric, interval and constant baseline in two sentences. */
export function summary(metrics: ModelMetrics): string {
  const { metric, test, interval, baseline, counts, people, trainedOn } = metrics;
  const seen = trainedOn === null
    ? " Images that it was trained on may be among them: they are not known."
    : trainedOn === undefined
    ? ""
    : trainedOn === 0
    ? ` It was ${TRAINED} on none of these, ${RECOGNIZED}.`
    : ` ${faces(trainedOn)} that it was ${TRAINED} on ` +
      `${trainedOn === 1 ? "is" : "are"} left out, ${RECOGNIZED}.`;
  const show = (scores: Scores) => formatMetric(metricOf(scores, metric), metric);
  const { title, unit } = METRICS[metric];
  const range = interval
    ? `95\u00a0% CI ${formatInterval(interval, metric)}${unit}` +
      narrowness(interval, counts.test, people?.test)
    : TOO_FEW;
  return `${title} ${show(test)} on the ${faces(counts.test)} of the test set ` +
    `(${range}). Constant baseline ${show(baseline.test)}: ${describeBaseline(metrics)}.${seen}` +
    peopleText(metrics);
}

/** Counts the tested faces of people that a model was trained on, in a sentence; empty if there are none. */
export function peopleText({ trainedPeople: n, counts }: ModelMetrics): string {
  const some = `${n} of ${counted(counts.test, "tested face")} ${n === 1 ? "is" : "are"} of people`;
  return n ? ` ${some} that it was ${TRAINED} on: scores may be too good.` : "";
}

/** Names the faces of each set without a label that the network predicts; empty if all have one. */
export function unlabelledText({ task, classes, unlabelled }: ModelMetrics): string {
  if (!unlabelled) return "";
  const known = classes && task !== "gender" ? " that the network predicts" : "";
  const label = task === "age"
    ? `an ${classes ? "age of one class" : "exact age"}`
    : `a label of ${task}${known}`;
  const parts = Object.entries(unlabelled).filter(([, n]) => n > 0)
    .map(([split, n]) => `${count(n)} of ${split}`);
  return ` No metric counts faces without ${label}: ${parts.join(", ")}.`;
}

/** Orders models as the 2021 paper does: gender, age in years, age groups. */
export function sortModels(models: readonly ModelReport[]): ModelReport[] {
  const rank = ({ metrics: { task, classes } }: ModelReport) =>
    task === "gender" ? 0 : classes ? 2 : 1;
  return models.toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

/** Formats a further metric of a split and its interval, without the unit. */
export function formatFurther(
  { name, decimals, intervals }: FurtherMetric,
  metrics: ModelMetrics,
  split: SplitName,
): { value: string; interval?: string } {
  const show = (value: number) => formatMetricValue(value, metrics.metric, decimals);
  const interval = intervals[split];
  const value = (metrics[split] as Record<string, number | null>)[name];
  // Such as the AUC of one class; metrics.json has null for NaN.
  if (value === null || !Number.isFinite(value)) return { value: "–", interval: "not defined" };
  const to = interval && interval.low < 0 ? " to " : "–";
  return {
    value: show(value),
    interval: interval && show(interval.low) + to + show(interval.high),
  };
}

/** Results of the paired test against the constant baseline. */
const VERDICTS = { better: "better", worse: "worse", unclear: "not significantly better" };

/** Describes the paired test against the constant baseline, in one or two sentences. */
export function verdict({ verdict: test, balanced }: ModelMetrics): string {
  if (!balanced) return `${capitalized(VERDICTS[test])} than the constant baseline`;
  const [value, baseline] = [balanced.value, balanced.baseline].map((share) => share.toFixed(3));
  return "Better than the constant baseline in balanced accuracy alone: " +
    `${value}, and ${baseline} of any constant prediction. ` +
    (test === "worse" ? LESS_ACCURATE : `Its accuracy is ${VERDICTS[test]}`);
}

/** Test error over training error from which a network overfits, if their intervals are disjoint. */
export const OVERFITTING = 1.25;

/** Describes overfitting; undefined if there is none. */
export function overfitting(metrics: ModelMetrics): string | undefined {
  const { metric, interval, intervals } = metrics;
  if (!interval || !intervals.train) return undefined;
  const [train, test] = [metricOf(metrics.train, metric), metricOf(metrics.test, metric)];
  const more = METRICS[metric].better === "more";
  const worse = more ? interval.high < intervals.train.low : interval.low > intervals.train.high;
  const [fitted, held] = more ? [1 - train, 1 - test] : [train, test];
  if (!worse || held < OVERFITTING * fitted) return undefined;
  return `Overfitting: ${METRICS[metric].name} ${formatMetric(train, metric)} on the training ` +
    `set, ${formatMetric(test, metric)} on the test set`;
}

/** Formats the number of images that models use: "512", or the least and the most of several. */
export function rangeOf(used: readonly number[]): string {
  const [least, most] = [Math.min(...used), Math.max(...used)];
  return least === most ? count(most) : `${count(least)} to ${count(most)}`;
}

/** Names the models that were left out, in a sentence after others; empty if there are none. */
export function leftOutModels(leftOut: Report["leftOut"]): string {
  const named = joinWords(leftOut.map(({ id, why }) => `${id} (${why})`));
  return named && ` Left out: ${named}.`;
}

/** Formats a model's test metric as one line for the terminal. */
export function line(
  id: string,
  { metric, test, interval, baseline, verdict, balanced, counts, people }: ModelMetrics,
): string {
  const { name, unit } = METRICS[metric];
  const number = (value: number) => formatMetricValue(value, metric, 2);
  const show = (scores: Scores) => number(metricOf(scores, metric)) + unit.replace("\u00a0", " ");
  const between = interval
    ? `95 % CI ${number(interval.low)}–${number(interval.high)}` +
      narrowness(interval, counts.test, people?.test)
    : TOO_FEW;
  return `${id}: test ${name} ${show(test)} (${between}), ` +
    `${VERDICTS[verdict]} than the constant baseline, ${show(baseline.test)}` +
    (balanced
      ? `; better in balanced accuracy, ${number(balanced.value)} and ${number(balanced.baseline)}`
      : "");
}
