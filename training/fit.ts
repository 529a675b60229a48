/** From a dataset and its splits to a model on disk: what the training stages have in common. */
import { join } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../compute/mod.ts";
import type { Backend } from "../compute/resolve.ts";
import type { Preprocessing } from "../faces/preprocessing.ts";
import { NpyFile, readNpy } from "../formats/npy.ts";
import { readParquet } from "../formats/parquet.ts";
import type { EarlyStoppingOptions } from "./earlyStopping.ts";
import { EngineTrainer } from "./engineTrainer.ts";
import { UnsupportedNetwork } from "../engine/engine.ts";
import { checkExports, writeExports } from "./exports.ts";
import { saveModel } from "./model.ts";
import { classification, regression } from "./objective.ts";
import type { ExportFormat } from "./params.ts";
import { type TrainingRecord, writeRecord } from "./record.ts";
import { type ClassRecord, targetOf } from "./targets.ts";
import { TfjsTrainer } from "./tfjsTrainer.ts";
import { train, type TrainOptions } from "./train.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

/** What is trained. */
export interface Fit {
  task: TrainingRecord["task"];
  variant: TrainingRecord["variant"];
  /** null for a number of years. */
  classes: readonly ClassRecord[] | null;
  /** Builds the network with its initial weights, for images of `size`. */
  build(size: number): LayersModel;
  params: {
    batchSize: number;
    epochs: number;
    learningRate: number;
    earlyStopping: EarlyStoppingOptions;
    batchNormMomentum: number;
    export: readonly ExportFormat[];
  };
}

/** Folders of the artifacts that a training reads, and of the one that it writes. */
export interface FitFolders {
  dataset: string;
  splits: string;
  model: string;
}

/** The part of a stage's context that a training needs. */
export interface FitContext {
  scratch: string;
  seed: number;
  compute: string;
  signal: AbortSignal;
  progress: TrainOptions["progress"];
  info(message: string): void;
  warn(message: string): void;
}

/**
 * Trains a network and writes a `model` artifact.
 * @returns what differs from one training to the next
 */
export async function fit(
  task: Fit,
  folders: FitFolders,
  context: FitContext,
): Promise<{ observed: { secondsPerEpoch: number[] } }> {
  const { params } = task;
  // Only passed on: what would check it knows the detectors, on which no training depends.
  const preprocessing: Preprocessing = JSON.parse(
    await Deno.readTextFile(join(folders.dataset, "preprocessing.json")),
  );
  const people = await readParquet(join(folders.dataset, "table.parquet"), {
    age: "int32",
    gender: "int32",
    dataset: "string",
  });
  const rows = {
    train: readNpy(join(folders.splits, "train.npy"), "int32").data,
    validation: readNpy(join(folders.splits, "validation.npy"), "int32").data,
  };
  using images = new NpyFile(join(folders.dataset, "images.npy"), "uint8");
  const targets = people.age.map((age, i) => targetOf(task, { age, gender: people.gender[i] }));
  const cold = coldValidation(params, rows.train.length);
  if (cold !== undefined) context.warn(cold);

  await openBackend(context.compute as Backend);
  const size = images.shape[1];
  const model = task.build(size);
  const objective = task.classes === null ? regression() : classification(task.classes.length);
  try {
    checkExports(model, params.export);
    const result = await train({
      model,
      objective,
      images,
      targets,
      rows,
      ...params,
      seed: context.seed,
      trainer: context.compute === "wasm" ? (options) => openTrainer(options, context) : undefined,
      checkpoint: join(context.scratch, "checkpoint.safetensors"),
      signal: context.signal,
      progress: context.progress,
    });
    await saveModel(model, folders.model);
    const record: TrainingRecord = {
      task: task.task,
      variant: task.variant,
      loss: objective.loss,
      metric: objective.metric,
      classes: task.classes === null ? null : [...task.classes],
      input: { size, channels: "RGB", divisor: 255 },
      preprocessing,
      params,
      seed: context.seed,
      backend: context.compute,
      counts: { train: rows.train.length, validation: rows.validation.length },
      datasets: countBy(Array.from(rows.train, (row) => people.dataset[row])),
      weights: model.countParams(),
      epochs: result.history.length,
      stoppedEarly: result.stoppedEarly,
      bestEpoch: result.bestEpoch,
      weightsOfEpoch: result.weightsOfEpoch,
    };
    await writeRecord(folders.model, record, result.history);
    await writeExports(model, folders.model, record, params.export);
    const last = result.history[result.weightsOfEpoch - 1];
    context.info(
      `${result.stoppedEarly ? "stopped early after" : "trained for"} ${result.history.length} ` +
        `epochs; weights of epoch ${last.epoch}: val_loss ${last.val_loss.toPrecision(3)}, ` +
        `val_${objective.metric} ${last.val_metric.toPrecision(3)}`,
    );
    return { observed: { secondsPerEpoch: result.seconds } };
  } finally {
    model.dispose();
  }
}

/** The project's own engine where it knows the network's layers, else TensorFlow.js. */
async function openTrainer(options: TrainerOptions, context: FitContext): Promise<Trainer> {
  try {
    return await EngineTrainer.open(options);
  } catch (error) {
    if (!(error instanceof UnsupportedNetwork)) throw error;
    context.info(`${error.message}; it trains on TensorFlow.js, several times slower`);
    return new TfjsTrainer(options);
  }
}

/** How often each name occurs, by name. */
function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/**
 * Whether early stopping may end the training before the moving averages of batch normalisation
 * have left where they began: until then, validation says nothing. Then, a warning.
 */
export function coldValidation(
  params: Omit<Fit["params"], "export">,
  trainingImages: number,
): string | undefined {
  const { batchSize, epochs, batchNormMomentum, earlyStopping: { patience, monitor } } = params;
  if (!monitor.startsWith("val_") || patience >= epochs) return undefined;
  const steps = Math.ceil(trainingImages / batchSize);
  if (batchNormMomentum ** (steps * patience) < 0.1) return undefined;
  const needed = Math.ceil(Math.log(0.1) / Math.log(batchNormMomentum));
  return `batch normalisation with batchNormMomentum ${batchNormMomentum} needs some ${needed} ` +
    `steps before validation means anything, but an epoch has ${steps} and early stopping waits ` +
    `for ${patience}: lower batchNormMomentum (0.9) or batchSize (now ${batchSize}), or raise ` +
    `earlyStopping.patience.`;
}
