/** Errors beyond their mean: their spread, their dependence on the true value, suspect labels. */
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

/**
 * Finds labels that the predictions contradict. Classes, as in confident learning (Northcutt et al.
 * 2021): another class is predicted, and of those whose probability reaches its mean over the images
 * labelled so, another is largest. Numbers: the distance from the least-squares line, in standard
 * deviations by the median.
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
  const least = classes.map((_, c) => {
    const own = labels.flatMap((label, i) => label === c ? probabilities[i][c] : []);
    return own.length > 0 ? mean(own) : Infinity;
  });
  return labels.map((label, i) => {
    const sure = [...classes.keys()].filter((c) => probabilities[i][c] >= least[c])
      .sort((a, b) => probabilities[i][b] - probabilities[i][a]);
    return sure.length > 0 && sure[0] !== label && prediction[i] !== label;
  });
}
