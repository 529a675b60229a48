/** What a network is trained for: its loss, and the metric that people read. */
import * as tf from "@tensorflow/tfjs-core";
import { read } from "../compute/read.ts";

/** Names of losses, as Keras has them. */
export type LossName = "categorical_crossentropy" | "mean_absolute_error";

/** Means over images. (A type, not an interface, so that tfjs's tidy takes it.) */
export type Score = { loss: number; metric: number };

interface Common {
  /** Whether more of the metric is better. */
  readonly higherIsBetter: boolean;
  /** Numbers that the network gives for an image. */
  readonly outputs: number;
  /** Numbers that say what it should give: one, or one for each head. */
  readonly targets: number;
  /**
   * Mean loss of a batch, to be derived.
   * @param output as `forward` returns it: [batch, outputs], logits for classes
   * @param targets one an image and head: the class, or the quantity
   */
  lossOf(output: tf.Tensor, targets: number[]): tf.Scalar;
}

/** One thing to learn. */
export interface SingleObjective extends Common {
  readonly loss: LossName;
  readonly metric: "accuracy" | "mae";
  /** The metric of each image, summed up. */
  metricSum(output: tf.Tensor, targets: number[]): Promise<number>;
}

/** Several at once, each with some of the outputs. */
export interface JointObjective extends Common {
  /** The heads' losses, weighted and added up. */
  readonly loss: "joint";
  /** That sum, too, which is all that the heads have in common. */
  readonly metric: "loss";
  readonly heads: readonly {
    readonly loss: LossName;
    readonly columns: number;
    readonly weight: number;
  }[];
  /** What all outputs should be, [images, outputs]: probabilities and quantities. */
  labels(targets: readonly number[]): Float32Array;
  /** Each head's loss and metric. @param outputs [images, outputs], probabilities and quantities */
  scores(outputs: Float32Array, targets: readonly number[], losses: readonly number[]): Score[];
  /** The same of logits. */
  scoresOf(output: tf.Tensor, targets: readonly number[]): Promise<Score[]>;
}

export type Objective = SingleObjective | JointObjective;

/** Classes 0 to `classes` - 1: categorical cross-entropy from logits, and accuracy. */
export function classification(classes: number): SingleObjective {
  return {
    loss: "categorical_crossentropy",
    metric: "accuracy",
    higherIsBetter: true,
    outputs: classes,
    targets: 1,
    lossOf(logits, targets) {
      // Cast: asked for float32, tfjs's wasm kernel gives integers by that name.
      const truth = tf.cast(tf.oneHot(tf.tensor1d(targets, "int32"), classes), "float32");
      return tf.neg(tf.mean(tf.sum(tf.mul(truth, tf.logSoftmax(logits)), -1)));
    },
    async metricSum(logits, targets) {
      const best = tf.argMax(logits, -1);
      const guesses = await read(best);
      best.dispose();
      return targets.reduce((sum, target, i) => sum + (guesses[i] === target ? 1 : 0), 0);
    },
  };
}

/** A quantity: the mean absolute error is both loss and metric. */
export function regression(): SingleObjective {
  return {
    loss: "mean_absolute_error",
    metric: "mae",
    higherIsBetter: false,
    outputs: 1,
    targets: 1,
    lossOf: (output, targets) =>
      tf.mean(tf.abs(tf.sub(tf.reshape(output, [-1]), tf.tensor1d(targets)))),
    async metricSum(output, targets) {
      const guesses = await read(output);
      return targets.reduce((sum, target, i) => sum + Math.abs(guesses[i] - target), 0);
    },
  };
}
