/** From a trained model on disk to its part of the report. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { readScalar } from "../../packages/compute/read_tensor.ts";
import type { NpyFile } from "../../packages/formats/npy.ts";
import { loadModel } from "../training/model_files.ts";
import { openPredictor } from "../training/predictor.ts";
import { type EpochRecord, readHistory, type TrainingRecord } from "../training/training_record.ts";
import { targetOf } from "../training/targets.ts";
import { caption, chooseExamples, dots } from "./examples.ts";
import {
  type Predictions,
  type ReferencePredictions,
  scoreModel,
  type SplitName,
} from "./score_model.ts";
import { type PredictionTask, splitNames } from "./score_model.ts";
import { describeNetwork, type Network } from "./describe_network.ts";
import { crossEntropy, meanAbsoluteError } from "../../packages/statistics/prediction_metrics.ts";
import { imageDataUrl } from "./image_data_urls.ts";
import { rocCurve } from "../../packages/statistics/roc.ts";
import type { Reference } from "./reference_predictions.ts";
import type { Curve, Examples, ModelReport } from "./report_data.ts";

/** The dataset, in parts. */
export interface EvaluationData {
  /** [N, size, size, 3] */
  images: NpyFile<"uint8">;
  /** Columns of its table, one value an image. */
  people: {
    age: number[];
    gender: number[];
    identity: (string | null)[];
    dataset: string[];
    path: string[];
  };
  rows: Record<SplitName, Int32Array>;
  /** What networks from elsewhere say of some of the test set. */
  references: readonly Reference[];
}

export interface EvaluationOptions {
  /** Id of the stage that trained the model. */
  id: string;
  /** Faces to show of each kind. */
  examples: number;
  /** How long each epoch of the training took, if that is known. */
  secondsPerEpoch?: readonly number[];
  /** What computed the training, if that is known. */
  computedBy?: string;
  signal: AbortSignal;
  onBatch(images: number): void;
}

/**
 * Lets a model predict all splits, and scores what it says.
 * @param folder of the `model` artifact
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
  const who = {
    train: pick(people, rows.train),
    validation: pick(people, rows.validation),
    test: pick(people, rows.test),
  };
  const { epochs, weightsOfEpoch, stoppedEarly, backend, seed, datasets, constantBaseline } =
    record;
  return {
    predictions: all,
    report: {
      id,
      metrics: scoreModel(
        subject,
        all,
        who,
        data.references.map((one) => others(one, record, who.test)),
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
      ...(subject.classes?.length === 2
        ? { roc: rocCurve(test.truth, test.probabilities!.map((row) => row[1])).points }
        : {}),
      ...(subject.classes ? {} : { scatter: dots(test) }),
      examples: await Promise.all(shown),
    },
  };
}

/** The people of some rows. */
function pick(people: EvaluationData["people"], rows: ArrayLike<number>): EvaluationData["people"] {
  return Object.fromEntries(
    Object.entries(people).map(([name, values]) => [
      name,
      Array.from(rows, (row) => values[row]),
    ]),
  ) as EvaluationData["people"];
}

/** What a network from elsewhere says of the test set, in the terms of a model. */
function others(
  { name, of }: Reference,
  record: TrainingRecord,
  { dataset, path }: EvaluationData["people"],
): ReferencePredictions {
  const positions: number[] = [];
  const prediction: number[] = [];
  dataset.forEach((set, i) => {
    const said = of(set, path[i]);
    if (said === undefined) return;
    // In groups of ages, a year counts when it is over.
    const age = record.classes === null ? said.age : Math.max(0, Math.floor(said.age));
    positions.push(i);
    prediction.push(targetOf(record, { age, gender: said.male > 0.5 ? 1 : 0 }));
  });
  return { name, positions, prediction };
}

function curves(history: readonly EpochRecord[], metric: TrainingRecord["metric"]): Curve[] {
  type Score = Exclude<keyof EpochRecord, "learning_rate">;
  const of = (train: Score, validation: Score) =>
    history.map((epoch) => ({
      epoch: epoch.epoch,
      train: epoch[train],
      validation: epoch[validation],
    }));
  const title = metric === "accuracy" ? "Accuracy" : "Mean absolute error, years";
  return [
    { name: "loss", title: "Loss", points: of("loss", "val_loss") },
    { name: metric, title, points: of("metric", "val_metric") },
  ];
}

/**
 * What a network's outputs mean.
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
  // The first of equal ones, as argMax takes it.
  const prediction = probabilities.map((row) => row.indexOf(row.reduce((a, b) => Math.max(a, b))));
  const loss = crossEntropy(truth, probabilities) + penalty;
  return { rows, truth, prediction, probabilities, loss };
}

/** What L2 regularisation adds to the loss, in training and here. */
async function l2Penalty(model: LayersModel): Promise<number> {
  let sum = 0;
  // The model's own calculateLosses() knows of none of its layers'.
  for (const loss of model.layers.flatMap((layer) => layer.calculateLosses())) {
    sum += await readScalar(loss);
  }
  return sum;
}
