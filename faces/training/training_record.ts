/** `training.json` and `history.csv` of a model. */
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../../packages/formats/read_json.ts";
import { type Preprocessing, preprocessing } from "../images/preprocessing.ts";
import type { AbstentionThreshold, PredictionInterval } from "./prediction_interval.ts";
import type { ClassRecord } from "./targets.ts";
import { writeTensorboard } from "./tensorboard.ts";
import type { Head } from "./training_definitions.ts";

/** Advice on a network that is worse than the constant baseline. */
export const MORE_STEPS =
  "Take more steps (smaller batchSize, more epochs and earlyStopping.patience)";

/** Explains a network of lower accuracy than the majority class, but better balanced accuracy. */
export const LESS_ACCURATE =
  "Predictions of rarer classes cost it accuracy, as with balanced sampling or class weights";

/** One line of history.csv. `TrainingRecord.metric` names the metric. */
export interface EpochRecord {
  /** From 1. */
  epoch: number;
  /** Mean over the epoch's batches, during training; L2 included. */
  loss: number;
  metric: number;
  /** After the epoch, on the validation set; L2 included. */
  val_loss: number;
  val_metric: number;
  /** Learning rate of the epoch's last step; absent in older records. */
  learning_rate?: number;
}

/** An epoch of a training. */
export interface FullEpoch extends EpochRecord {
  /** Further validation metrics that the stage names, by column, val_NAME; null for NaN. */
  further?: Record<string, number | null>;
  /** Losses and metrics of each head of several, without penalties. */
  heads?: Omit<FullEpoch, "epoch" | "learning_rate" | "heads">[];
}

/** Content of training.json. Reproducible: equal for equal trainings. */
export interface TrainingRecord {
  /** gender, age, or another column of the labels. */
  task: string;
  variant: "binary" | "multiclass" | "regression";
  loss: string;
  /** The metric in history.csv. */
  metric: "accuracy" | "mae";
  /** Losses in history.csv are of labels minus `mean`, divided by `deviation`; all else is not. */
  standardized?: Head["standardized"];
  /** Classes in the order of the outputs; null for a quantity, such as age in years. */
  classes: ClassRecord[] | null;
  /** The network's input: RGB bytes of images of this size, divided by `divisor`. */
  input: {
    size: number;
    channels: "RGB";
    divisor: number;
    /** Test-time augmentation: averages predictions over the image and its mirror image. */
    mirror?: boolean;
  };
  /** Intervals of a predicted number, with a calibration set. */
  interval?: PredictionInterval;
  /** Threshold of predicted classes, with a calibration set and `abstain`. */
  abstention?: AbstentionThreshold;
  /** Preprocessing from photo to input image. */
  preprocessing: Preprocessing;
  params: Record<string, unknown>;
  seed: number;
  backend: string;
  /** Number of images in each set. */
  counts: { train: number; validation: number };
  /** Number of training images by data set. */
  datasets: Record<string, number>;
  /** Number of parameters, trainable or not. */
  weights: number;
  /** Multiplications of a prediction for one image, each with an addition; absent in older records. */
  multiplyAdds?: number;
  /** Number of epochs trained. */
  epochs: number;
  stoppedEarly: boolean;
  bestEpoch: number;
  /** The epoch whose weights were kept. */
  weightsOfEpoch: number;
  /**
   * Validation metric of the constant baseline (majority class or median of the training set). Only
   * present if the kept weights are worse.
   */
  constantBaseline?: number;
}

const columns = ["epoch", "loss", "metric", "val_loss", "val_metric", "learning_rate"] as const;

/** Writes `training.json`, `history.csv` and TensorBoard's event files into a model's folder. */
export async function writeRecord(
  folder: string,
  record: TrainingRecord,
  history: readonly FullEpoch[],
): Promise<void> {
  // Not jsonText(): the webcam page has this module, and browsers lack what state.ts imports.
  await Deno.writeTextFile(join(folder, "training.json"), JSON.stringify(record, null, 2) + "\n");
  await curvesWriter(folder, record.metric)(history);
}

/**
 * Returns a function that appends new epochs to `history.csv` and TensorBoard's event files in a folder.
 * Its first call, such as that of a resumed training, writes them anew.
 */
export function curvesWriter(
  folder: string,
  metric: string,
): (history: readonly FullEpoch[]) => Promise<void> {
  let done = 0;
  return async (history) => {
    await Deno.mkdir(folder, { recursive: true });
    const given = columns.filter((name) => history.every((epoch) => epoch[name] !== undefined));
    const lines = history.slice(done).map((epoch) =>
      [
        ...given.map((name) => epoch[name]),
        ...Object.values(epoch.further ?? {}).map((value) => value ?? NaN),
      ].join(",")
    );
    const header = [...given, ...Object.keys(history[0]?.further ?? {})];
    const text = [...(done === 0 ? [header] : []), ...lines, ""].join("\n");
    await Deno.writeTextFile(join(folder, "history.csv"), text, { append: done > 0 });
    await writeTensorboard(folder, metric, history, done);
    done = history.length;
  };
}

/** The fields that readers rely on. */
const recordShape = z.looseObject({
  task: z.string().min(1),
  variant: z.enum(["binary", "multiclass", "regression"]),
  metric: z.enum(["accuracy", "mae"]),
  classes: z.array(z.looseObject({ label: z.string() })).nullable(),
  input: z.looseObject({ size: z.number(), divisor: z.number() }),
  preprocessing,
  params: z.looseObject({}),
  seed: z.number(),
  datasets: z.record(z.string(), z.number()),
  counts: z.looseObject({ train: z.number(), validation: z.number() }),
  epochs: z.number(),
  weightsOfEpoch: z.number(),
});

/** A way out of damaged files of a model. */
export const TRAIN_AGAIN =
  "Train the model again: `deno task verify` finds what is damaged, the next run makes it anew. " +
  "docs/guide/evaluation.md has the fields of one that was trained elsewhere";

/** Reads a model's `training.json`. Throws an error with the way out if it is damaged. */
export async function readRecord(folder: string): Promise<TrainingRecord> {
  return await readJson(join(folder, "training.json"), recordShape, TRAIN_AGAIN) as never;
}

/** Reads a model's `history.csv`. Throws an error with the way out if it is damaged. */
export async function readHistory(folder: string): Promise<EpochRecord[]> {
  const path = join(folder, "history.csv"), needed: readonly string[] = columns.slice(0, 5);
  const fail = (why: string, cause?: unknown) =>
    new Error(`Cannot read ${JSON.stringify(path)}: ${why}. ${TRAIN_AGAIN}.`, { cause });
  const text = await Deno.readTextFile(path).catch((cause: Error) => {
    throw fail(cause.message, cause);
  });
  const [header, ...lines] = text.trimEnd().split(/\r?\n/).map((line) => line.split(","));
  const missing = needed.find((name) => !header.includes(name));
  if (missing !== undefined) throw fail(`its first line has no "${missing}"`);
  if (lines.length === 0) throw fail("it has no epoch");
  return lines.map((values, i) =>
    Object.fromEntries(header.map((column, j) => {
      const value = values[j]?.trim() ?? "", number = Number(value || NaN);
      if (Number.isNaN(number) && value !== "NaN" && needed.includes(column)) {
        throw fail(`line ${i + 2} has ${JSON.stringify(value)} as ${column}`);
      }
      return [column, number];
    })) as never
  );
}
