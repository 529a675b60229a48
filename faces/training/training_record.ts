/** What a training leaves beside the weights: `training.json` and `history.csv` of a model. */
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../../packages/formats/read_json.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
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
  /** That of the epoch's last step; records of before lack it. */
  learning_rate?: number;
}

/** An epoch of a network with several heads, or of one with none. */
export interface JointEpoch extends EpochRecord {
  /** The same of each head, without penalties. */
  heads?: Omit<EpochRecord, "epoch" | "learning_rate">[];
}

/** training.json. Nothing in it changes from one run to the next of the same training. */
export interface TrainingRecord {
  task: "gender" | "age";
  variant: "binary" | "multiclass" | "regression";
  loss: string;
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
  /**
   * Only where the kept weights are worse on validation than the constant baseline: what the majority
   * class or the median age of the training set scores there, in the same metric.
   */
  constantBaseline?: number;
}

const columns = ["epoch", "loss", "metric", "val_loss", "val_metric", "learning_rate"] as const;

/** Writes `training.json`, `history.csv` and TensorBoard's event files into a model's folder. */
export async function writeRecord(
  folder: string,
  record: TrainingRecord,
  history: readonly EpochRecord[],
): Promise<void> {
  await Deno.writeTextFile(join(folder, "training.json"), JSON.stringify(record, null, 2) + "\n");
  await writeCurves(folder, record.metric, history);
}

/**
 * Writes `history.csv` and TensorBoard's event files into a folder.
 * @param done epochs that both have already: the others are appended, so that readers can follow
 */
async function writeCurves(
  folder: string,
  metric: string,
  history: readonly EpochRecord[],
  done = 0,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const given = columns.filter((name) => history.every((epoch) => epoch[name] !== undefined));
  const lines = history.slice(done).map((epoch) => given.map((name) => epoch[name]).join(","));
  const text = [...(done === 0 ? [given] : []), ...lines, ""].join("\n");
  await Deno.writeTextFile(join(folder, "history.csv"), text, { append: done > 0 });
  await writeTensorboard(folder, metric, history, done);
}

/** Writes the curves of a training under way; a resumed one begins them anew, from its checkpoint. */
export function liveCurves(
  folder: string,
  metric: string,
): (history: readonly EpochRecord[]) => Promise<void> {
  let done = 0;
  return async (history) => {
    await writeCurves(folder, metric, history, done);
    done = history.length;
  };
}

/** The fields that readers rely on. */
const recordShape = z.looseObject({
  task: z.enum(["gender", "age"]),
  variant: z.enum(["binary", "multiclass", "regression"]),
  metric: z.enum(["accuracy", "mae"]),
  classes: z.array(z.looseObject({ label: z.string() })).nullable(),
  input: z.looseObject({ size: z.number(), divisor: z.number() }),
  preprocessing: z.looseObject({}),
  params: z.looseObject({}),
  counts: z.looseObject({ train: z.number(), validation: z.number() }),
  epochs: z.number(),
  weightsOfEpoch: z.number(),
});

/** Reads a model's `training.json`. Throws an error with the way out if it is damaged. */
export async function readRecord(folder: string): Promise<TrainingRecord> {
  const wayOut = "Train the model again: `deno task verify` finds what is damaged, the next run " +
    "makes it anew";
  return await readJson(join(folder, "training.json"), recordShape, wayOut) as never;
}

/** Reads a model's `history.csv`. */
export async function readHistory(folder: string): Promise<EpochRecord[]> {
  const text = await Deno.readTextFile(join(folder, "history.csv"));
  const [header, ...lines] = text.trimEnd().split("\n").map((line) => line.split(","));
  return lines.map((values) =>
    Object.fromEntries(header.map((column, i) => [column, Number(values[i])])) as never
  );
}
