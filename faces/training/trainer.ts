/** The interface between the training loop and the implementations of its steps. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Rng } from "../../packages/random/random.ts";
import { type ImageSource, readBytes } from "./image_source.ts";
import type { ChosenOptimizer } from "./optimizer.ts";
import type { Objective, Score } from "./objective.ts";
import type { Head } from "./training_definitions.ts";

export interface TrainerOptions {
  /** Network with its initial weights. */
  model: LayersModel;
  objective: Objective;
  learningRate: number;
  /** Decoupled weight decay, applied to kernels only. Default: 0. */
  weightDecay?: number;
  /** Default: Adam. */
  optimizer?: ChosenOptimizer;
  /**
   * Decay of an exponential moving average of all weights, lower in the first steps, as in
   * tf.train.ExponentialMovingAverage. Polyak and Juditsky, "Acceleration of stochastic approximation
   * by averaging" (1992). Default: none.
   */
  averaging?: number;
  /** Maximum number of images per step. */
  batchSize: number;
}

/** Mean loss and metric over images. The loss includes L2 penalties. */
export interface BatchResult extends Score {
  /** Mean loss and metric of each head of several, without penalties. */
  heads?: readonly Score[];
}

/** Number of an optimizer's steps, and the learning rate of the next one. */
interface Stepper {
  readonly steps: number;
  learningRate: number;
}

/** A network with its optimizer, which is `S` or part of it. */
export abstract class Trainer<S extends Stepper = Stepper> {
  protected readonly model: LayersModel;
  protected readonly objective: Objective;
  protected readonly averaging?: number;

  constructor(
    options: TrainerOptions,
    readonly stepper: S,
    private readonly validationBatch: number,
  ) {
    ({ model: this.model, objective: this.objective, averaging: this.averaging } = options);
  }

  /** Implementation that computes the steps and the loss, such as `engine, 2 threads`. */
  abstract readonly computedBy: string;

  /**
   * Takes one optimizer step on a batch.
   * @param images bytes, [batch, height, width, 3]
   * @param random returns the random numbers of a layer in this step
   */
  abstract step(
    images: Uint8Array,
    targets: number[],
    random: (layer: string) => Rng,
  ): Promise<BatchResult>;
  /** Computes loss and metric of a batch in inference mode: moving averages, no dropout. */
  protected abstract evaluate(images: Uint8Array, targets: number[]): Promise<BatchResult>;
  /** Computes the penalties that the losses of `evaluate` lack. */
  protected penalty(): Promise<number> {
    return Promise.resolve(0);
  }
  /** Returns all weights, in the model's order. */
  abstract weights(): Promise<Float32Array[]>;
  /** Returns and sets the moving averages of all weights, which each step updates. */
  protected abstract averages(): Float32Array[];
  abstract setAverages(values: readonly Float32Array[]): void;
  /** Returns the optimizer's state: arrays of each trainable weight, by name of the state. */
  protected abstract optimizerState(): Promise<Record<string, Float32Array[]>>;
  protected abstract setOptimizerState(
    steps: number,
    state: (name: string) => Float32Array[],
  ): void;
  /** Copies the current weights into the model, where these are elsewhere. */
  copyWeightsToModel(): void {}
  abstract close(): Promise<void>;

  /** Returns the mean of batches to come. */
  mean(): RunningMean {
    return new RunningMean(this.objective.plain ? [] : this.objective.heads);
  }

  /** Computes loss and metric of images in inference mode. */
  async validate(
    images: ImageSource,
    targets: ArrayLike<number>,
    rows: Int32Array,
    signal: AbortSignal,
  ): Promise<BatchResult> {
    const mean = this.mean(), size = this.validationBatch;
    const read = (start: number) => {
      const batch = rows.subarray(start, start + size);
      const truth = gatherTargets(targets, batch, this.objective.targets);
      return { images: readBytes(images, batch), targets: truth, count: batch.length };
    };
    let next = read(0);
    for (let start = 0; start < rows.length; start += size) {
      const { images, targets, count } = next, running = this.evaluate(images, targets);
      // Reads the next batch during the computation of this one.
      if (start + size < rows.length) next = read(start + size);
      mean.add(await running, count);
      signal.throwIfAborted();
    }
    const { loss, ...scores } = mean.result;
    return { ...scores, loss: loss + await this.penalty() };
  }

