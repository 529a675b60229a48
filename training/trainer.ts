/** What the training loop asks of whatever computes its steps. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Rng } from "../compute/random.ts";
import type { ImageSource } from "./images.ts";
import type { Objective } from "./objective.ts";

export interface TrainerOptions {
  /** Gives the network and its initial weights. */
  model: LayersModel;
  objective: Objective;
  learningRate: number;
  /** Images in a step, at most. */
  batchSize: number;
}

/** Means over the images of a batch, or of many; the loss has the L2 penalties in it. */
export interface BatchResult {
  loss: number;
  metric: number;
}

/** A network, its optimiser, and what they do with one batch. */
export interface Trainer {
  /** Steps that the optimiser took. */
  readonly steps: number;
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
export class Mean {
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

export function pick(values: ArrayLike<number>, rows: Int32Array): number[] {
  return Array.from(rows, (row) => values[row]);
}
