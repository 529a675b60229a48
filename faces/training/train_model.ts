/** From a dataset and its splits to a model on disk, of one network for one task. */
import { join } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import type { EarlyStoppingOptions } from "./early_stopping.ts";
import { checkExports } from "./export_model.ts";
import {
  chooseTrainer,
  compareWithConstant,
  type FitObserved,
  follow,
  type InputFolders,
  openTrainingData,
  type TrainingContext,
} from "./training_data.ts";
import { classification, regression, type SingleObjective } from "./objective.ts";
import type { ExportFormat } from "./training_params.ts";
import type { TrainingRecord } from "./training_record.ts";
import { saveTrained } from "./save_model.ts";
import { type ClassRecord, targetOf } from "./targets.ts";
import { train } from "./train.ts";
import { counted } from "../../packages/pipeline/causes.ts";

/** What is trained. */
export interface ModelTraining {
  task: TrainingRecord["task"];
  variant: TrainingRecord["variant"];
  /** null for a number of years. */
  classes: readonly ClassRecord[] | null;
  /** Builds the network with its initial weights, for images of `size`. */
  build(size: number): LayersModel;
  /** In place of classification() or regression(): one with a loss of its own, for one. */
  objective?: SingleObjective & { readonly metric: TrainingRecord["metric"] };
  params: {
    batchSize: number;
    epochs: number;
    learningRate: number;
    earlyStopping: EarlyStoppingOptions;
    batchNormMomentum: number;
    export: readonly ExportFormat[];
  };
}

/**
 * Trains a network and writes a `model` artifact.
 * @returns what differs from one training to the next
 */
export async function trainModel(
  task: ModelTraining,
  folders: InputFolders & { model: string },
  context: TrainingContext,
): Promise<{ observed: FitObserved }> {
  const { params } = task;
  using inputs = await openTrainingData(folders);
  const { images, size, people, rows } = inputs;
  const targets = people.map((person) => targetOf(task, person));
  const cold = batchNormWarmupWarning(params, rows.train.length);
  if (cold !== undefined) context.warn(cold);

  await openBackend(context.compute as Backend);
  const model = task.build(size);
  const objective = task.objective ??
    (task.classes === null ? regression() : classification(task.classes.length));
  const { metric } = objective;
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
      trainer: chooseTrainer(context),
      checkpoint: join(context.scratch, "checkpoint.safetensors"),
      onEpoch: follow(context, params.epochs, {
        model: { metric, of: (history) => [...history] },
      }),
      signal: context.signal,
      info: (message) => context.info(message),
      progress: context.progress,
    });
    const last = result.history[result.weightsOfEpoch - 1];
    const about = { task: task.task, metric, learningRate: params.learningRate };
    const compared = compareWithConstant(about, last, targets, rows, context);
    const learnt = {
      ...{ task: task.task, variant: task.variant, params, compared },
      ...{ loss: objective.loss, metric },
      classes: task.classes === null ? null : [...task.classes],
    };
    await saveTrained(model, folders.model, learnt, result, result.history, inputs, context);
    context.info(
      `${result.stoppedEarly ? "stopped early after" : "trained for"} ${
        counted(result.history.length, "epoch")
      }; weights of epoch ${last.epoch}: val_loss ${last.val_loss.toPrecision(3)}, ` +
        `val_${metric} ${last.val_metric.toPrecision(3)}`,
    );
    const { seconds: secondsPerEpoch, computedBy } = result;
    return { observed: { secondsPerEpoch, computedBy, validation: { [task.task]: compared } } };
  } finally {
    model.dispose();
  }
}

/**
 * Whether early stopping may end the training before the moving averages of batch normalisation
 * have left where they began: until then, validation says nothing. Then, a warning.
 */
export function batchNormWarmupWarning(
  params: Omit<ModelTraining["params"], "export">,
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
