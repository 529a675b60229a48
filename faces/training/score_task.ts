/** Scores of a task's network beside the loss: further metrics, intervals, the threshold of abstention. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { counted } from "../../packages/pipeline/causes.ts";
import { type ChosenMetric, decodeOutputs } from "./further_metrics.ts";
import type { ImageSource } from "./image_source.ts";
import { predictRows } from "./predict_rows.ts";
import { calibrate, chooseThreshold, rowsOf } from "./prediction_interval.ts";
import { openPredictor } from "./predictor.ts";
import type { Person } from "./targets.ts";
import type { LabelledTask } from "./tasks.ts";
import type { TrainingContext } from "./training_data.ts";
import type { TrainingParams } from "./training_params.ts";
import type { TrainingRecord } from "./training_record.ts";
import { hasDistribution, withDistribution } from "./with_distribution.ts";

/**
 * Computes metrics of a task's network on the validation set. If all its ages are intervals, the truth
 * is the year of the interval that is nearest to the prediction.
 * @returns column of history.csv → value; null for NaN
 */
export async function validate(
  { task, labels, intervals }: LabelledTask,
  metrics: readonly ChosenMetric[],
  network: LayersModel,
  { images, people, rows, signal, slow }: {
    images: ImageSource;
    people: readonly Person[];
    rows: Int32Array;
    signal: AbortSignal;
    /** True for TensorFlow.js in place of the engine, as for frozen layers. */
    slow: boolean;
  },
): Promise<Record<string, number | null>> {
  const exact = rows.filter((row) => !isNaN(labels[row]));
  const at = exact.length > 0 ? exact : rows.filter((row) => intervals?.[row]),
    all = Array.from(at);
  const predict = async () => {
    if (slow) return await predictRows(network, images, at, { signal });
    await using predictor = await openPredictor(network);
    return await predictor.predict(images, at, { signal });
  };
  const classes = task.classes?.length, decoded = decodeOutputs(await predict(), classes);
  const scored = {
    truth: all.map((row, i) => {
      const [low, high] = intervals?.[row] ?? [labels[row], labels[row]];
      return Math.min(Math.max(decoded.prediction[i], low), high);
    }),
    ...decoded,
    classes,
    gender: all.map((row) => people[row].gender),
    age: all.map((row) => people[row].age),
  };
  const values: Record<string, number | null> = {};
  for (const { name, compute } of metrics) {
    const value = await compute(scored);
    values[`val_${name}`] = isNaN(value) ? null : value;
  }
  return values;
}

/** Predicts the class of each row. */
export async function predictClasses(
  { task: { classes } }: LabelledTask,
  network: LayersModel,
  { images, rows }: { images: ImageSource; rows: Int32Array },
  { mirror }: Pick<TrainingParams, "mirror">,
  { signal }: Pick<TrainingContext, "signal">,
): Promise<ArrayLike<number>> {
  await using predictor = await openPredictor(network);
  const outputs = await predictor.predict(images, rows, { mirror, signal });
  return decodeOutputs(outputs, classes!.length).prediction;
}

/**
 * Calibrates the intervals of a task's network, or chooses the threshold of its classes.
 * @param calibration images, and the rows of the calibration set
 */
export async function calibrateTask(
  { task: { task, classes }, labels }: LabelledTask,
  network: LayersModel,
  { images, rows }: { images: ImageSource; rows: Int32Array },
  { abstain, mirror }: Pick<TrainingParams, "abstain" | "mirror">,
  { signal, warn }: Pick<TrainingContext, "signal" | "warn">,
): Promise<Pick<TrainingRecord, "interval" | "abstention">> {
  const at = rows.filter((row) => !isNaN(labels[row]));
  if (rows.length === 0 || (classes && abstain === undefined)) return {};
  const whole = hasDistribution(network) ? withDistribution(network) : network;
  await using predictor = await openPredictor(whole);
  const predicted = rowsOf(await predictor.predict(images, at, { mirror, signal }), at.length);
  const truth = Array.from(at, (row) => labels[row]), n = counted(at.length, "image");
  if (classes) {
    const abstention = chooseThreshold(predicted, truth, abstain!);
    if (abstention.confidence === null) {
      warn(
        `all predictions of ${task} count as uncertain: on the ${n} of the calibration set, no ` +
          `probability keeps errors at abstain ${abstain}. Raise abstain or split.calibration`,
      );
    }
    return { abstention };
  }
  const interval = calibrate(predicted, truth);
  if (interval) return { interval };
  warn(
    `too few images for intervals of ${task}: the calibration set has ${n} with an exact label, and ` +
      "at least 9 are needed; raise split.calibration",
  );
  return {};
}
