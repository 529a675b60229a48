/** Errors beyond their mean: their spread, their dependence on the true value, suspect labels. */
import { abstentionThreshold } from "../../packages/statistics/conformal.ts";
import { mean, median } from "../../packages/statistics/prediction_metrics.ts";
import type { Predictions, PredictionTask } from "./score_model.ts";

/** Errors of ages on the test set, years. */
export interface ErrorCurves {
  /** Cumulative score: share of errors of at most `error`, beside that of the constant baseline. */
  cumulative: readonly { error: number; share: number; baseline: number }[];
  /** Mean of prediction - truth for each true age. */
  bias: readonly { truth: number; bias: number; count: number }[];
  /** Undefined for a single true age. */
  line?: Line;
}

/** Least squares: prediction = intercept + slope · truth. A slope below 1 regresses to the mean. */
export interface Line {
  slope: number;
  intercept: number;
}

/** Largest error of the cumulative score, years. */
const MAX_ERROR = 20;

/** Computes the curves. @param constant prediction of the constant baseline */
export function errorCurves(
  { truth, prediction }: Pick<Predictions, "truth" | "prediction">,
  constant: number,
): ErrorCurves {
  const all = Array.from(truth, (value, i) => ({ value, error: prediction[i] - value }));
  const share = (error: number, of: (one: (typeof all)[number]) => number) =>
    all.filter((one) => Math.abs(of(one)) <= error).length / all.length;
  const years = Map.groupBy(all, ({ value }) => Math.round(value));
  return {
    cumulative: Array.from({ length: MAX_ERROR + 1 }, (_, error) => ({
      error,
      share: share(error, ({ error }) => error),
      baseline: share(error, ({ value }) => constant - value),
    })),
    bias: [...years].sort(([a], [b]) => a - b).map(([truth, some]) => ({
      truth,
      bias: mean(some.map(({ error }) => error)),
      count: some.length,
    })),
    line: fit(truth, prediction),
  };
}

/** Fits the line of predictions y by true values x; undefined if x has a single value. */
export function fit(x: ArrayLike<number>, y: ArrayLike<number>): Line | undefined {
  if (new Set(Array.from(x)).size < 2) return undefined;
  const [mx, my] = [mean(x), mean(y)];
  let xy = 0, xx = 0;
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
  }
  const slope = xy / xx;
  return { slope, intercept: my - slope * mx };
}

/** Robust standard deviations from the line beyond which a number is suspect. */
const MAX_DEVIATIONS = 4;

/** Factor by which a suspect label is rarer than usual among the images that are predicted as surely. */
const RARER = 5;

/**
 * Finds labels that the predictions contradict more surely than these are usually wrong. Classes: those
 * of `contradictedLabels`, at a probability from which on at most a fifth of the label's share of all
 * images has that label among those of the same predicted class. One more is counted, so that few images
 * prove nothing. Numbers: the distance from the least-squares line, in standard deviations by the median.
 * @param predictions of images that the network was not trained on
 */
export function suspectLabels(
  { classes }: Pick<PredictionTask, "classes">,
  { truth, prediction, probabilities }: Pick<Predictions, "truth" | "prediction" | "probabilities">,
): boolean[] {
  const labels = Array.from(truth);
  if (!classes) {
    const { slope, intercept } = fit(truth, prediction) ?? { slope: 0, intercept: 0 };
    const rest = labels.map((value, i) => prediction[i] - intercept - slope * value);
    const center = median(rest);
    const deviation = 1.4826 * median(rest.map((one) => Math.abs(one - center)));
    return rest.map((one) => Math.abs(one - center) > MAX_DEVIATIONS * deviation);
  }
  if (!probabilities) return labels.map(() => false);
  const sure = new Map<string, number>();
  return contradictedLabels(classes.length, { truth, prediction, probabilities }).map(
    (found, i) => {
      if (!found) return false;
      const label = labels[i], other = prediction[i];
      const least = sure.getOrInsertComputed(`${label} ${other}`, () => {
        const same = [...labels.keys()].filter((j) => prediction[j] === other);
        const share = labels.filter((one) => one === label).length / labels.length;
        return abstentionThreshold(
          same.map((j) => probabilities[j][other]),
          same.map((j) => Number(labels[j] === label)),
          share / RARER,
        );
      });
      return probabilities[i][other] >= least;
    },
  );
}

/**
 * Finds labels that the predictions contradict as in confident learning (Northcutt et al. 2021): another
 * class is predicted, and of those whose probability reaches its mean over the images labelled so,
 * another is largest. Of a network with many errors, these are many of its errors.
 */
export function contradictedLabels(
  classes: number,
  { truth, prediction, probabilities }:
    & Pick<Predictions, "truth" | "prediction">
    & Required<Pick<Predictions, "probabilities">>,
): boolean[] {
  const labels = Array.from(truth), all = Array.from({ length: classes }, (_, c) => c);
  const least = all.map((c) => {
    const own = labels.flatMap((label, i) => label === c ? probabilities[i][c] : []);
    return own.length > 0 ? mean(own) : Infinity;
  });
  return labels.map((label, i) => {
    const sure = all.filter((c) => probabilities[i][c] >= least[c])
      .sort((a, b) => probabilities[i][b] - probabilities[i][a]);
    return sure.length > 0 && sure[0] !== label && prediction[i] !== label;
  });
}
