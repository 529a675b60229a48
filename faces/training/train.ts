/** The training loop. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { random, type Rng } from "../../packages/random/random.ts";
import { ensureInitialised } from "./initialize.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import {
  EarlyStopping,
  type EarlyStoppingOptions,
  type EarlyStoppingState,
} from "./early_stopping.ts";
import { checkTrainable } from "./forward.ts";
import { type ImageSource, readBytes } from "./image_source.ts";
import type { Objective } from "./objective.ts";
import type { JointEpoch } from "./training_record.ts";
import { TfjsTrainer } from "./tfjs_trainer.ts";
import {
  type BatchResult,
  gatherTargets,
  RunningMean,
  type Trainer,
  type TrainerOptions,
} from "./trainer.ts";
import { counted } from "../../packages/pipeline/causes.ts";

export interface TrainOptions {
  /**
   * Has the initial weights, and in the end the trained ones. Unless initialise() drew them or
   * keepWeights() declares that they are trained, they are drawn from the seed.
   */
  model: LayersModel;
  objective: Objective;
  images: ImageSource;
  /** Class or quantity of each image; with several heads, that of each head, image by image. */
  targets: ArrayLike<number>;
  /** Images to learn from, and images to look at after each epoch. */
  rows: { train: Int32Array; validation: Int32Array };
  batchSize: number;
  epochs: number;
  learningRate: number;
  /** What the learning rate is multiplied by at a step, counted from 0, of so many; 1 unless given. */
  schedule?: (step: number, steps: number) => number;
  /** See TrainerOptions. */
  weightDecay?: number;
  /** Changes a batch's images, [batch, height, width, 3], in place, before they are learnt from. */
  augment?: (images: Uint8Array, rng: Rng) => void;
  earlyStopping: EarlyStoppingOptions;
  /** Where shuffles and dropout masks stem from. */
  seed: number;
  /** Path of the checkpoint: written after each epoch, and where a training goes on if it is there. */
  checkpoint: string;
  /** What computes the steps: TensorFlow.js on the open backend, unless given. */
  trainer?: (options: TrainerOptions) => Promise<Trainer>;
  /**
   * Called after each epoch, when its checkpoint is written.
   * @param best whether the epoch is the best so far of what early stopping watches
   */
  onEpoch?: (history: readonly JointEpoch[], best: boolean) => Promise<void>;
  signal: AbortSignal;
  /** Told that a damaged checkpoint was removed. */
  info?(message: string): void;
  progress: {
    start(total: number, unit: string, done?: number): void;
    advance(items?: number, note?: string): void;
  };
}

export interface TrainingResult {
  history: JointEpoch[];
  bestEpoch: number;
  stoppedEarly: boolean;
  /** The epoch whose weights the model has. */
  weightsOfEpoch: number;
  /** How long each epoch took, its validation included. Differs from one training to the next. */
  seconds: number[];
  /** What computed the steps and the loss; see Trainer. */
  computedBy: string;
}

/**
 * Trains a network: for each epoch, shuffles, steps through the batches, validates, writes a
 * checkpoint, and stops early if nothing got better for long enough.
 *
 * The result depends on the options and the backend alone. A training that was interrupted goes on
 * from its checkpoint and ends where it would have ended.
 * @throws if the loss is no number any more, saying what to change
 */
