/** What the engine takes and gives. */
import type { Tensors } from "./run/tensors.ts";

export interface EngineOptions {
  /** Rows in a batch, at most; a step may have fewer. */
  batch: number;
  /**
   * Threads, up to 16; as many as processors unless given; 0: the one that asks, and it waits. They do
   * not show in the result.
   */
  threads?: number;
  /** Images come as bytes and are divided by this (255 unless given); `null`: they come as floats. */
  divisor?: number | null;
  /** Adam's numbers; Keras's defaults. */
  learningRate?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** What every kernel loses at each step, times the learning rate, as in AdamW; 0 unless given. */
  weightDecay?: number;
  /** Keeps every step's gradients, L2 included, for `gradients()`. */
  keepGradients?: boolean;
  /** Fused multiply-add where the runtime has it; true unless given. */
  relaxed?: boolean;
}

/** Class numbers for `categoricalCrossentropy`; otherwise values, or heads' targets, `[rows, columns]`. */
export type Labels = ArrayLike<number>;

/** Sums over the rows of a batch, so that an epoch's mean is their sum over its rows. */
export interface Sums {
  rows: number;
  /** Sum of the rows' losses, without the L2 penalty. */
  loss: number;
  /** Right answers, or the sum of absolute errors; with heads or a loss of the caller's 0, see `outputs`. */
  metric: number;
  /** Of each head the sum of the rows' losses, not weighted. */
  heads: number[];
  /** The L2 penalty of the weights that the batch saw; the batch's loss is `loss / rows + penalty`. */
  penalty: number;
}

/** Adam's moments, named as the weights, and the number of steps that it took. */
export interface OptimizerState {
  step: number;
  m: Tensors;
  v: Tensors;
}
