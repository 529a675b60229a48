/** Options, labels and results of the engine. */
import type { Tensors } from "./run/tensors.ts";

export interface EngineOptions {
  /** Maximum number of rows in a batch. */
  batch: number;
  /**
   * Number of threads, at most 16. Default: one per processor. 0 runs in the calling thread,
   * synchronously. Does not affect results.
   */
  threads?: number;
  /** Divisor of image bytes. Default: 255. `null`: images are floats. */
  divisor?: number | null;
  /** Parameters of Adam. Defaults: those of Keras. */
  learningRate?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Decoupled weight decay (AdamW), applied to kernels only. Default: 0. */
  weightDecay?: number;
  /** Keeps the gradients of each step, L2 included, for `gradients()`. */
  keepGradients?: boolean;
  /** Uses relaxed SIMD (fused multiply-add) if supported. Default: true. */
  relaxed?: boolean;
}

/** Class indices for `categoricalCrossentropy`; otherwise values, or heads' targets, `[rows, columns]`. */
export type Labels = ArrayLike<number>;

/** Sums over the rows of a batch, for means over an epoch. */
export interface Sums {
  rows: number;
  /** Sum of the rows' losses, without the L2 penalty. */
  loss: number;
  /** Number of correct predictions, or sum of absolute errors; 0 with heads or a custom loss. */
  metric: number;
  /** Sum of the rows' losses of each head, unweighted. */
  heads: number[];
  /** L2 penalty of the batch's weights; the batch's loss is `loss / rows + penalty`. */
  penalty: number;
}

/** State of Adam: moments by weight name, and number of steps. */
export interface OptimizerState {
  step: number;
  m: Tensors;
  v: Tensors;
}
