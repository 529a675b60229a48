/** The trainer of a stage, and the log of its epochs. */
import { join } from "node:path";
import { UnsupportedNetwork } from "../../packages/engine/engine.ts";
import { EngineTrainer } from "./engine_trainer.ts";
import { TfjsTrainer } from "./tfjs_trainer.ts";
import { epochLine, type TrainOptions } from "./train.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";
import { artifactsOf, type TrainingContext } from "./training_data.ts";
import { curvesWriter, type FullEpoch } from "./training_record.ts";

/**
 * Opens the trainer for a backend: the engine on `wasm` if it supports the network, else
 * TensorFlow.js. Logs the choice and, for a stage's own model, the TensorBoard command.
 */
export async function openTrainer(
  options: TrainerOptions,
  context: TrainingContext,
): Promise<Trainer> {
  const trainer = context.compute === "wasm"
    ? await EngineTrainer.open(options).catch((error) => {
      if (error instanceof UnsupportedNetwork) return new TfjsTrainer(options, error.message);
      throw error;
    })
    : new TfjsTrainer(options, "the engine needs compute: wasm");
  // The folder of all artifacts contains the curves of this attempt, and later those of the model.
  const logs = artifactsOf(context);
  context.info(
    `training on ${trainer.computedBy}` +
      (logs === "" ? "" : `; learning curves: tensorboard --logdir "${logs}"`),
  );
  return trainer;
}

/**
 * Returns a callback that logs each epoch and appends it to the curves in `scratch`.
 * @param outputs names of the outputs and their metrics, in the order of the heads
 */
export function follow(
  { scratch, info }: TrainingContext,
  epochs: number,
  outputs: readonly { output: string; metric: string }[],
): TrainOptions["onEpoch"] {
  const curves = outputs.map(({ output, metric }) => curvesWriter(join(scratch, output), metric));
  const metrics = outputs.map(({ output, metric }) =>
    outputs.length > 1 ? `${output}_${metric}` : metric
  );
  return async (history, best) => {
    for (const [i, curve] of curves.entries()) await curve(headHistory(history, i));
    info(epochLine(history.at(-1)!, { epochs, metrics, best }));
  };
}

/** Returns the records of one head, or of a network without several, epoch by epoch. */
export function headHistory(history: readonly FullEpoch[], head: number): FullEpoch[] {
  return history.map(({ heads, ...whole }) => ({ ...whole, ...heads?.[head] }));
}
