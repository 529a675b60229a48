/** The training loop. */
import * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import { random, type Rng } from "../compute/random.ts";
import { Adam, average } from "./adam.ts";
import type { BatchStatistics } from "./batchNorm.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import {
  EarlyStopping,
  type EarlyStoppingOptions,
  type EarlyStoppingState,
} from "./earlyStopping.ts";
import { forward } from "./forward.ts";
import { type ImageSource, readBatch } from "./images.ts";
import type { Objective } from "./objective.ts";
import type { EpochRecord } from "./record.ts";

export interface TrainOptions {
  /** Has the initial weights, and in the end the trained ones. */
  model: LayersModel;
  objective: Objective;
  images: ImageSource;
  /** Class or quantity of each image. */
  targets: ArrayLike<number>;
  /** Images to learn from, and images to look at after each epoch. */
  rows: { train: Int32Array; validation: Int32Array };
  batchSize: number;
  epochs: number;
  learningRate: number;
  earlyStopping: EarlyStoppingOptions;
  /** Where shuffles and dropout masks stem from. */
  seed: number;
  /** Path of the checkpoint: written after each epoch, and where a training goes on if it is there. */
  checkpoint: string;
  signal: AbortSignal;
  progress: {
    start(total: number, unit: string, done?: number): void;
    advance(items?: number, note?: string): void;
  };
}

export interface TrainingResult {
  history: EpochRecord[];
  bestEpoch: number;
  stoppedEarly: boolean;
  /** The epoch whose weights the model has. */
  weightsOfEpoch: number;
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
  const { batchSize, epochs, learningRate, earlyStopping } = options;
  if (rows.train.length === 0 || rows.validation.length === 0) {
    throw new Error(
      `Cannot train on ${rows.train.length} images and validate on ${rows.validation.length}: ` +
        `both need at least one. Split differently, or get more data.`,
    );
  }
  const stopper = new EarlyStopping(earlyStopping, objective.higherIsBetter);
  const trainer = new Trainer(model, objective, learningRate);
  const history: EpochRecord[] = [];
  let best: Float32Array[] = [];
  try {
    const saved = await readCheckpoint<State>(options.checkpoint);
    if (saved !== undefined) {
      history.push(...saved.state.history);
      stopper.state = saved.state.stopper;
      best = trainer.restore(saved.arrays, saved.state.steps);
    }

    const stepsPerEpoch = Math.ceil(rows.train.length / batchSize);
    progress.start(epochs * stepsPerEpoch, "steps", history.length * stepsPerEpoch);
    for (let epoch = history.length + 1; epoch <= epochs && !stopper.state.stopped; epoch++) {
      const order = rows.train.slice();
      random(seed, "shuffle", epoch).shuffle(order);
      const mean = new Mean();
      for (let step = 0; step < stepsPerEpoch; step++) {
        const batch = order.subarray(step * batchSize, (step + 1) * batchSize);
        const result = trainer.step(
          readBatch(images, batch),
          pick(targets, batch),
          (layer) => random(seed, "dropout", epoch, step, layer),
        );
        if (!Number.isFinite(result.loss)) throw diverged(result.loss, epoch, step, options);
        mean.add(result, batch.length);
        if (step < stepsPerEpoch - 1) progress.advance();
        await turn(signal);
      }

      const validation = await trainer.validate(images, targets, rows.validation, signal);
      if (!Number.isFinite(validation.loss)) {
        throw diverged(validation.loss, epoch, stepsPerEpoch - 1, options);
      }
      history.push({
        epoch,
        loss: mean.loss,
        metric: mean.metric,
        val_loss: validation.loss,
        val_metric: validation.metric,
      });
      if (stopper.update(history.at(-1)!)) best = trainer.weights();
      await writeCheckpoint<State>(options.checkpoint, {
        state: { history, stopper: stopper.state, steps: trainer.optimizer.steps },
        arrays: trainer.save(best),
      });
      progress.advance(1, note(history.at(-1)!, epochs));
    }

    const { restoreBest } = earlyStopping;
    if (restoreBest) trainer.setWeights(best);
    return {
      history,
      bestEpoch: stopper.state.bestEpoch,
      stoppedEarly: stopper.state.stopped,
      weightsOfEpoch: restoreBest ? stopper.state.bestEpoch : history.length,
    };
  } finally {
    trainer.optimizer.dispose();
  }
}

/** What a checkpoint remembers beside weights. */
interface State {
  history: EpochRecord[];
  stopper: EarlyStoppingState;
  /** Steps that the optimiser took. */
  steps: number;
}

interface BatchResult {
  loss: number;
  /** Mean over the batch. */
  metric: number;
}

/** A network, its optimiser, and what they do with one batch. */
class Trainer {
  readonly optimizer: Adam;
  readonly #model: LayersModel;
  readonly #objective: Objective;
  readonly #variables: tf.Variable[];

  constructor(model: LayersModel, objective: Objective, learningRate: number) {
    this.#model = model;
    this.#objective = objective;
    this.#variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    this.optimizer = new Adam(this.#variables, learningRate);
  }

