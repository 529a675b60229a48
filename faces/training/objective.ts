/** What a network is trained for: its loss, and the metric that people read. */
import * as tf from "@tensorflow/tfjs-core";
import { readTensor } from "../../packages/compute/read_tensor.ts";

/** Names of the losses of classification() and regression(), as Keras has them. */
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

/** One thing to learn, by a loss and a metric of any name. */
export interface SingleObjective extends Common {
  readonly loss: string;
  readonly metric: string;
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

/** Scores a batch by the objective's own functions, its loss aside. */
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

/** Classes 0 to `classes` - 1: categorical cross-entropy from logits, and accuracy. */
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
      // Cast: asked for float32, tfjs's wasm kernel gives integers by that name.
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

/** A quantity: the mean absolute error is both loss and metric. */
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
