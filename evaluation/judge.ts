/** From the predictions of one model to its part of metrics.json. */
import { absoluteErrors, accuracy, type AgeBand, hits } from "./metrics.ts";
import { confusionMatrix, errorByAgeBand, majority, meanAbsoluteError, median } from "./metrics.ts";
import { accuracyInterval, type Interval, meanInterval } from "./intervals.ts";

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
export interface Subject {
  task: string;
  variant?: string;
  /** Names of the classes, by number. Without them, the model predicts years. */
  classes?: readonly string[];
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
  /** Of the test metric. */
  interval: Interval;
  /** What the same guess for every picture scores: the most frequent class of train, or its median. */
  baseline: { guess: string | number } & Record<SplitName, Scores>;
  /** Whether the whole interval is better than the guess, worse, or neither. */
  verdict: "better" | "worse" | "unclear";
  /** Of the test set: how often the truth (row) was taken for a class (column). */
  confusion?: { classes: readonly string[]; counts: number[][] };
  /** Of the test set. */
  byAgeBand?: AgeBand[];
}

/** metrics.json: by id of the stage that trained the model. */
export interface MetricsFile {
  models: Record<string, ModelMetrics>;
}

/**
 * Scores a model on every split, beside a guess that knows only the labels of train.
 * @param people for each test row, who is in the picture; none means that all are different
 */
export function judge(
  subject: Subject,
  predictions: Record<SplitName, Predictions>,
  people?: readonly unknown[],
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
  const guess = classes ? majority(train.truth, classes.length) : median(train.truth);
  const guessed = ({ truth }: Predictions) =>
    score(truth, new Float64Array(truth.length).fill(guess));

  const interval = classes
    ? accuracyInterval(hits(test.truth, test.prediction), people)
    : meanInterval(absoluteErrors(test.truth, test.prediction), people);
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
    metric: classes ? "accuracy" : "mae",
    counts: {
      train: train.truth.length,
      validation: validation.truth.length,
      test: test.truth.length,
    },
    train: scored(train),
    validation: scored(validation),
    test: scored(test),
    interval,
    baseline: {
      guess: classes ? classes[guess] : guess,
      train: guessed(train),
      validation: guessed(validation),
      test: guessed(test),
    },
    verdict,
    ...(classes
      ? {
        confusion: {
          classes,
          counts: confusionMatrix(test.truth, test.prediction, classes.length),
        },
      }
      : { byAgeBand: errorByAgeBand(test.truth, test.prediction, guess) }),
  };
}
