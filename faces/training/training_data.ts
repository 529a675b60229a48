/** What a training reads and is handed: the same for every network. */
import { basename, dirname, join, resolve } from "node:path";
import type { Preprocessing } from "../images/preprocessing.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { UnsupportedNetwork } from "../../packages/engine/engine.ts";
import { EngineTrainer } from "./engine_trainer.ts";
import { type EpochRecord, type JointEpoch, liveCurves } from "./training_record.ts";
import type { Person } from "./targets.ts";
import { TfjsTrainer } from "./tfjs_trainer.ts";
import { epochLine, type TrainOptions } from "./train.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

/** Folders of the artifacts that a training reads. */
export interface InputFolders {
  dataset: string;
  splits: string;
}

/** The part of a stage's context that a training needs. */
export interface TrainingContext {
  scratch: string;
  seed: number;
  compute: string;
  signal: AbortSignal;
  progress: TrainOptions["progress"];
  info(message: string): void;
  warn(message: string): void;
}

export interface TrainingInputs extends Disposable {
  images: NpyFile<"uint8">;
  /** Height and width of the images. */
  size: number;
  /** Image by image. */
  people: readonly Person[];
  rows: { train: Int32Array; validation: Int32Array };
  preprocessing: Preprocessing;
  /** Training images by the data set that they are from, by name. */
  datasets: Record<string, number>;
}

/** Opens a dataset and its splits. */
export async function openTrainingData({ dataset, splits }: InputFolders): Promise<TrainingInputs> {
  // Only passed on: what would check it knows the detectors, on which no training depends.
  const preprocessing: Preprocessing = JSON.parse(
    await Deno.readTextFile(join(dataset, "preprocessing.json")),
  );
  const table = await readParquet(join(dataset, "table.parquet"), {
    age: "int32",
    gender: "int32",
    dataset: "string",
  });
  const rows = {
    train: readNpy(join(splits, "train.npy"), "int32").data,
    validation: readNpy(join(splits, "validation.npy"), "int32").data,
  };
  const images = new NpyFile(join(dataset, "images.npy"), "uint8");
  return {
    images,
    size: images.shape[1],
    people: table.age.map((age, i) => ({ age, gender: table.gender[i] })),
    rows,
    preprocessing,
    datasets: countBy(Array.from(rows.train, (row) => table.dataset[row])),
    [Symbol.dispose]: () => images[Symbol.dispose](),
  };
}

/**
 * What computes the steps on a backend: on `wasm`, the project's own engine where it can. Logs which,
 * and how to watch the curves.
 */
export function chooseTrainer(context: TrainingContext): TrainOptions["trainer"] {
  return async (options) => {
    const trainer = await openTrainer(options, context);
    // The folder of all artifacts has the curves of this attempt, and later those of the model.
    const work = resolve(context.scratch, "../..");
    const logs = basename(work) === ".work" ? dirname(work) : context.scratch;
    context.info(`trains on ${trainer.computedBy}; to watch: tensorboard --logdir "${logs}"`);
    return trainer;
  };
}

/** The project's own engine where it knows the network's layers, else TensorFlow.js. */
async function openTrainer(
  options: TrainerOptions,
  { compute }: TrainingContext,
): Promise<Trainer> {
  if (compute !== "wasm") return new TfjsTrainer(options, "the engine is for compute: wasm");
  try {
    return await EngineTrainer.open(options);
  } catch (error) {
    if (!(error instanceof UnsupportedNetwork)) throw error;
    return new TfjsTrainer(options, error.message);
  }
}

/**
 * What follows a training as it goes: a line and the curves after each epoch, in `scratch`.
 * @param parts a model's history in the network's, by its folder there, and its metric's name
 */
export function follow(
  { scratch, info }: TrainingContext,
  epochs: number,
  parts: Record<string, { metric: string; of(history: readonly JointEpoch[]): EpochRecord[] }>,
): TrainOptions["onEpoch"] {
  const named = Object.entries(parts);
  const curves = named.map(([name, { metric }]) => liveCurves(join(scratch, name), metric));
  const metrics = named.map(([name, { metric }]) =>
    named.length > 1 ? `${name}_${metric}` : metric
  );
  return async (history, best) => {
    for (const [i, [, { of }]] of named.entries()) await curves[i](of(history));
    info(epochLine(history.at(-1)!, { epochs, metrics, best }));
  };
}

/** A kept epoch beside the constant baseline, both on validation. */
export interface Compared {
  val_metric: number;
  constantBaseline: number;
  worse: boolean;
}

/** What differs from one training to the next, or between machines. */
export type FitObserved = {
  secondsPerEpoch: number[];
  /** What computed the steps and the loss, and why the engine did not; see Trainer. */
  computedBy: string;
  /** By task. */
  validation: Record<string, Compared>;
};

/**
 * Compares a kept epoch with the constant baseline, the majority class or the median of the training
 * set, and warns where it is worse.
 * @param targets class or quantity of each image
 */
export function compareWithConstant(
  { task, metric, learningRate }: {
    task: string;
    metric: "accuracy" | "mae";
    learningRate: number;
  },
  { epoch, val_metric }: Pick<EpochRecord, "epoch" | "val_metric">,
  targets: readonly number[],
  { train, validation }: TrainingInputs["rows"],
  { warn }: Pick<TrainingContext, "warn">,
): Compared {
  const learnt = Array.from(train, (row) => targets[row]).sort((a, b) => a - b);
  const accuracy = metric === "accuracy";
  const guess = accuracy ? mostFrequent(learnt) : median(learnt);
  const errors = Array.from(validation, (row) => Math.abs(targets[row] - guess));
  const scores = accuracy ? errors.map((error) => Number(error === 0)) : errors;
  const constantBaseline = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const worse = accuracy ? val_metric < constantBaseline : val_metric > constantBaseline;
  if (worse) {
    warn(
      `${task} learnt nothing of use: the weights of epoch ${epoch}, which are kept, have ` +
        `val_${metric} ${val_metric.toPrecision(3)}, and the constant baseline ` +
        `(${accuracy ? "majority class" : "median"} of the training set) has ` +
        `${constantBaseline.toPrecision(3)}. Lower learningRate (now ${learningRate}), train ` +
        `longer, or check the labels.`,
    );
  }
  return { val_metric, constantBaseline, worse };
}

/** @param sorted the lowest of several that are as frequent counts */
function mostFrequent(sorted: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of sorted) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => entry[1] > best[1] ? entry : best)[0];
}

function median(sorted: readonly number[]): number {
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

/** How often each name occurs, by name. */
function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
