/** Metrics of one model, as in metrics.json, from its predictions. */
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../../packages/formats/read_json.ts";
import { type Calibration, calibration } from "../../packages/statistics/calibration.ts";
import { type ClassIntervals, classIntervals } from "../../packages/statistics/class_intervals.ts";
import {
  groupsOf,
  type Interval,
  meanInterval,
  MIN_COUNT,
} from "../../packages/statistics/confidence_intervals.ts";
import {
  betterBalanced,
  compareErrors,
  compareHits,
  significantSign,
} from "../../packages/statistics/paired_tests.ts";
import {
  type ClassScores,
  classScores,
  confusionMatrix,
  isCorrect,
  majorityClass,
  mean,
  median,
  signedErrors,
} from "../../packages/statistics/prediction_metrics.ts";
import { aucInterval, rocCurve } from "../../packages/statistics/roc.ts";
import type { AgeGate } from "./age_gate.ts";
import { type Metric, type MetricName, METRICS, primaryMetric } from "./metrics.ts";
import type { ScoredPredictions } from "../training/further_metrics.ts";
import type { AbstentionThreshold, Bounds } from "../training/prediction_interval.ts";
import { type Abstention, type Coverage, scoreAbstention } from "./uncertainty.ts";
import {
  type AgeBand,
  countPeople,
  errorByAgeBand,
  type Group,
  type People,
  scoreGroups,
} from "./subgroups.ts";

export const splitNames = ["train", "validation", "test"] as const;
export type SplitName = (typeof splitNames)[number];

export function bySplit<T>(compute: (name: SplitName) => T): Record<SplitName, T> {
  return { train: compute("train"), validation: compute("validation"), test: compute("test") };
}

/** Returns the names of the splits that have images: of an imported model, only test. */
export function usedSplits({ counts }: Pick<ModelMetrics, "counts">): SplitName[] {
  return splitNames.filter((name) => counts[name] > 0);
}

/** Predictions of a model on one split. */
export interface Predictions
  extends Pick<ScoredPredictions, "truth" | "prediction" | "probabilities"> {
  /** Rows of the dataset. */
  rows: ArrayLike<number>;
  /** Numbers only: the model's interval of each row, if it was calibrated. */
  bounds?: readonly Bounds[];
  /** Ages only: the middles of those that are intervals, which have no error but count for the median. */
  middles?: readonly number[];
  /** Classifiers only: the model's threshold, if it has one. */
  abstention?: AbstentionThreshold;
  /** Cross-entropy of classes, MAE of numbers; L2 penalty included. */
  loss: number;
}

export interface PredictionTask {
  task: string;
  variant?: string;
  /** Class names by index. Without them, the model predicts years. */
  classes?: readonly string[];
}

/** Predictions of a pretrained network for some images of the test set. */
export interface ReferencePredictions {
  /** Name of the network, such as "face-api". */
  name: string;
  /** Positions in the test set. */
  positions: readonly number[];
  /** Class index or age at each position. */
  prediction: ArrayLike<number>;
}

/** Test metric of a pretrained network, and of the model on the same images. */
export interface ReferenceScores {
  name: string;
  count: number;
  value: number;
  interval?: Interval;
  /** The model's metric on the same images. */
  model: number;
}

/** `accuracy` of a classifier, `mae` in years, or `error`, the MAE of another number. */
export type Scores = { [metric in MetricName]?: number };

/** A metric beside the primary one: its formatting and 95 % intervals, absent with too few images. */
export interface FurtherMetric extends Pick<Metric, "title" | "unit" | "decimals"> {
  /** Key in each split's scores. */
  name: string;
  intervals: { [split in SplitName]?: Interval };
  /** Faces of the test set in none of the metric's groups, such as of unknown gender, if there are any. */
  leftOut?: number;
}

