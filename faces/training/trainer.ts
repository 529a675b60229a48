/** The interface between the training loop and the implementations of its steps. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Rng } from "../../packages/random/random.ts";
import type { ImageSource } from "./image_source.ts";
import type { Objective, Score } from "./objective.ts";

/** Options of a trainer. */
export interface TrainerOptions {
  /** Network with its initial weights. */
  model: LayersModel;
  objective: Objective;
  learningRate: number;
  /** Decoupled weight decay (AdamW), applied to kernels only. Default: 0. */
  weightDecay?: number;
  /** Maximum number of images per step. */
  batchSize: number;
}

/** Mean loss and metric over images. The loss includes L2 penalties. */
export interface BatchResult extends Score {
  /** Mean loss and metric of each head of several, without penalties. */
  heads?: readonly Score[];
}

/** A network with its optimizer. */
export interface Trainer {
  /** Implementation that computes the steps and the loss, such as `engine, 2 threads`. */
  readonly computedBy: string;
  /** Steps of the optimizer. */
  readonly steps: number;
  /** Learning rate of the next step. */
  learningRate: number;
  /**
   * Takes one optimizer step on a batch.
   * @param images bytes, [batch, height, width, 3]
   * @param random returns the random numbers of a layer in this step
   */
  step(
    images: Uint8Array,
    targets: number[],
    random: (layer: string) => Rng,
  ): Promise<BatchResult>;
  /** Computes loss and metric of images in inference mode: moving averages, no dropout. */
  validate(
    images: ImageSource,
    targets: ArrayLike<number>,
    rows: Int32Array,
    signal: AbortSignal,
  ): Promise<BatchResult>;
  /** Returns all weights, in the model's order. */
  weights(): Promise<Float32Array[]>;
  setWeights(weights: readonly Float32Array[]): void;
  /** Returns the arrays of a checkpoint: weights, `best`, and the optimizer's state. */
  save(best: readonly Float32Array[]): Promise<Record<string, Float32Array>>;
  /** Restores the arrays of `save`; returns the best weights. */
  restore(arrays: Record<string, Float32Array>, steps: number): Float32Array[];
  /** Copies the current weights into the model. */
  copyWeightsToModel(): void;
  close(): Promise<void>;
}

/** Running mean over batches, weighted by their size. */
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

  /** All means. `heads` is undefined for a single head. */
  get result(): BatchResult {
    const heads = this.#heads.map(({ loss, metric }) => ({ loss, metric }));
    return { loss: this.loss, metric: this.metric, ...(heads.length > 0 ? { heads } : {}) };
  }
}

/** Gathers the targets of some rows, each with `width` numbers. */
export function gatherTargets(values: ArrayLike<number>, rows: Int32Array, width = 1): number[] {
  const targets: number[] = [];
  for (const row of rows) {
    for (let i = 0; i < width; i++) targets.push(values[row * width + i]);
  }
  return targets;
}