  /** Moves the weights by one step down the loss of a batch, whose images it disposes of. */
  step(
    x: tf.Tensor, // [batch, height, width, 3]
    targets: number[],
    random: (layer: string) => Rng,
  ): BatchResult {
    const statistics: [layers.Layer, BatchStatistics][] = [];
    return tf.tidy(() => {
      let metric = 0;
      const { value, grads } = tf.variableGrads(() => {
        const output = forward(this.#model, x, {
          random,
          report: (layer, batch) => statistics.push([layer, batch]),
        });
        metric = this.#objective.metricSum(output, targets) / targets.length;
        return tf.add(this.#objective.lossOf(output, targets), this.#penalty()) as tf.Scalar;
      }, this.#variables);
      this.optimizer.step(this.#variables.map(({ name }) => grads[name]));
      for (const [layer, { mean, variance }] of statistics) {
        const momentum = layer.getConfig().momentum as number;
        const [movingMean, movingVariance] = layer.nonTrainableWeights;
        movingMean.write(average(movingMean.read(), mean, momentum));
        movingVariance.write(average(movingVariance.read(), variance, momentum));
        tf.dispose([mean, variance]);
      }
      x.dispose();
      return { loss: value.dataSync()[0], metric };
    });
  }

  /** Mean loss and metric over images, with the moving averages and without dropout. */
  async validate(
    images: ImageSource,
    targets: ArrayLike<number>,
    rows: Int32Array,
    signal: AbortSignal,
  ): Promise<BatchResult> {
    const mean = new Mean();
    for (let start = 0; start < rows.length; start += VALIDATION_BATCH) {
      const batch = rows.subarray(start, start + VALIDATION_BATCH);
      const truth = pick(targets, batch);
      const result = tf.tidy(() => {
        const output = forward(this.#model, readBatch(images, batch));
        return {
          loss: this.#objective.lossOf(output, truth).dataSync()[0],
          metric: this.#objective.metricSum(output, truth) / truth.length,
        };
      });
      mean.add(result, batch.length);
      await turn(signal);
    }
    const penalty = tf.tidy(() => this.#penalty().dataSync()[0]);
    return { loss: mean.loss + penalty, metric: mean.metric };
  }

  weights(): Float32Array[] {
    // Of a wasm tensor, dataSync is a copy already; of one on the cpu backend it is the data.
    return this.#model.getWeights().map((weight) => Float32Array.from(weight.dataSync()));
  }

  setWeights(weights: readonly Float32Array[]): void {
    tf.tidy(() =>
      this.#model.setWeights(
        this.#model.weights.map(({ shape }, i) => tf.tensor(weights[i], shape as number[])),
      )
    );
  }

  /** All arrays of a checkpoint. */
  save(best: readonly Float32Array[]): Record<string, Float32Array> {
    const arrays: Record<string, Float32Array> = {};
    const weights = this.weights();
    for (const [i, { originalName }] of this.#model.weights.entries()) {
      arrays[`weights/${originalName}`] = weights[i];
      arrays[`best/${originalName}`] = best[i];
    }
    for (const [i, { originalName }] of this.#model.trainableWeights.entries()) {
      arrays[`adam/mean/${originalName}`] = this.optimizer.means[i].dataSync() as Float32Array;
      arrays[`adam/square/${originalName}`] = this.optimizer.squares[i].dataSync() as Float32Array;
    }
    return arrays;
  }

  /** Puts back what `save` gave; returns the best weights. */
  restore(arrays: Record<string, Float32Array>, steps: number): Float32Array[] {
    const all = (part: string, of: { originalName: string }[]) =>
      of.map(({ originalName }) => arrays[`${part}/${originalName}`]);
    const { weights, trainableWeights } = this.#model;
    this.setWeights(all("weights", weights));
    this.optimizer.restore(
      steps,
      all("adam/mean", trainableWeights),
      all("adam/square", trainableWeights),
    );
    return all("best", weights);
  }

  /** The L2 penalties of all layers. */
  #penalty(): tf.Scalar {
    return this.#model.calculateLosses().reduce<tf.Scalar>(
      (sum, loss) => tf.add(sum, loss),
      tf.scalar(0),
    );
  }
}

/** Images that are validated at once; the result does not depend on it but for rounding. */
const VALIDATION_BATCH = 256;

/** Means over batches, each counted by its size. */
class Mean {
  #count = 0;
  #loss = 0;
  #metric = 0;

  add({ loss, metric }: BatchResult, count: number): void {
    this.#count += count;
    this.#loss += loss * count;
    this.#metric += metric * count;
  }

  get loss(): number {
    return this.#loss / this.#count;
  }

  get metric(): number {
    return this.#metric / this.#count;
  }
}

function pick(values: ArrayLike<number>, rows: Int32Array): number[] {
  return Array.from(rows, (row) => values[row]);
}

/** Lets the event loop turn, so that Ctrl-C is heard. */
async function turn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  signal.throwIfAborted();
}

function note({ epoch, loss, val_loss }: EpochRecord, epochs: number): string {
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
