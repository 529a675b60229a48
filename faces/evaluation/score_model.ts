/** From the predictions of one model to its part of metrics.json. */
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../../packages/formats/read_json.ts";
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

export const splitNames = ["train", "validation", "test"] as const;
export type SplitName = (typeof splitNames)[number];

/** What a model said about the pictures of one split. */
export interface Predictions {
  /** Rows of the dataset. */
  rows: ArrayLike<number>;
  /** For each row, the class number or the age. */
  truth: ArrayLike<number>;
  prediction: ArrayLike<number>;
  /** For classes: for each row, one probability a class. */
  probabilities?: readonly ArrayLike<number>[];
  /** What training minimised, L2 penalty included. */
  loss: number;
}

/** What a model is about. */
export interface PredictionTask {
  task: string;
  variant?: string;
  /** Names of the classes, by number. Without them, the model predicts years. */
  classes?: readonly string[];
}

/** What somebody else said about some pictures of the test set. */
export interface ReferencePredictions {
  /** Who, such as "face-api". */
  name: string;
  /** Positions in the test set. */
  positions: readonly number[];
  /** For each of them, the class number or the age. */
  prediction: ArrayLike<number>;
}

/** How well they did, and the model on the same pictures. */
export interface ReferenceScores {
  name: string;
  count: number;
  value: number;
  interval: Interval;
  /** The model's value. */
  model: number;
}

/** `accuracy` for classes, `mae` (years) for ages. */
export type Scores = { accuracy?: number; mae?: number };

/** One model's part of metrics.json. */
export interface ModelMetrics {
  task: string;
  variant?: string;
  /** Which metric counts; more is better of accuracy, less of mae. */
  metric: "accuracy" | "mae";
  classes?: readonly string[];
  /** Pictures in each split. */
  counts: Record<SplitName, number>;
  train: { loss: number } & Scores;
  validation: { loss: number } & Scores;
  test: { loss: number } & Scores;
  /** Of the test metric, and of the others. */
  interval: Interval;
  intervals: Record<Exclude<SplitName, "test">, Interval>;
  /** What the same guess for every picture scores: the most frequent class of train, or its median. */
  baseline: { guess: string | number } & Record<SplitName, Scores>;
  /** Whether the whole interval is better than the guess, worse, or neither. */
  verdict: "better" | "worse" | "unclear";
  /** Of the test set: how often the truth (row) was taken for a class (column). */
  confusion?: { classes: readonly string[]; counts: number[][] };
  /** Of the test set, in the order of the classes. */
  perClass?: (ClassScores & { intervals: ClassIntervals })[];
  /** Of the test set and two classes: area under the ROC curve of the second one's probability. */
  auc?: number;
  aucInterval?: Interval;
  /**
   * Of the test set: of two classes, the second one's probability; of more, the probability of what
   * was said, and how often it was right.
   */
  calibration?: Calibration;
  /** Of the test set. */
  byAgeBand?: AgeBand[];
  /** Ages: mean of prediction - truth on the test set, years, and its interval. */
  bias?: { value: number; interval: Interval };
  /** The test metric by gender, and by gender and age band. */
  groups?: Group[];
  /** Others on the test set, for comparison. */
  others?: ReferenceScores[];
}

/** metrics.json: by id of the stage that trained the model. */
export interface MetricsFile {
  models: Record<string, ModelMetrics>;
}

const metricsShape = z.looseObject({
  models: z.record(
    z.string(),
    z.looseObject({
      task: z.string(),
      metric: z.enum(["accuracy", "mae"]),
      classes: z.array(z.string()).nullish(),
      test: z.looseObject({}),
    }),
  ),
});

/** Reads a report's `metrics.json`. Throws an error with the way out if it is damaged. */
export async function readMetrics(folder: string): Promise<MetricsFile> {
  const wayOut =
    "Evaluate again: `deno task verify` finds what is damaged, the next run makes it " +
    "anew";
  return await readJson(join(folder, "metrics.json"), metricsShape, wayOut) as never;
}

/**
 * Scores a model on every split, beside a guess that knows only the labels of train.
 * @param people who is in the pictures of each split
 * @param others what others say about them
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
  const guess = classes ? majorityClass(train.truth, classes.length) : median(train.truth);
  const guessed = ({ truth }: Predictions) =>
    score(truth, new Float64Array(truth.length).fill(guess));

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
  const baseline = guessed(test).accuracy ?? guessed(test).mae ?? NaN;
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
      guess: classes ? classes[guess] : guess,
      train: guessed(train),
      validation: guessed(validation),
      test: guessed(test),
    },
    verdict,
    ...(classes ? ofClasses(classes, test, tested) : ofAges(test, guess, tested)),
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

function ofClasses(
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
  const said = Array.from(probabilities, (row, i) => row[two ? 1 : prediction[i]]);
  const isSo = two ? Array.from(truth) : isCorrect(truth, prediction);
  const both = perClass.every(({ count }) => count > 0);
  const area = two && both ? aucInterval(isSo, said, who) : undefined;
  return {
    confusion,
    perClass,
    ...(two && both ? { auc: rocCurve(isSo, said).auc } : {}),
    ...(area && { aucInterval: area }),
    calibration: calibration(isSo, said, who),
  };
}

function ofAges(
  { truth, prediction }: Predictions,
  guess: number,
  people?: People,
): Partial<ModelMetrics> {
  const signed = signedErrors(truth, prediction);
  return {
    byAgeBand: errorByAgeBand(truth, prediction, guess, people?.identity),
    bias: { value: mean(signed), interval: meanInterval(signed, people?.identity) },
  };
}
