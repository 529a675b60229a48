/** What a training leaves beside the weights: `training.json` and `history.csv` of a model. */
import { join } from "node:path";
import type { Preprocessing } from "../faces/preprocessing.ts";
import type { ClassRecord } from "./targets.ts";
import { writeTensorboard } from "./tensorboard.ts";

/** One line of history.csv. `metric` is what the record's `metric` names. */
export interface EpochRecord {
  /** From 1. */
  epoch: number;
  /** Mean over the epoch's batches, while the weights moved; L2 included. */
  loss: number;
  metric: number;
  /** After the epoch, on the validation set; L2 included. */
  val_loss: number;
  val_metric: number;
}

/** An epoch of a network with several heads, or of one with none. */
export interface JointEpoch extends EpochRecord {
  /** The same of each head, without penalties. */
  heads?: Omit<EpochRecord, "epoch">[];
}

/** training.json. Nothing in it changes from one run to the next of the same training. */
export interface TrainingRecord {
  task: "gender" | "age";
  variant: "binary" | "multiclass" | "regression";
  loss: "categorical_crossentropy" | "mean_absolute_error";
  /** What `metric` and `val_metric` in history.csv are. */
  metric: "accuracy" | "mae";
  /** Meaning of the outputs, in order; null if the output is a number of years. */
  classes: ClassRecord[] | null;
  /** Bytes of RGB images of this size, divided by `divisor`, are what the network takes. */
  input: {
    size: number;
    channels: "RGB";
    divisor: number;
    /** Whether the mirror image is asked about, too, and the mean of both is what counts. */
    mirror?: boolean;
  };
  /** How a photo became such an image. */
  preprocessing: Preprocessing;
  params: Record<string, unknown>;
  seed: number;
  backend: string;
  /** Images used. */
  counts: { train: number; validation: number };
  /** Training images by the data set that they are from. */
  datasets: Record<string, number>;
  /** Trainable and other weights, counted one by one. */
  weights: number;
  /** Epochs run. */
  epochs: number;
  stoppedEarly: boolean;
  bestEpoch: number;
  /** The epoch whose weights these are. */
  weightsOfEpoch: number;
}

const columns = ["epoch", "loss", "metric", "val_loss", "val_metric"] as const;

/** Writes `training.json`, `history.csv` and TensorBoard's event files into a model's folder. */
export async function writeRecord(
  folder: string,
  record: TrainingRecord,
  history: readonly EpochRecord[],
): Promise<void> {
  const lines = history.map((epoch) => columns.map((column) => epoch[column]).join(","));
  await Deno.writeTextFile(join(folder, "history.csv"), [columns, ...lines, ""].join("\n"));
  await Deno.writeTextFile(join(folder, "training.json"), JSON.stringify(record, null, 2) + "\n");
  await writeTensorboard(folder, record.metric, history);
}

/** Reads a model's `training.json`. */
export async function readRecord(folder: string): Promise<TrainingRecord> {
  return JSON.parse(await Deno.readTextFile(join(folder, "training.json")));
}

/** Reads a model's `history.csv`. */
export async function readHistory(folder: string): Promise<EpochRecord[]> {
  const text = await Deno.readTextFile(join(folder, "history.csv"));
  return text.trimEnd().split("\n").slice(1).map((line) => {
    const values = line.split(",").map(Number);
    return Object.fromEntries(columns.map((column, i) => [column, values[i]])) as never;
  });
}
