/** Metrics of one model, as in metrics.json, from its predictions. */
import { type AgeBand, errorByAgeBand } from "./age_bands.ts";
import { type Calibration, calibration } from "../../packages/statistics/calibration.ts";
import { type ClassIntervals, classIntervals } from "../../packages/statistics/class_intervals.ts";
import { type Group, type People, scoreGroups } from "./subgroups.ts";
import {
  accuracyInterval,
  type Interval,
  meanInterval,
} from "../../packages/statistics/confidence_intervals.ts";
import {
  absoluteErrors,
  accuracy,
  type ClassScores,
  classScores,
  isCorrect,
} from "../../packages/statistics/prediction_metrics.ts";
import {
  confusionMatrix,
  majorityClass,
  mean,
} from "../../packages/statistics/prediction_metrics.ts";
import {
  meanAbsoluteError,
  median,
  signedErrors,
} from "../../packages/statistics/prediction_metrics.ts";
import { aucInterval, rocCurve } from "../../packages/statistics/roc.ts";

/** Names of the splits. */
export const splitNames = ["train", "validation", "test"] as const;
export type SplitName = (typeof splitNames)[number];

/** Predictions of a model on one split. */
export interface Predictions {
  /** Rows of the dataset. */
  rows: ArrayLike<number>;
  /** Class index or age of each row. */
  truth: ArrayLike<number>;
  prediction: ArrayLike<number>;
  /** Classifiers only: the class probabilities of each row. */
  probabilities?: readonly ArrayLike<number>[];
  /** The training loss, L2 penalty included. */
  loss: number;
}

/** Task and classes of a model. */
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
  interval: Interval;
  /** The model's metric on the same images. */
  model: number;
}

/** `accuracy` of a classifier, or `mae` in years. */
export type Scores = { accuracy?: number; mae?: number };

/** Metrics of one model in metrics.json. */
export interface ModelMetrics {
  task: string;
  variant?: string;
  /** The primary metric: a higher accuracy or a lower MAE is better. */
  metric: "accuracy" | "mae";
  classes?: readonly string[];
  /** Number of images in each split. */
  counts: Record<SplitName, number>;
  train: { loss: number } & Scores;
  validation: { loss: number } & Scores;
  test: { loss: number } & Scores;
  /** 95 % confidence interval of the test metric. */
  interval: Interval;
  /** 95 % confidence intervals on the other splits. */
  intervals: Record<Exclude<SplitName, "test">, Interval>;
  /** Constant baseline: majority class or median of the training set, and its score on each split. */
  baseline: { guess: string | number } & Record<SplitName, Scores>;
  /** Position of the whole interval relative to the constant baseline; unclear if it contains it. */
  verdict: "better" | "worse" | "unclear";
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
  /** Age in years only: mean of prediction - truth on the test set, with its interval. */
  bias?: { value: number; interval: Interval };
  /** The test metric by gender, and by gender and age band. */
  groups?: Group[];
  /** Pretrained networks on the test set, for comparison. */
  others?: ReferenceScores[];
}

/** Content of metrics.json, by id of the training stage. */
export interface MetricsFile {
  models: Record<string, ModelMetrics>;
}

/**
 * Computes the metrics of a model on every split, with the constant baseline of the training set.
 * @param people people in the images of each split
 * @param others predictions of pretrained networks, for comparison
 */
export function scoreModel(
  subject: PredictionTask,
  predictions: Record<SplitName, Predictions>,
  people?: Record<SplitName, People>,
  others: readonly ReferencePredictions[] = [],
): ModelMetrics {
  const { train, validation, test } = predictions;
  const { classes } = subject;
  const score = (truth: ArrayLike<number>, prediction: ArrayLike<number>): Scores =>
    classes
      ? { accuracy: accuracy(truth, prediction) }
      : { mae: meanAbsoluteError(truth, prediction) };
  const scored = ({ truth, prediction, loss }: Predictions) => ({
    loss,
    ...score(truth, prediction),
  });
  const constant = classes ? majorityClass(train.truth, classes.length) : median(train.truth);
  const scoreConstant = ({ truth }: Predictions) =>
    score(truth, new Float64Array(truth.length).fill(constant));

  const metric = classes ? "accuracy" : "mae";
  const scoreEach = classes ? isCorrect : absoluteErrors;
  const intervalOf = classes ? accuracyInterval : meanInterval;
  const values = scoreEach(test.truth, test.prediction);
  const tested = people?.test;
  const interval = intervalOf(values, tested?.identity);
  const intervalIn = (name: "train" | "validation") => {
    const { truth, prediction } = predictions[name];
    return intervalOf(scoreEach(truth, prediction), people?.[name].identity);
  };
  const baseline = scoreConstant(test).accuracy ?? scoreConstant(test).mae ?? NaN;
  const above = interval.low > baseline;
  const below = interval.high < baseline;
  const verdict = !above && !below
    ? "unclear"
    : above === (classes !== undefined)
    ? "better"
    : "worse";

  return {
    ...subject,
    metric,
    counts: {
      train: train.truth.length,
      validation: validation.truth.length,
      test: test.truth.length,
    },
    train: scored(train),
    validation: scored(validation),
    test: scored(test),
    interval,
    intervals: { train: intervalIn("train"), validation: intervalIn("validation") },
    baseline: {
      guess: classes ? classes[constant] : constant,
      train: scoreConstant(train),
      validation: scoreConstant(validation),
      test: scoreConstant(test),
    },
    verdict,
    ...(classes ? classMetrics(classes, test, tested) : ageMetrics(test, constant, tested)),
    ...(tested && {
      groups: scoreGroups(
        metric,
        values,
        tested,
        classes ? undefined : signedErrors(test.truth, test.prediction),
      ),
    }),
    ...(others.length > 0 && {
      others: others.map(({ name, positions, prediction }): ReferenceScores => {
        const truth = positions.map((i) => test.truth[i]);
        const who = tested?.identity && positions.map((i) => tested.identity![i]);
        const theirs = scoreEach(truth, prediction);
        return {
          name,
          count: positions.length,
          value: mean(theirs),
          interval: intervalOf(theirs, who),
          model: mean(positions.map((i) => values[i])),
        };
      }),
    }),
  };
}

function classMetrics(
  classes: readonly string[],
  { truth, prediction, probabilities }: Predictions,
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
  const scores = Array.from(probabilities, (row, i) => row[two ? 1 : prediction[i]]);
  const labels = two ? Array.from(truth) : isCorrect(truth, prediction);
  const both = perClass.every(({ count }) => count > 0);
  const area = two && both ? aucInterval(labels, scores, who) : undefined;
  return {
    confusion,
    perClass,
    ...(two && both ? { auc: rocCurve(labels, scores).auc } : {}),
    ...(area && { aucInterval: area }),
    calibration: calibration(labels, scores, who),
  };
}

function ageMetrics(
  { truth, prediction }: Predictions,
  constant: number,
  people?: People,
): Partial<ModelMetrics> {
  const signed = signedErrors(truth, prediction);
  return {
    byAgeBand: errorByAgeBand(truth, prediction, constant, people?.identity),
    bias: { value: mean(signed), interval: meanInterval(signed, people?.identity) },
  };
}
