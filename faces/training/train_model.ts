/** Training of one network for one task, from dataset and splits to a stored model. */
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

/** Network, task and parameters of a training. */
export interface ModelTraining {
  task: TrainingRecord["task"];
  variant: TrainingRecord["variant"];
  /** null for age in years. */
  classes: readonly ClassRecord[] | null;
  /** Builds the network with its initial weights, for images of `size`. */
  build(size: number): LayersModel;
  /** A custom objective. Default: classification() or regression(). */
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
 * @returns observations that are not reproducible, such as durations
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
  const warning = batchNormWarmupWarning(params, rows.train.length);
  if (warning !== undefined) context.warn(warning);

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
    const head = { task: task.task, metric, learningRate: params.learningRate };
    const compared = compareWithConstant(head, last, targets, rows, context);
    const spec = {
      ...{ task: task.task, variant: task.variant, params, compared },
      ...{ loss: objective.loss, metric },
      classes: task.classes === null ? null : [...task.classes],
    };
    await saveTrained(model, folders.model, spec, result, result.history, inputs, context);
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
 * Returns a warning if early stopping may end training before the moving averages of batch
 * normalization have converged. Until then, validation metrics are meaningless.
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
  return `batch normalization with batchNormMomentum ${batchNormMomentum} needs about ${needed} ` +
    `steps before validation metrics are meaningful. An epoch has ${steps} steps, and ` +
    `earlyStopping.patience is ${patience}. Lower batchNormMomentum (0.9) or batchSize (now ` +
    `${batchSize}), or raise earlyStopping.patience.`;
}
