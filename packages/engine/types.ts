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
  /** Default: "adam". */
  optimizer?: "adam" | "sgd" | "rmsprop";
  /** Default: 0.001. */
  learningRate?: number;
  /** Decay rates of Adam's moments. Defaults: 0.9 and 0.999, those of Keras. */
  beta1?: number;
  beta2?: number;
  /** Momentum of "sgd" and "rmsprop". Default: 0. */
  momentum?: number;
  /** Nesterov momentum of "sgd". Default: false. */
  nesterov?: boolean;
  /** Decay rate of RMSprop's mean square. Default: 0.9. */
  rho?: number;
  /** Added to the root of Adam's second moment, or to RMSprop's mean square. Default: 1e-7. */
  epsilon?: number;
  /** Maximum norm of the gradient over all weights. Default: none. */
  clipNorm?: number;
  /** Decoupled weight decay (as in AdamW), applied to kernels only. Default: 0. */
  weightDecay?: number;
  /**
   * Decay of an exponential moving average of all weights, lower in the first steps as in
   * tf.train.ExponentialMovingAverage. Default: 0, no average.
   */
  averaging?: number;
  /** Keeps the gradients of each step, L2 included, for `gradients()`. */
  keepGradients?: boolean;
  /** Uses relaxed SIMD (fused multiply-add) if supported. Default: true. */
  relaxed?: boolean;
}

/**
 * Class indices for `categoricalCrossentropy`; others, such as -1, have no loss. Otherwise values, or
 * heads' targets, `[rows, columns]`.
 */
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

/** State of the optimizer: number of steps, and by weight name the momentum and mean square. */
export interface OptimizerState {
  step: number;
  m: Tensors;
  v: Tensors;
}
