/**
 * Losses of a multi-head network: each head owns some columns of the last dense layer. For inference,
 * each head becomes a separate network (faces/training/build_network.ts).
 */
import * as tf from "@tensorflow/tfjs-core";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { ageBins, type AgeEstimator, ageReadings } from "./network_options.ts";
import { type JointObjective, markBuiltIn, type Score } from "./objective.ts";

/** Loss, metric and encoding of one head. */
export interface Head {
  readonly loss: "categorical_crossentropy" | "mean_absolute_error";
  readonly metric: "accuracy" | "mae";
  readonly columns: number;
  /** Loss weight. */
  readonly weight: number;
  /** Encodes a target (class or age) as `columns` numbers from `at` on. */
  write(target: number, into: Float32Array, at: number): void;
  /** Decodes outputs (probabilities or a quantity) to a class or an age. */
  read(outputs: Float32Array, at: number): number;
}

/** Returns a classification head, with classes 0 to `columns` - 1. */
export function classHead(columns: number, weight: number): Head {
  return {
    ...{ loss: "categorical_crossentropy", metric: "accuracy", columns, weight },
    write: (target, into, at) => void (into[at + target] = 1),
    read(outputs, at) {
      let best = 0; // the first of equal maxima, as in argMax
      for (let c = 1; c < columns; c++) if (outputs[at + c] > outputs[at + best]) best = c;
      return best;
    },
  };
}

/** Returns a regression head. */
export function quantityHead(weight: number): Head {
  return {
    ...{ loss: "mean_absolute_error", metric: "mae", columns: 1, weight },
    write: (target, into, at) => void (into[at] = target),
    read: (outputs, at) => outputs[at],
  };
}

/**
 * Returns a label distribution head. Its labels are normal distributions around the true age, with a
 * standard deviation of `spread` years; the age is estimated by mean or median. The bins extend beyond
 * the range of ages, so that both estimators are unbiased on the labels. Gao et al., "Deep label
 * distribution learning with label ambiguity" (2017).
 */
export function distributionHead(
  spread: number,
  weight: number,
  reading: AgeEstimator = "mean",
): Head {
  const share = ageReadings[reading];
  return {
    ...{ loss: "categorical_crossentropy", metric: "mae", columns: ageBins.length, weight },
    write(target, into, at) {
      let sum = 0;
      for (const [bin, age] of ageBins.entries()) {
        sum += into[at + bin] = Math.exp(-(((age - target) / spread) ** 2) / 2);
      }
      for (let bin = 0; bin < ageBins.length; bin++) into[at + bin] /= sum;
    },
    read(outputs, at) {
      // As in the layers of faces/training/build_network.ts.
      let years = ageBins[0], older = 1;
      for (let bin = 0; bin < ageBins.length - 1; bin++) {
        older -= outputs[at + bin];
        const left = Math.min(1, Math.max(0, (older - share) / (1 - 2 * share)));
        years += (ageBins[bin + 1] - ageBins[bin]) * left;
      }
      return years;
    },
  };
}

/** Combines heads into an objective: the weighted sum of their losses. One target per head. */
export function jointHead(heads: readonly Head[]): JointObjective {
  const columns = heads.reduce((sum, head) => sum + head.columns, 0);
  const starts = heads.map((_, h) =>
    heads.slice(0, h).reduce((sum, head) => sum + head.columns, 0)
  );
  const labels = (targets: readonly number[]): Float32Array => {
    const rows = targets.length / heads.length;
    const all = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (const [h, head] of heads.entries()) {
        head.write(targets[row * heads.length + h], all, row * columns + starts[h]);
      }
    }
    return all;
  };
  /** Slices a head's columns of a tensor [rows, columns]. */
  const part = (x: tf.Tensor, h: number) =>
    tf.slice(x as tf.Tensor2D, [0, starts[h]], [-1, heads[h].columns]);
  /** Computes the mean loss of one head; `truth` as returned by `labels`. */
  const lossOf = (output: tf.Tensor, truth: tf.Tensor, h: number): tf.Scalar => {
    const said = part(output, h), target = part(truth, h);
    return heads[h].loss === "categorical_crossentropy"
      ? tf.neg(tf.mean(tf.sum(tf.mul(target, tf.logSoftmax(said)), -1)))
      : tf.mean(tf.abs(tf.sub(said, target)));
  };
  const truthOf = (targets: readonly number[]) =>
    tf.tensor2d(labels(targets), [targets.length / heads.length, columns]);
  const scores = (outputs: Float32Array, targets: readonly number[], losses: readonly number[]) =>
    heads.map(({ metric, read }, h): Score => {
      const rows = targets.length / heads.length;
      let sum = 0;
      for (let row = 0; row < rows; row++) {
        const said = read(outputs, row * columns + starts[h]);
        const target = targets[row * heads.length + h];
        sum += metric === "mae" ? Math.abs(said - target) : Number(said === target);
      }
      return { loss: losses[h], metric: sum / rows };
    });
  return markBuiltIn({
    ...{ loss: "joint", metric: "loss", higherIsBetter: false, outputs: columns, heads },
    targets: heads.length,
    labels,
    lossOf: (output, targets) =>
      tf.addN(heads.map(({ weight }, h) => tf.mul(lossOf(output, truthOf(targets), h), weight))),
    scores,
    async scoresOf(output, targets) {
      const [losses, said] = tf.tidy(() => {
        const truth = truthOf(targets);
        const losses = tf.stack(heads.map((_, h) => lossOf(output, truth, h)));
        const said = heads.map(({ loss }, h) =>
          loss === "categorical_crossentropy" ? tf.softmax(part(output, h)) : part(output, h)
        );
        return [losses, tf.concat(said, -1)];
      });
      try {
        return scores(await readTensor(said), targets, Array.from(await readTensor(losses)));
      } finally {
        tf.dispose([losses, said]);
      }
    },
  });
}
