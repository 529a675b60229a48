/** What a network is trained for: its loss, and the metric that people read. */
import * as tf from "@tensorflow/tfjs-core";
import { read } from "../compute/read.ts";

export interface Objective {
  /** Name of the loss, as Keras calls it. */
  readonly loss: "categorical_crossentropy" | "mean_absolute_error";
  readonly metric: "accuracy" | "mae";
  /** Whether more of the metric is better. */
  readonly higherIsBetter: boolean;
  /** Numbers that the network gives for an image. */
  readonly outputs: number;
  /**
   * Mean loss of a batch, to be derived.
   * @param output as `forward` returns it: [batch, outputs], logits for classes
   * @param targets one an image: the class, or the quantity
   */
  lossOf(output: tf.Tensor, targets: number[]): tf.Scalar;
  /** The metric of each image, summed up. */
  metricSum(output: tf.Tensor, targets: number[]): Promise<number>;
}

/** Classes 0 to `classes` - 1: categorical cross-entropy from logits, and accuracy. */
export function classification(classes: number): Objective {
  return {
    loss: "categorical_crossentropy",
    metric: "accuracy",
    higherIsBetter: true,
    outputs: classes,
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
export function regression(): Objective {
  return {
    loss: "mean_absolute_error",
    metric: "mae",
    higherIsBetter: false,
    outputs: 1,
    lossOf: (output, targets) =>
      tf.mean(tf.abs(tf.sub(tf.reshape(output, [-1]), tf.tensor1d(targets)))),
    async metricSum(output, targets) {
      const guesses = await read(output);
      return targets.reduce((sum, target, i) => sum + Math.abs(guesses[i] - target), 0);
    },
  };
}
