/** From a trained model on disk to its part of the report. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import sharp from "sharp";
import { readScalar } from "../compute/read.ts";
import type { NpyFile } from "../formats/npy.ts";
import { loadModel } from "../training/model.ts";
import { predictRows } from "../training/predict.ts";
import { readHistory } from "../training/record.ts";
import { targetOf } from "../training/targets.ts";
import { caption, choose, dots } from "./examples.ts";
import { judge, type Predictions, type SplitName, splitNames, type Subject } from "./judge.ts";
import { crossEntropy, meanAbsoluteError } from "./metrics.ts";
import type { Examples, ModelReport } from "./report.ts";

/** The dataset, in parts. */
export interface EvaluationData {
  /** [N, size, size, 3] */
  images: NpyFile<"uint8">;
  /** Columns of its table, one value an image. */
  people: { age: number[]; gender: number[]; identity: (string | null)[] };
  rows: Record<SplitName, Int32Array>;
}

export interface EvaluationOptions {
  /** Id of the stage that trained the model. */
  id: string;
  /** Faces to show of each kind. */
  examples: number;
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
  { id, examples, signal, onBatch }: EvaluationOptions,
): Promise<{ report: ModelReport; predictions: Record<SplitName, Predictions> }> {
  const { images, people, rows } = data;
  const { model, record } = await loadModel(folder);
  const subject: Subject = {
    task: record.task,
    variant: record.variant,
    ...(record.classes && { classes: record.classes.map(({ label }) => label) }),
  };
  const predictions: Partial<Record<SplitName, Predictions>> = {};
  try {
    const penalty = await l2Penalty(model);
    for (const name of splitNames) {
      const truth = Array.from(
        rows[name],
        (row) => targetOf(record, { age: people.age[row], gender: people.gender[row] }),
      );
      const outputs = await predictRows(model, images, rows[name], { signal, onBatch });
      predictions[name] = interpret(outputs, { rows: rows[name], truth }, subject, penalty);
    }
  } finally {
    model.dispose();
  }
  const all = predictions as Record<SplitName, Predictions>;
  const { test } = all;
  const shown = choose(subject, test, examples).map(async (
    { title, positions },
  ): Promise<Examples> => ({
    title,
    faces: await Promise.all(positions.map(async (i) => ({
      image: await dataUrl(images, test.rows[i]),
      row: test.rows[i],
      ...caption(subject, test, i),
    }))),
  }));
  return {
    predictions: all,
    report: {
      id,
      metrics: judge(subject, all, Array.from(test.rows, (row) => people.identity[row])),
      history: await readHistory(folder),
      training: record,
      params: record.params,
      ...(subject.classes ? {} : { scatter: dots(test) }),
      examples: await Promise.all(shown),
    },
  };
}

/**
 * What a network's outputs mean.
 * @param outputs [rows, classes] probabilities, or [rows, 1] years
 */
function interpret(
  outputs: Float32Array,
  { rows, truth }: { rows: Int32Array; truth: number[] },
  { classes }: Subject,
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

/** An image of the dataset as a PNG inside a URL. */
async function dataUrl(images: NpyFile<"uint8">, row: number): Promise<string> {
  const [, height, width] = images.shape;
  const png = await sharp(images.read(row, 1), { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 }).toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}
