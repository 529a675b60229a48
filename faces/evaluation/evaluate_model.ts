/** Evaluation of a stored model: predictions and its section of the report. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { readScalar } from "../../packages/compute/read_tensor.ts";
import type { NpyFile } from "../../packages/formats/npy.ts";
import { loadModel } from "../training/model_files.ts";
import { openPredictor } from "../training/predictor.ts";
import { type EpochRecord, readHistory, type TrainingRecord } from "../training/training_record.ts";
import { targetOf } from "../training/targets.ts";
import { caption, chooseExamples, dots } from "./examples.ts";
import {
  bySplit,
  type Predictions,
  type PredictionTask,
  type ReferencePredictions,
  scoreModel,
  type SplitName,
  splitNames,
} from "./score_model.ts";
import { describeNetwork, type Network } from "./describe_network.ts";
import { crossEntropy, meanAbsoluteError } from "../../packages/statistics/prediction_metrics.ts";
import { imageDataUrl } from "./image_data_urls.ts";
import { metricLabel } from "./metrics.ts";
import { rocCurve } from "../../packages/statistics/roc.ts";
import type { Reference } from "./reference_predictions.ts";
import type { Curve, Examples, ModelReport } from "./report_data.ts";

/** Dataset, splits and reference predictions. */
interface EvaluationData {
  /** [N, size, size, 3] */
  images: NpyFile<"uint8">;
  /** Columns of the dataset's table, one value per image. */
  people: {
    age: number[];
    gender: number[];
    identity: (string | null)[];
    dataset: string[];
    path: string[];
  };
  rows: Record<SplitName, Int32Array>;
  /** Predictions of pretrained networks for some of the test set. */
  references: readonly Reference[];
}

interface EvaluationOptions {
  /** Id of the stage that trained the model. */
  id: string;
  /** Number of example faces of each kind. */
  examples: number;
  /** Duration of each training epoch, if known. */
  secondsPerEpoch?: readonly number[];
  /** Path that computed the training, if known. */
  computedBy?: string;
  signal: AbortSignal;
  onBatch(images: number): void;
}

/**
 * Loads a model, predicts all splits and computes its metrics.
 * @param folder folder of the `model` artifact
 */
export async function evaluateModel(
  folder: string,
  data: EvaluationData,
  { id, examples, secondsPerEpoch, computedBy, signal, onBatch }: EvaluationOptions,
): Promise<{ report: ModelReport; predictions: Record<SplitName, Predictions> }> {
  const { images, people, rows } = data;
  const { model, record } = await loadModel(folder);
  const subject: PredictionTask = {
    task: record.task,
    variant: record.variant,
    ...(record.classes && { classes: record.classes.map(({ label }) => label) }),
  };
  const predictions: Partial<Record<SplitName, Predictions>> = {};
  let network: Network;
  try {
    network = describeNetwork(model);
    const penalty = await l2Penalty(model);
    const { mirror } = record.input;
    await using predictor = await openPredictor(model);
    for (const name of splitNames) {
      const truth = Array.from(
        rows[name],
        (row) => targetOf(record, { age: people.age[row], gender: people.gender[row] }),
      );
      const outputs = await predictor.predict(images, rows[name], { mirror, signal, onBatch });
      predictions[name] = interpret(outputs, { rows: rows[name], truth }, subject, penalty);
    }
  } finally {
    model.dispose();
  }
  const all = predictions as Record<SplitName, Predictions>;
  const { test } = all;
  const shown = chooseExamples(subject, test, examples).map(async (
    { title, positions },
  ): Promise<Examples> => ({
    title,
    faces: await Promise.all(positions.map(async (i) => ({
      image: await imageDataUrl(images, test.rows[i]),
      row: test.rows[i],
      ...caption(subject, test, i),
    }))),
  }));
  const select = <T>(values: readonly T[], name: SplitName) =>
    Array.from(rows[name], (row) => values[row]);
  const { epochs, weightsOfEpoch, stoppedEarly, backend, seed, datasets, constantBaseline } =
    record;
  return {
    predictions: all,
    report: {
      id,
      metrics: scoreModel(
        subject,
        all,
        bySplit((name) => ({
          age: select(people.age, name),
          gender: select(people.gender, name),
          identity: select(people.identity, name),
        })),
        data.references.map((one) => toReferencePredictions(one, record, data)),
      ),
      network,
      curves: curves(await readHistory(folder), record.metric),
      training: {
        ...{ epochs, weightsOfEpoch, stoppedEarly, backend, seed, datasets },
        ...(secondsPerEpoch && { secondsPerEpoch }),
        ...(computedBy !== undefined && { computedBy }),
        ...(constantBaseline !== undefined && { constantBaseline }),
      },
      params: record.params,
      ...(subject.classes?.length === 2 &&
        { roc: rocCurve(test.truth, test.probabilities!.map((row) => row[1])).points }),
      ...(!subject.classes && { scatter: dots(test) }),
      examples: await Promise.all(shown),
    },
  };
}

/** Converts reference predictions of the test set to a model's targets. */
function toReferencePredictions(
  { name, of }: Reference,
  record: TrainingRecord,
  { people: { dataset, path }, rows }: EvaluationData,
): ReferencePredictions {
  const found = Array.from(rows.test, (row) => of(dataset[row], path[row]))
    .flatMap((one, position) => one ? [{ position, ...one }] : []);
  return {
    name,
    positions: found.map(({ position }) => position),
    prediction: found.map(({ age: years, male }) => {
      // Age classes cover completed years.
      const age = record.classes === null ? years : Math.max(0, Math.floor(years));
      return targetOf(record, { age, gender: male > 0.5 ? 1 : 0 });
    }),
  };
}

function curves(history: readonly EpochRecord[], metric: TrainingRecord["metric"]): Curve[] {
  type Score = Exclude<keyof EpochRecord, "learning_rate">;
  const of = (train: Score, validation: Score) =>
    history.map((epoch) => ({
      epoch: epoch.epoch,
      train: epoch[train],
      validation: epoch[validation],
    }));
  return [
    { name: "loss", title: "Loss", points: of("loss", "val_loss") },
    { name: metric, title: metricLabel(metric, "title"), points: of("metric", "val_metric") },
  ];
}

/**
 * Converts a network's outputs to predictions.
 * @param outputs [rows, classes] probabilities, or [rows, 1] years
 */
function interpret(
  outputs: Float32Array,
  { rows, truth }: { rows: Int32Array; truth: number[] },
  { classes }: PredictionTask,
  penalty: number,
): Predictions {
  if (!classes) {
    return { rows, truth, prediction: outputs, loss: meanAbsoluteError(truth, outputs) + penalty };
  }
  const probabilities = truth.map((_, i) =>
    outputs.subarray(i * classes.length, (i + 1) * classes.length)
  );
  // The first of equal probabilities, as in argMax.
  const prediction = probabilities.map((row) => row.indexOf(row.reduce((a, b) => Math.max(a, b))));
  const loss = crossEntropy(truth, probabilities) + penalty;
  return { rows, truth, prediction, probabilities, loss };
}

/** Computes the L2 penalty, which is part of the loss in training. */
async function l2Penalty(model: LayersModel): Promise<number> {
  let sum = 0;
  // The model's own calculateLosses() does not include those of its layers.
  for (const loss of model.layers.flatMap((layer) => layer.calculateLosses())) {
    sum += await readScalar(loss);
  }
  return sum;
}
