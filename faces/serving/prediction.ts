/** A network's outputs in the words of the API. Pure: server and page share it. */
import type { ClassRecord } from "../training/targets.ts";
import type { ClassPrediction, Prediction } from "./api.ts";

/** What is needed to read a model's outputs. */
export interface OutputSpec {
  readonly id: string;
  readonly task: "gender" | "age";
  /** Meaning of the outputs, in order; null if the output is a number of years. */
  readonly classes: readonly ClassRecord[] | null;
  /** Mean absolute error on the validation set, if the output is a number of years. */
  readonly error: number;
}

/** Outputs of one model for one face. A negative age is none. */
export function readOutputs(
  { id: model, classes, error }: OutputSpec,
  outputs: ArrayLike<number>,
): Prediction {
  if (classes === null) return { model, years: Math.max(0, outputs[0]), error };
  const all = classes.map((name, i) => ({ ...name, probability: clamp(outputs[i]) }));
  const best = all.reduce((a, b) => b.probability > a.probability ? b : a);
  return { model, ...best, classes: all };
}

/** Rounding may leave a probability a little outside of 0 to 1. */
function clamp(probability: number): number {
  return Math.min(1, Math.max(0, probability));
}

/** What a face is said to be, by the models that there are. */
export function summarise(
  models: readonly OutputSpec[],
  predictions: readonly Prediction[],
): { gender?: ClassPrediction; age?: Prediction } {
  const gender = models.findIndex(({ task }) => task === "gender");
  const [age] = models
    .map(({ task, classes }, i) => ({ task, fineness: classes?.length ?? Infinity, i }))
    .filter(({ task }) => task === "age")
    .sort((a, b) => b.fineness - a.fineness || a.i - b.i);
  return {
    ...(gender >= 0 ? { gender: predictions[gender] as ClassPrediction } : {}),
    ...(age ? { age: predictions[age.i] } : {}),
  };
}