export interface ModelMetrics extends PredictionTask, Record<SplitName, { loss: number } & Scores> {
  /** The primary metric. */
  metric: MetricName;
  /** Images of each split without a label of the task, which no metric counts. */
  unlabelled?: Record<SplitName, number>;
  /**
   * Imported models only: images of the test set that the model was trained on, which are left out;
   * null if that is not known.
   */
  trainedOn?: number | null;
  /** Imported models only: tested images of people that the model was trained on, if there are any. */
  trainedPeople?: number;
  /** Number of images in each split. */
  counts: Record<SplitName, number>;
  /** Number of people in each split, where one has several images. */
  people?: { [split in SplitName]?: number };
  /** 95 % confidence interval of the test metric; of numbers only with enough images and people. */
  interval?: Interval;
  /** 95 % confidence intervals on the other splits. */
  intervals: { [split in Exclude<SplitName, "test">]?: Interval };
  /**
   * Constant baseline: majority class or median of the training set, and its score on each split. `of`:
   * without a training set, of the test set.
   */
  baseline: { guess: string | number; of?: "test" } & Record<SplitName, Scores>;
  /**
   * Paired test against the constant baseline on the images of the test set, as `compare` tests two
   * models; unclear if p is 0.05 or more, or there are too few images or people.
   */
  verdict: "better" | "worse" | "unclear";
  /**
   * Classes whose accuracy is not better: the balanced accuracy, where it is significantly better than
   * that of any constant prediction, 1 / classes.
   */
  balanced?: { value: number; baseline: number };
  /** Confusion matrix of the test set. Rows: true class, columns: predicted class. */
  confusion?: { classes: readonly string[]; counts: number[][] };
  /** Precision, recall and F1 on the test set, in the order of `classes`. */
  perClass?: (ClassScores & { intervals: ClassIntervals })[];
  /** Binary classifiers: area under the ROC curve of the second class on the test set. */
  auc?: number;
  aucInterval?: Interval;
  /**
   * Calibration on the test set: of the second class's probability for binary classifiers, else of
   * the predicted class's probability.
   */
  calibration?: Calibration;
  /** Age in years only: errors on the test set by age band. */
  byAgeBand?: AgeBand[];
  /** Numbers only: mean of prediction - truth on the test set, with its interval. */
  bias?: { value: number; interval?: Interval };
  /** The test metric by gender, and by gender and age band. */
  groups?: Group[];
  /** Numbers of a calibrated model only: its intervals on the test set. */
  coverage?: Coverage;
  /** Classes only: accuracy on the test set if unsure predictions are withheld. */
  abstention?: Abstention;
  /** Metrics that `evaluate.metrics` names; their values are in each split's scores. */
  further?: FurtherMetric[];
  /** Error rates of the gate that `evaluate.gate` sets. */
  gate?: AgeGate;
  /** Pretrained networks on the test set, for comparison. */
  others?: ReferenceScores[];
}

/** Content of metrics.json, by id of the training stage. */
export interface MetricsFile {
  models: Record<string, ModelMetrics>;
}

const metricsShape = z.looseObject({
  models: z.record(
    z.string(),
    z.looseObject({
      task: z.string(),
      metric: z.enum(Object.keys(METRICS)),
      classes: z.array(z.string()).nullish(),
      test: z.looseObject({}),
    }),
  ),
});

/** Reads a report's `metrics.json`. Throws an error with the way out if it is damaged. */
export async function readMetrics(folder: string): Promise<MetricsFile> {
  const wayOut = "Evaluate again: run `deno task verify`, then the pipeline";
  return await readJson(join(folder, "metrics.json"), metricsShape, wayOut) as never;
}

/** Reads the metrics of several reports; a model of several has those of the last one. */
export async function readAllMetrics(folders: readonly string[]): Promise<MetricsFile["models"]> {
  const all = await Promise.all(folders.map(readMetrics));
  return Object.assign({}, ...all.map(({ models }) => models));
}

/**
 * Computes the metrics of a model on every split, with the constant baseline of the training set.
 * @param people people in the images of each split
 * @param references predictions of pretrained networks, for comparison
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * const split = { rows: [0, 1], truth: [30, 40], prediction: [32, 40], loss: 1 };
 * const metrics = scoreModel({ task: "age" }, { train: split, validation: split, test: split });
 * strictEqual(metrics.test.mae, 1);
 * ```
 */
