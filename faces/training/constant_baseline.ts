/** The constant baseline: the majority class, or the median, of the training set. */
import { betterBalanced } from "../../packages/statistics/paired_tests.ts";
import { majorityClass, mean, median } from "../../packages/statistics/prediction_metrics.ts";
import { distanceTo } from "./objective.ts";
import type { InputRows, TrainingContext } from "./training_data.ts";
import { type FullEpoch, LESS_ACCURATE, MORE_STEPS } from "./training_record.ts";

/** Validation metric of the kept epoch, and of the constant baseline. */
export interface Compared {
  val_metric: number;
  constantBaseline: number;
  /** False for classes whose balanced accuracy is significantly better than that of a constant. */
  worse: boolean;
}

/**
 * Compares the kept epoch with the constant baseline (majority class or median of the training set),
 * and warns if it is worse. Classes are worse only if their balanced accuracy is not better, by a paired
 * test of their predictions.
 * @param targets class or quantity of each image
 * @param intervals ages of images that have an interval, whose middle counts for the median; they are
 *   validated if there is no other age
 * @param predict returns the class of each row by the kept weights, and the person if known
 */
export async function compareWithConstant(
  { task, metric, learningRate }: {
    task: string;
    metric: "accuracy" | "mae";
    learningRate: number;
  },
  { epoch, val_metric }: Pick<FullEpoch, "epoch" | "val_metric">,
  targets: readonly number[],
  { train, validation }: InputRows,
  { info, warn }: Pick<TrainingContext, "info" | "warn">,
  intervals: readonly (readonly [low: number, high: number] | undefined)[] = [],
  predict?: (
    rows: Int32Array,
  ) => Promise<{ prediction: ArrayLike<number>; people: readonly unknown[] }>,
): Promise<Compared> {
  const known = (rows: Int32Array) =>
    Array.from(rows, (row) => targets[row]).filter((target) => !Number.isNaN(target));
  const spansOf = (rows: Int32Array) =>
    Array.from(rows, (row) => intervals[row]).filter((span) => span !== undefined);
  const trained = [...known(train), ...spansOf(train).map(mean)], exact = known(validation);
  const validated = exact.length > 0
    ? exact.map((one) => [one, one] as const)
    : spansOf(validation);
  const accuracy = metric === "accuracy";
  const classes = 1 + trained.reduce((most, label) => Math.max(most, label), 0);
  const constant = accuracy ? majorityClass(trained, classes) : median(trained);
  const errors = validated.map((truth) => distanceTo(truth, constant));
  const scores = accuracy ? errors.map((error) => Number(error === 0)) : errors;
  const constantBaseline = mean(scores);
  const below = accuracy ? val_metric < constantBaseline : val_metric > constantBaseline;
  const at = validation.filter((row) => !Number.isNaN(targets[row]));
  const predicted = below && accuracy ? await predict?.(at) : undefined;
  const balanced = predicted && betterBalanced(exact, predicted.prediction, predicted.people);
  const worse = below && balanced === undefined;
  if (balanced) {
    const [own, other] = [balanced.value, balanced.baseline].map((one) => one.toPrecision(3));
    info(
      `${task} is better than the constant baseline in balanced accuracy alone, ${own} (a constant ` +
        `has ${other}). Its accuracy is ${val_metric.toPrecision(3)}, that of the majority class ` +
        `${constantBaseline.toPrecision(3)}. ${LESS_ACCURATE}`,
    );
  }
  if (worse) {
    // Ages begin near 0, other numbers near their mean: a network of few steps is not far from there.
    const zero = mean(validated.map((truth) => distanceTo(truth, 0)));
    const begun = !accuracy && task === "age" && zero > 2 * constantBaseline &&
      Math.abs(val_metric / zero - 1) < 0.5;
    warn(
      `${task} is worse than the constant baseline: the kept weights of epoch ${epoch} have ` +
        `val_${metric} ${val_metric.toPrecision(3)}, and the constant baseline ` +
        `(${accuracy ? "majority class" : "median"} of the training set) has ` +
        constantBaseline.toPrecision(3) +
        (begun ? `, predictions of 0 have ${zero.toPrecision(3)}` : "") +
        `. ${MORE_STEPS}, ${begun ? "raise" : "lower"} learningRate (now ${learningRate}), or ` +
        "check the labels.",
    );
  }
  return { val_metric, constantBaseline, worse };
}
