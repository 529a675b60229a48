/** Converts a network's outputs to predictions of the API. Shared by server and page. */
import { boundsOf, isUncertain } from "../training/prediction_interval.ts";
import type { TrainingRecord } from "../training/training_record.ts";
import type { ClassPrediction, Prediction } from "./api.ts";

/** Meaning of a model's outputs. */
export interface OutputSpec
  extends Readonly<Pick<TrainingRecord, "task" | "classes" | "interval" | "abstention">> {
  readonly id: string;
  /** MAE on the validation set, for a number. */
  readonly error: number;
  /** True for a model that the service cautions against: it is no better than a constant. */
  readonly useless?: boolean;
}

/** Converts the outputs of one model for one face. Negative ages become 0. */
export function readOutputs(
  { id: model, task, classes, error, interval, abstention }: OutputSpec,
  outputs: ArrayLike<number>,
): Prediction {
  if (classes === null) {
    const value = outputs[0], least = task === "age" ? 0 : -Infinity;
    const bounds = interval && boundsOf(interval, outputs);
    const end = (value: number) => Math.max(least, value);
    const rest = {
      error,
      ...(bounds && interval && {
        interval: { level: interval.level, low: end(bounds.low), high: end(bounds.high) },
      }),
    };
    if (task === "age") return { model, years: Math.max(0, value), ...rest };
    return { model, value, ...rest };
  }
  // Rounding errors may exceed the range of a probability.
  const probability = (i: number) => Math.min(1, Math.max(0, outputs[i]));
  const all = classes.map((name, i) => ({ ...name, probability: probability(i) }));
  const best = all.reduce((a, b) => b.probability > a.probability ? b : a);
  const uncertain = abstention && { uncertain: isUncertain(abstention, best.probability) };
  return { model, ...best, ...uncertain, classes: all };
}

/** Selects the predictions shown for a face: of models of use, ages in years, then the most age groups. */
export function summarize(
  models: readonly OutputSpec[],
  predictions: readonly Prediction[],
): { gender?: ClassPrediction; age?: Prediction } {
  const best = (wanted: string) =>
    models.map(({ task, classes, useless = false }, i) => ({
      task,
      useless,
      groups: classes?.length ?? Infinity,
      prediction: predictions[i],
    }))
      .filter(({ task }) => task === wanted)
      .sort((a, b) => Number(a.useless) - Number(b.useless) || b.groups - a.groups || 0)[0]
      ?.prediction;
  const gender = best("gender") as ClassPrediction | undefined, age = best("age");
  return { ...(gender && { gender }), ...(age && { age }) };
}

/** Returns the names of detectors as the API shows them: "ssdMobilenetv1, tinyFaceDetector". */
export function namesOf(detectors: readonly { readonly name: string }[]): string {
  return [...new Set(detectors.map(({ name }) => name))].join(", ");
}