export function scoreModel(
  subject: PredictionTask,
  predictions: Record<SplitName, Predictions>,
  people?: Record<SplitName, People>,
  references: readonly ReferencePredictions[] = [],
): ModelMetrics {
  const { train, test } = predictions;
  const { classes } = subject;
  const metric = primaryMetric(subject.task, classes ? "accuracy" : "mae");
  const { each, interval: intervalOf } = METRICS[metric];
  if (test.truth.length === 0) throw new Error("Cannot score predictions: the test set is empty.");
  const labelsOf = ({ truth, middles = [] }: Predictions) => [...Array.from(truth), ...middles];
  const trained = labelsOf(train), known = trained.length > 0 ? trained : labelsOf(test);
  const constant = classes ? majorityClass(known, classes.length) : median(known);
  const tested = people?.test;
  const numbers = people && bySplit((name) => countPeople(people[name].identity ?? []));
  const measured = bySplit((name) => each(predictions[name].truth, predictions[name].prediction));
  const scores = bySplit((name) => ({
    loss: predictions[name].loss,
    [metric]: mean(measured[name]),
  }));
  const { test: interval, ...intervals } = bySplit((name) =>
    measured[name].length > 0 ? intervalOf(measured[name], people?.[name].identity) : undefined
  );
  const constants = bySplit((name): Scores => {
    const { truth } = predictions[name];
    return { [metric]: mean(each(truth, new Float64Array(truth.length).fill(constant))) };
  });
  const signed = classes ? undefined : signedErrors(test.truth, test.prediction);
  // A sample of the test set may have no image with a label of the task.
  const compared = references.filter(({ positions }) => positions.length > 0);
  const others = compared.map(({ name, positions, prediction }): ReferenceScores => {
    const theirs = each(positions.map((i) => test.truth[i]), prediction);
    const who = tested?.identity && positions.map((i) => tested.identity![i]);
    return {
      name,
      count: positions.length,
      value: mean(theirs),
      interval: intervalOf(theirs, who),
      model: mean(positions.map((i) => measured.test[i])),
    };
  });

  return {
    ...subject,
    metric,
    counts: bySplit((name) => predictions[name].truth.length),
    people: numbers && Object.values(numbers).some((n) => n !== undefined) ? numbers : undefined,
    ...scores,
    interval,
    intervals,
    baseline: {
      guess: classes ? classes[constant] : constant,
      of: trained.length === 0 ? "test" : undefined,
      ...constants,
    },
    ...compareWithBaseline(metric, test, constant, tested?.identity),
    ...(classes ? classMetrics(classes, test, tested) : {
      byAgeBand: subject.task === "age"
        ? errorByAgeBand(test.truth, test.prediction, constant, tested?.identity)
        : undefined,
      bias: { value: mean(signed!), interval: meanInterval(signed!, tested?.identity) },
    }),
    groups: tested && scoreGroups(metric, measured.test, tested, signed),
    others: others.length > 0 ? others : undefined,
  };
}

/** Returns true if a network is better than the constant baseline, at least in balanced accuracy. */
export function isUseful(
  { verdict, balanced }: Pick<ModelMetrics, "verdict" | "balanced">,
): boolean {
  return verdict === "better" || balanced !== undefined;
}

/**
 * Compares predictions with a constant on the same images.
 * @param people person of each image; without it, all are distinct
 */
export function compareWithBaseline(
  metric: MetricName,
  { truth, prediction }: Pick<Predictions, "truth" | "prediction">,
  constant: number,
  people?: readonly unknown[],
): Pick<ModelMetrics, "verdict" | "balanced"> {
  const { each, better } = METRICS[metric], classes = metric === "accuracy";
  const own = each(truth, prediction);
  const guessed = each(truth, new Float64Array(truth.length).fill(constant));
  const few = groupsOf(truth.length, people).length < MIN_COUNT;
  if (few || Number.isNaN(mean(own))) return { verdict: "unclear" };
  const test = (classes ? compareHits : compareErrors)(own, guessed, people);
  const sign = significantSign(test) * (better === "more" ? 1 : -1);
  if (sign > 0) return { verdict: "better" };
  const balanced = classes ? betterBalanced(truth, prediction, people) : undefined;
  return { verdict: sign < 0 ? "worse" : "unclear", ...(balanced && { balanced }) };
}

function classMetrics(
  classes: readonly string[],
  { truth, prediction, probabilities, abstention }: Predictions,
  people?: People,
): Partial<ModelMetrics> {
  const who = people?.identity;
  const counts = confusionMatrix(truth, prediction, classes.length);
  const perClass = classScores(counts).map((scores, c) => ({
    ...scores,
    intervals: classIntervals(c, truth, prediction, who),
  }));
  const confusion = { classes, counts };
  if (!probabilities) return { confusion, perClass };
  const two = classes.length === 2;
  const confidence = Array.from(probabilities, (row, i) => row[prediction[i]]);
  const scores = two ? probabilities.map((row) => row[1]) : confidence;
  const labels = two ? Array.from(truth) : isCorrect(truth, prediction);
  const both = perClass.every(({ count }) => count > 0);
  return {
    confusion,
    perClass,
    auc: two && both ? rocCurve(labels, scores).auc : undefined,
    aucInterval: two && both ? aucInterval(labels, scores, who) : undefined,
    calibration: calibration(labels, scores, who),
    abstention: scoreAbstention(confidence, isCorrect(truth, prediction), who, abstention),
  };
}
