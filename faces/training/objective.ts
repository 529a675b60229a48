/** Training objectives: loss and metric. */
import * as tf from "@tensorflow/tfjs-core";
import { readTensor } from "../../packages/compute/read_tensor.ts";

/** Names of the built-in losses, as in Keras. */
export type LossName = "categorical_crossentropy" | "mean_absolute_error";

/** Mean loss and metric over images. (A type, because tfjs's tidy does not accept interfaces.) */
export type Score = { loss: number; metric: number };

interface Common {
  /** True if a higher metric is better. */
  readonly higherIsBetter: boolean;
  /** Number of outputs per image. */
  readonly outputs: number;
  /** Number of targets per image: one per head. */
  readonly targets: number;
  /**
   * Computes the differentiable mean loss of a batch.
   * @param output as `forward` returns it: [batch, outputs], logits for classes
   * @param targets class or quantity, one per image and head
   */
  lossOf(output: tf.Tensor, targets: number[]): tf.Scalar;
}

/** Objective of one task, with any loss and metric. */
export interface SingleObjective extends Common {
  readonly loss: string;
  readonly metric: string;
  /** Computes the sum of the metric over images. */
  metricSum(output: tf.Tensor, targets: number[]): Promise<number>;
}

/** Objective of several heads, each with some of the outputs. */
export interface JointObjective extends Common {
  /** Weighted sum of the heads' losses. */
  readonly loss: "joint";
  /** The same sum: the heads have no common metric. */
  readonly metric: "loss";
  readonly heads: readonly {
    readonly loss: LossName;
    readonly metric: "accuracy" | "mae";
    readonly columns: number;
    readonly weight: number;
  }[];
  /** Encodes targets as outputs, [images, outputs]: probabilities and quantities. */
  labels(targets: readonly number[]): Float32Array;
  /** Computes each head's loss and metric from [images, outputs], probabilities and quantities. */
  scores(outputs: Float32Array, targets: readonly number[], losses: readonly number[]): Score[];
  /** Computes the same from logits. */
  scoresOf(output: tf.Tensor, targets: readonly number[]): Promise<Score[]>;
}

export type Objective = SingleObjective | JointObjective;

/** Objectives of this project, by identity: a copy may have a `lossOf` or a metric of its own. */
const builtIn = new WeakSet<Objective>();

/** Marks an objective as one whose loss and metric the engine computes itself, and freezes it. */
export function markBuiltIn<T extends Objective>(objective: T): T {
  builtIn.add(objective);
  return Object.freeze(objective);
}

/** Returns whether the engine computes an objective's loss and metric itself. */
export function isBuiltIn(objective: Objective): boolean {
  return builtIn.has(objective);
}

/** Computes the scores of a batch, given its loss. */
export async function scoresOf(
  objective: Objective,
  output: tf.Tensor,
  targets: number[],
): Promise<{ metric: number; heads?: Score[] }> {
  if (!("heads" in objective)) {
    return {
      metric: await objective.metricSum(output, targets) * objective.targets / targets.length,
    };
  }
  const heads = await objective.scoresOf(output, targets);
  const metric = heads.reduce((sum, { loss }, h) => sum + objective.heads[h].weight * loss, 0);
  return { metric, heads };
}

/** Returns a classification objective: cross-entropy from logits, and accuracy. */
export function classification(
  classes: number,
): SingleObjective & { loss: LossName; metric: "accuracy" } {
  return markBuiltIn({
    loss: "categorical_crossentropy",
    metric: "accuracy",
    higherIsBetter: true,
    outputs: classes,
    targets: 1,
    lossOf(logits, targets) {
      // Cast: tfjs's wasm kernel returns integers labelled as float32.
      const truth = tf.cast(tf.oneHot(tf.tensor1d(targets, "int32"), classes), "float32");
      return tf.neg(tf.mean(tf.sum(tf.mul(truth, tf.logSoftmax(logits)), -1)));
    },
    async metricSum(logits, targets) {
      const best = tf.argMax(logits, -1);
      const guesses = await readTensor(best);
      best.dispose();
      return targets.reduce((sum, target, i) => sum + (guesses[i] === target ? 1 : 0), 0);
    },
  });
}

/** Returns a regression objective: the mean absolute error is loss and metric. */
export function regression(): SingleObjective & { loss: LossName; metric: "mae" } {
  return markBuiltIn({
    loss: "mean_absolute_error",
    metric: "mae",
    higherIsBetter: false,
    outputs: 1,
    targets: 1,
    lossOf: (output, targets) =>
      tf.mean(tf.abs(tf.sub(tf.reshape(output, [-1]), tf.tensor1d(targets)))),
    async metricSum(output, targets) {
      const guesses = await readTensor(output);
      return targets.reduce((sum, target, i) => sum + Math.abs(guesses[i] - target), 0);
    },
  });
}