  /** Replaces the weights by their moving averages; returns the weights. */
  async useAverages(): Promise<Float32Array[]> {
    const weights = (await this.weights()).map((array) => array.slice());
    this.setWeights(this.averages());
    return weights;
  }

  /** Returns the arrays of a checkpoint: weights, `best`, the optimizer's state, and averages. */
  async save(best: readonly Float32Array[]): Promise<Record<string, Float32Array>> {
    const arrays: Record<string, Float32Array> = {};
    const weights = await this.weights(), state = Object.entries(await this.optimizerState());
    for (const [i, { originalName }] of this.model.weights.entries()) {
      arrays[`weights/${originalName}`] = weights[i];
      arrays[`best/${originalName}`] = best[i];
    }
    for (const [i, { originalName }] of this.model.trainableWeights.entries()) {
      for (const [name, values] of state) arrays[`${name}/${originalName}`] = values[i];
    }
    const averages = this.averaging === undefined ? [] : this.averages();
    for (const [i, values] of averages.entries()) {
      arrays[`average/${this.model.weights[i].originalName}`] = values;
    }
    return arrays;
  }

  /** Restores the arrays of `save`; returns the best weights. */
  restore(arrays: Record<string, Float32Array>, steps: number): Float32Array[] {
    const all = (part: string, of: readonly { originalName: string }[]) =>
      of.map(({ originalName }) => arrays[`${part}/${originalName}`]);
    const { weights, trainableWeights } = this.model;
    this.setWeights(all("weights", weights));
    this.setOptimizerState(steps, (name) => all(name, trainableWeights));
    if (this.averaging !== undefined) this.setAverages(all("average", weights));
    return all("best", weights);
  }

  /** Replaces all weights, by default those of the model. */
  setWeights(weights: readonly Float32Array[]): void {
    tf.tidy(() =>
      this.model.setWeights(
        this.model.weights.map(({ shape }, i) => tf.tensor(weights[i], shape as number[])),
      )
    );
  }
}

/** Running mean over batches, weighted by their size. */
export class RunningMean {
  #count = 0;
  #known = 0;
  #loss = 0;
  #metric = 0;
  /** Means of each head against its labels, and sums of its losses, whole and of its teacher. */
  #heads: { mean: RunningMean; sum: number; taught: number; weight: number }[];

  constructor(heads: readonly Pick<Head, "weight">[] = []) {
    const sums = { sum: 0, taught: 0 };
    this.#heads = heads.map(({ weight }) => ({ mean: new RunningMean(), ...sums, weight }));
  }

  /** @param known images that count for the metric. Default: as many as for the loss */
  add({ loss, metric, heads = [] }: BatchResult, count: number, known = count): void {
    if (count === 0) return;
    this.#count += count;
    this.#known += known;
    this.#loss += loss * count;
    this.#metric += metric * known;
    for (const [h, { taught = 0, learned = count, ...head }] of heads.entries()) {
      const own = this.#heads[h];
      own.mean.add({ ...head, loss: head.loss - taught }, learned, head.count);
      own.sum += head.loss * count;
      own.taught += taught * count;
    }
  }

  /** All means. `heads` is undefined for a single head, whose metric is that of the whole. */
  get result(): BatchResult {
    const heads = this.#heads.map(({ mean: { result: { loss, metric } }, taught }) => ({
      loss: taught === 0 ? loss : (loss || 0) + taught / this.#count,
      metric,
    }));
    // Batches lack different numbers of labels: each image counts the same for a head, not each batch.
    // A head without any label, such as of a balanced epoch, has no loss.
    const shift = this.#heads.reduce(
      (sum, head, h) => sum + head.weight * ((heads[h].loss || 0) - head.sum / this.#count),
      0,
    );
    const loss = this.#loss / this.#count + shift, metric = this.#metric / this.#known;
    if (heads.length > 1) return { loss, metric: metric + shift, heads };
    return { loss, metric: heads[0]?.metric ?? metric };
  }
}

/** Gathers the targets of some rows, each with `width` numbers. */
export function gatherTargets(
  values: ArrayLike<number>,
  rows: Int32Array,
  width: number,
): number[] {
  const targets: number[] = [];
  for (const row of rows) {
    for (let i = 0; i < width; i++) targets.push(values[row * width + i]);
  }
  return targets;
}
