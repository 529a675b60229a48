/** What the training loop asks of whatever computes its steps. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Rng } from "../../packages/random/random.ts";
import type { ImageSource } from "./image_source.ts";
import type { Objective, Score } from "./objective.ts";

export interface TrainerOptions {
  /** Gives the network and its initial weights. */
  model: LayersModel;
  objective: Objective;
  learningRate: number;
  /** What every kernel loses at each step, times the learning rate, as in AdamW; 0 unless given. */
  weightDecay?: number;
  /** Images in a step, at most. */
  batchSize: number;
}

/** Means over the images of a batch, or of many; the loss has the L2 penalties in it. */
export interface BatchResult extends Score {
  /** Of each head, where there are several; without penalties. */
  heads?: readonly Score[];
}

/** A network, its optimiser, and what they do with one batch. */
export interface Trainer {
  /** What computes the steps and the loss, such as `engine, 2 threads`. */
  readonly computedBy: string;
  /** Steps that the optimiser took. */
  readonly steps: number;
  /** That of the next step. */
  learningRate: number;
  /**
   * Moves the weights by one step down the loss of a batch. `images` are bytes,
   * [batch, height, width, 3]; `random` gives the random numbers of a layer in this step.
   */
  step(
    images: Uint8Array,
    targets: number[],
    random: (layer: string) => Rng,
  ): Promise<BatchResult>;
  /** Mean loss and metric over images, with the moving averages and without dropout. */
  validate(
    images: ImageSource,
    targets: ArrayLike<number>,
    rows: Int32Array,
    signal: AbortSignal,
  ): Promise<BatchResult>;
  /** All weights, in the order of the model's. */
  weights(): Promise<Float32Array[]>;
  setWeights(weights: readonly Float32Array[]): void;
  /** All arrays of a checkpoint: the weights, `best`, and the optimiser's. */
  save(best: readonly Float32Array[]): Promise<Record<string, Float32Array>>;
  /** Puts back what `save` gave; returns the best weights. */
  restore(arrays: Record<string, Float32Array>, steps: number): Float32Array[];
  /** Gives the model the weights as they are now. */
  handBack(): void;
  close(): Promise<void>;
}

/** Means over batches, each counted by its size. */
export class RunningMean {
  #count = 0;
  #loss = 0;
  #metric = 0;
  #heads: RunningMean[] = [];

  add({ loss, metric, heads = [] }: BatchResult, count: number): void {
    this.#count += count;
    this.#loss += loss * count;
    this.#metric += metric * count;
    for (const [h, head] of heads.entries()) {
      (this.#heads[h] ??= new RunningMean()).add(head, count);
    }
  }

  get loss(): number {
    return this.#loss / this.#count;
  }

  get metric(): number {
    return this.#metric / this.#count;
  }

  /** All of it; `heads` is left out where there are none. */
  get result(): BatchResult {
    const heads = this.#heads.map(({ loss, metric }) => ({ loss, metric }));
    return { loss: this.loss, metric: this.metric, ...(heads.length > 0 ? { heads } : {}) };
  }
}

/** The targets of some rows, of which each has `width` numbers. */
export function gatherTargets(values: ArrayLike<number>, rows: Int32Array, width = 1): number[] {
  const picked: number[] = [];
  for (const row of rows) {
    for (let i = 0; i < width; i++) picked.push(values[row * width + i]);
  }
  return picked;
}