export async function train(options: TrainOptions): Promise<TrainingResult> {
  const { model, objective, images, targets, rows, seed, signal, progress } = options;
  const { batchSize, epochs, learningRate, schedule, weightDecay, earlyStopping } = options;
  if (rows.train.length === 0 || rows.validation.length === 0) {
    throw new Error(
      `Cannot train on ${
        counted(rows.train.length, "image")
      } and validate on ${rows.validation.length}: ` +
        `both need at least one. Split differently, or get more data.`,
    );
  }
  const outputs = model.outputs[0].shape.at(-1);
  checkTrainable(model);
  if (outputs !== objective.outputs) {
    throw new Error(
      `Cannot train "${model.name}": it gives ${outputs} numbers an image, and its loss ` +
        `"${objective.loss}" takes ${objective.outputs}.`,
    );
  }
  ensureInitialised(model, seed);
  const stopper = new EarlyStopping(earlyStopping, objective.higherIsBetter);
  const open = options.trainer ?? ((options) => Promise.resolve(new TfjsTrainer(options)));
  const trainer = await open({ model, objective, learningRate, weightDecay, batchSize });
  const history: JointEpoch[] = [];
  const seconds: number[] = [];
  let best: Float32Array[] = [];
  try {
    const saved = await readCheckpoint<State>(options.checkpoint, options.info);
    if (saved !== undefined) {
      history.push(...saved.state.history);
      seconds.push(...saved.state.seconds);
      stopper.state = saved.state.stopper;
      best = trainer.restore(saved.arrays, saved.state.steps);
    }

    const stepsPerEpoch = Math.ceil(rows.train.length / batchSize);
    progress.start(epochs * stepsPerEpoch, "steps", history.length * stepsPerEpoch);
    for (let epoch = history.length + 1; epoch <= epochs && !stopper.state.stopped; epoch++) {
      const began = performance.now();
      const order = rows.train.slice();
      random(seed, "shuffle", epoch).shuffle(order);
      const mean = new RunningMean();
      const prepare = (step: number) => {
        const batch = order.subarray(step * batchSize, (step + 1) * batchSize);
        const bytes = readBytes(images, batch);
        options.augment?.(bytes, random(seed, "augment", epoch, step));
        const truth = gatherTargets(targets, batch, objective.targets);
        return { images: bytes, targets: truth, rows: batch.length };
      };
      let next = prepare(0);
      for (let step = 0; step < stepsPerEpoch; step++) {
        const batch = next;
        if (schedule !== undefined) {
          const factor = schedule((epoch - 1) * stepsPerEpoch + step, epochs * stepsPerEpoch);
          trainer.learningRate = learningRate * factor;
        }
        const running = trainer.step(
          batch.images,
          batch.targets,
          (layer) => random(seed, "dropout", epoch, step, layer),
        );
        // The next batch is read and augmented while this one is computed.
        if (step < stepsPerEpoch - 1) next = prepare(step + 1);
        const result = await running;
        if (!Number.isFinite(result.loss)) throw diverged(result.loss, epoch, step, options);
        mean.add(result, batch.rows);
        if (step < stepsPerEpoch - 1) progress.advance();
        signal.throwIfAborted();
      }

      const validation = await trainer.validate(images, targets, rows.validation, signal);
      if (!Number.isFinite(validation.loss)) {
        throw diverged(validation.loss, epoch, stepsPerEpoch - 1, options);
      }
      const scores = recordOf(mean.result, validation);
      history.push({ epoch, ...scores, learning_rate: trainer.learningRate });
      const better = stopper.update(history.at(-1)!);
      if (better) best = await trainer.weights();
      seconds.push(Math.round(performance.now() - began) / 1000);
      await writeCheckpoint<State>(options.checkpoint, {
        state: { history, seconds, stopper: stopper.state, steps: trainer.steps },
        arrays: await trainer.save(best),
      });
      await options.onEpoch?.(history, better);
      progress.advance(1, note(history.at(-1)!, epochs));
    }

    const { restoreBest } = earlyStopping;
    if (restoreBest) trainer.setWeights(best);
    trainer.handBack();
    return {
      history,
      bestEpoch: stopper.state.bestEpoch,
      stoppedEarly: stopper.state.stopped,
      weightsOfEpoch: restoreBest ? stopper.state.bestEpoch : history.length,
      seconds,
      computedBy: trainer.computedBy,
    };
  } finally {
    await trainer.close();
  }
}

/** What a checkpoint remembers beside weights. */
interface State {
  history: JointEpoch[];
  seconds: number[];
  stopper: EarlyStoppingState;
  /** Steps that the optimiser took. */
  steps: number;
}

function recordOf(
  train: BatchResult,
  validation: BatchResult,
): Omit<JointEpoch, "epoch" | "learning_rate"> {
  const heads = train.heads?.map((head, h) => recordOf(head, validation.heads![h]));
  return {
    ...{ loss: train.loss, metric: train.metric },
    ...{ val_loss: validation.loss, val_metric: validation.metric },
    ...(heads ? { heads } : {}),
  };
}

/** One line about an epoch; `metrics` names the metric, or that of each head. */
export function epochLine(
  { epoch, learning_rate, heads, ...whole }: JointEpoch,
  { epochs, metrics, best }: { epochs: number; metrics: readonly string[]; best: boolean },
): string {
  const parts = metrics.map((name, i) => ({ name, ...(heads?.[i] ?? whole) }));
  return [
    `epoch ${epoch}/${epochs}`,
    `loss ${short(whole.loss)}`,
    ...parts.map(({ name, metric }) => `${name} ${short(metric)}`),
    `val_loss ${short(whole.val_loss)}`,
    ...parts.map(({ name, val_metric }) => `val_${name} ${short(val_metric)}`),
    `learning_rate ${Number(learning_rate!.toPrecision(3))}`,
    ...(best ? ["best"] : []),
  ].join(" ");
}

function note({ epoch, loss, val_loss }: JointEpoch, epochs: number): string {
  return `epoch ${epoch}/${epochs} loss ${short(loss)} val_loss ${short(val_loss)}`;
}

function short(loss: number): string {
  return loss.toPrecision(3);
}

function diverged(loss: number, epoch: number, step: number, options: TrainOptions): Error {
  return new Error(
    `Cannot go on training "${options.model.name}": the loss is ${loss} in epoch ${epoch}, step ` +
      `${step + 1}. The steps are too large: lower learningRate (now ${options.learningRate}), ` +
      `or raise batchSize (now ${options.batchSize}).`,
  );
}
