/** Selection of example faces of the test set. */
import { random } from "../../packages/random/random.ts";
import { SEED } from "../../packages/statistics/confidence_intervals.ts";
import type { Predictions, PredictionTask } from "./score_model.ts";
import type { Examples, ModelReport } from "./report_data.ts";
import { fit } from "./error_curves.ts";
import { percent } from "./format_result.ts";
import { formatMetricValue, primaryMetric } from "./metrics.ts";

/** Maximum number of dots of a scatter plot, at the width of a phone. */
const MAX_DOTS = 1000;

/**
 * Selects n faces at random, the n best and the n worst predictions: by absolute error for ages, by
 * the probability of the predicted class for classes.
 * @returns titles, and positions in the test set; nothing for n = 0
 */
export function chooseExamples(
  { classes }: PredictionTask,
  { truth, prediction, probabilities }: Predictions,
  n: number,
): { title: string; positions: number[] }[] {
  if (n === 0) return [];
  const all = Array.from(truth, (_, i) => i);
  const error = (i: number) => Math.abs(prediction[i] - truth[i]);
  const confidence = (i: number) => probabilities![i][prediction[i]];
  const drawn = random(SEED, "examples").shuffle(all.slice());
  // Sorting is stable: ties keep the order of the test set.
  const by = (score: (i: number) => number, members = all) =>
    members.toSorted((a, b) => score(b) - score(a)).slice(0, n);
  const right = all.filter((i) => error(i) === 0), wrong = all.filter((i) => error(i) !== 0);
  return [
    { title: "Random sample", positions: drawn.slice(0, n) },
    ...(classes
      ? [
        { title: "Correct, highest confidence", positions: by(confidence, right) },
        { title: "Incorrect, highest confidence", positions: by(confidence, wrong) },
      ]
      : [
        { title: "Smallest error", positions: by((i) => -error(i)) },
        { title: "Largest error", positions: by(error) },
      ]),
  ];
}

export function caption(
  { task, classes }: PredictionTask,
  { truth, prediction, probabilities }: Predictions,
  i: number,
): Pick<Examples["faces"][number], "truth" | "prediction"> {
  if (!classes) {
    const show = (value: number) => formatMetricValue(value, primaryMetric(task, "mae"));
    return {
      truth: task === "age" ? String(truth[i]) : show(truth[i]),
      prediction: show(prediction[i]),
    };
  }
  const probability = percent(probabilities![i][prediction[i]], 0);
  return { truth: classes[truth[i]], prediction: `${classes[prediction[i]]} (${probability})` };
}

/** Returns the test set for the scatter plot, or a random subset of it. */
export function dots({ truth, prediction }: Predictions): NonNullable<ModelReport["scatter"]> {
  const positions = Array.from(truth, (_, i) => i);
  if (positions.length > MAX_DOTS) {
    random(SEED, "scatter").shuffle(positions);
    positions.length = MAX_DOTS;
  }
  return {
    truth: positions.map((i) => truth[i]),
    prediction: positions.map((i) => prediction[i]),
    of: truth.length,
    line: fit(truth, prediction),
  };
}
