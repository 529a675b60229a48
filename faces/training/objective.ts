/** Training objectives: loss and metric. */
import * as tf from "@tensorflow/tfjs-core";
import { readOutput } from "./losses.ts";
import type { Head } from "./training_definitions.ts";
import { readTensor } from "../../packages/compute/read_tensor.ts";

/** First and last number of an interval; equal for an exact label. */
type Span = readonly [low: number, high: number];

/**
 * Mean loss over `learned` images, with a label or an interval, and mean metric over `count` images with
 * a label. Default: all. `taught` is the part of the loss that a teacher has, the mean over all images.
 * (A type, because tfjs's tidy does not accept interfaces.)
 */
export type Score = {
  loss: number;
  metric: number;
  count?: number;
  learned?: number;
  taught?: number;
};

/**
 * Loss and metric of a training: heads, each with some of the network's outputs. `jointHead` makes all
 * objectives. Targets that are NaN are missing labels.
 */
export interface Objective {
  readonly heads: readonly Head[];
  /** True for the one head of a network that has no layer of heads: the engine has its metric. */
  readonly plain: boolean;
  /** True if the engine computes loss and metric itself. */
  readonly builtIn: boolean;
  readonly higherIsBetter: boolean;
  readonly outputs: number;
  /** Number of targets per image: a label per head, and further ones of `JointOptions`. */
  readonly targets: number;
  /**
   * Computes the differentiable mean loss of a batch, the weighted sum of the heads'.
   * @param output as `forward` returns it: [batch, outputs], logits for classes
   */
  lossOf(output: tf.Tensor, targets: readonly number[]): tf.Scalar;
  /** Encodes targets as outputs, [images, outputs]: probabilities and quantities. */
  labels(targets: readonly number[]): Float32Array;
  /** Computes each head's loss and metric from [images, outputs], probabilities and quantities. */
  scores(outputs: Float32Array, targets: readonly number[], losses: readonly number[]): Score[];
  /**
   * Computes a batch's metric, and the same from logits unless `plain`. Several heads have no common
   * metric: their weighted loss.
   */
  scoresOf(
    output: tf.Tensor,
    targets: readonly number[],
  ): Promise<{ metric: number; heads?: Score[] }>;
}

/** Encodes rows as a tensor [rows, columns]; undefined ones, and missing labels, as 0. */
function encode<T>(
  rows: readonly (T | undefined)[],
  columns: number,
  write: (row: T, into: Float32Array, at: number) => void,
): tf.Tensor {
  const all = new Float32Array(rows.length * columns);
  for (const [i, row] of rows.entries()) {
    if (row !== undefined && !Number.isNaN(row)) write(row, all, i * columns);
  }
  return tf.tensor2d(all, [rows.length, columns]);
}

/** Returns the metric of one image: its error, of an interval 0 within, or 1 for the right class. */
function scoreOf(
  head: Head,
  outputs: Float32Array,
  at: number,
  [low, high = low]: Span | [number],
): number {
  const output = readOutput(head, outputs, at);
  return head.metric === "mae" ? distanceTo([low, high], output) : Number(output === low);
}

/** Returns the distance of a number to an interval; 0 within. */
export function distanceTo([low, high]: Span, output: number): number {
  return Math.max(low - output, output - high, 0);
}

/** Outputs of trained models that a head learns beside its labels. */
export interface HeadTeacher {
  /** Share of the head's loss. */
  weight: number;
  /** Divides the logits of classes; the teacher's probabilities are at the same temperature. */
  temperature: number;
  /** Number of values per image: probabilities of classes or of ages' bins, or 1 for years. */
  values: number;
}

/** Targets of a joint objective beside one label per head. */
export interface JointOptions {
  /** True for the one head of a network that has no layer of heads. Default: false */
  plain?: boolean;
  /** True if labels may be missing (NaN); such rows do not count for the head. Default: false */
  masked?: boolean;
  /**
   * For each head, true if ages may be intervals: such a row has no label (NaN), and its first and
   * last year follow the labels of all heads; NaN without. They count for the loss.
   */
  intervals?: readonly boolean[];
  /** For each head, true if intervals count for the metric as well. Default: false */
  measured?: readonly boolean[];
  /** For each head, undefined without one. Its values follow the labels and intervals. */
  teachers?: readonly (HeadTeacher | undefined)[];
}

/**
 * Combines heads into an objective: the weighted sum of their losses. Targets of an image: a label per
 * head, then the intervals, then the values of the teachers.
 */
export function jointHead(
  heads: readonly Head[],
  { plain = false, masked = false, intervals = [], measured = [], teachers = [] }: JointOptions =
    {},
): Objective {
  let columns = 0, width = heads.length;
  const starts = heads.map((head) => (columns += head.columns) - head.columns);
  const spans = heads.map(({ loss, reading, interval }, h) => {
    if (!intervals[h]) return undefined;
    if (interval || reading === "quantity") return (width += 2) - 2;
    throw new Error(
      `Cannot train with loss "${loss}": it takes no ages that are intervals. Use ageDistribution, ` +
        "ordinal, mae, mse or huber.",
    );
  });
  const lessons = heads.map((_, h) => {
    const teacher = teachers[h], from = width;
    width += teacher?.values ?? 0;
    return teacher && { ...teacher, from };
  });
  const labels = (targets: readonly number[]): Float32Array => {
    const rows = targets.length / width;
    const all = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (const [h, head] of heads.entries()) {
        const target = targets[row * width + h];
        if (!Number.isNaN(target)) head.write(target, all, row * columns + starts[h]);
      }
    }
    return all;
  };
  const select = (targets: readonly number[], from: number, count = 1) =>
    targets.filter((_, i) => i % width >= from && i % width < from + count);
  const spansOf = (targets: readonly number[], from: number) =>
    select(targets, from).map((low, row): Span | undefined =>
      Number.isNaN(low) ? undefined : [low, targets[row * width + from + 1]]
    );
  /** Slices a head's columns of a tensor [rows, columns]. */
  const part = (x: tf.Tensor, h: number) =>
    plain ? x : tf.slice(x as tf.Tensor2D, [0, starts[h]], [-1, heads[h].columns]);
  /** Computes the mean loss of one head against its teacher, times the teacher's weight. */
  const lessonLoss = (output: tf.Tensor, targets: readonly number[], h: number): tf.Scalar => {
    const { columns, reading, write, rowLosses } = heads[h];
    const { from, values, temperature, weight } = lessons[h]!, own = part(output, h);
    const taught = select(targets, from, values);
    const soft = tf.tensor2d(taught, [targets.length / width, values]);
    if (reading === "classes") {
      const logs = tf.logSoftmax(tf.div(own, temperature));
      // The gradient of soft labels is smaller by the square.
      const loss = tf.mul(tf.neg(tf.mean(tf.sum(tf.mul(soft, logs), -1))), temperature ** 2);
      return tf.mul(loss, weight);
    }
    const truth = values > 1 ? soft : encode(taught, columns, write); // a distribution, or years
    return tf.mul(tf.mean(rowLosses(tf, own, truth)), weight);
  };
  /** Computes the losses of one head's rows against intervals; those of rows without one are finite. */
  const intervalLosses = (
    output: tf.Tensor,
    known: readonly (Span | undefined)[],
    h: number,
  ): tf.Tensor => {
    const { columns, interval, rowLosses } = heads[h], own = part(output, h);
    if (interval) {
      const truth = encode(known, columns, (span, ...place) => interval.write(...span, ...place));
      return interval.rowLosses(tf, own, truth);
    }
    // The label is the year of the interval that is nearest to the output.
    const [low, high] = [0, 1].map((end) =>
      tf.tensor2d(known.map((span) => [span?.[end] ?? 0]), [known.length, 1])
    );
    return rowLosses(tf, own, tf.minimum(tf.maximum(own, low), high));
  };
  /** Computes the mean loss of one head against its labels. */
  const labelLoss: typeof lessonLoss = (output, targets, h) => {
    const { columns, write, rowWeight, rowLosses, loss } = heads[h], own = select(targets, h);
    const rows = rowLosses(tf, part(output, h), encode(own, columns, write));
    if (!(rows instanceof tf.Tensor) || `${rows.shape}` !== `${own.length}`) {
      throw new Error(
        `Cannot train with loss "${loss}": its rowLosses() returns ` +
          (rows as unknown instanceof tf.Tensor ? `a tensor of shape [${rows.shape}]` : `${rows}`) +
          ` and must return the loss of each row, a tensor of shape [${own.length}].`,
      );
    }
    if (!rowWeight && !masked) return tf.mean(rows);
    const weights = own.map((target) => Number.isNaN(target) ? 0 : rowWeight?.(target) ?? 1);
    const count = own.filter((target) => !Number.isNaN(target)).length;
    const sum = tf.sum(tf.mul(rows, tf.tensor1d(weights))), from = spans[h];
    if (from === undefined) return tf.div(sum, Math.max(1, count));
    const known = spansOf(targets, from);
    const those = tf.tensor1d(known.map((span) => span ? 1 : 0));
    const all = tf.add(sum, tf.sum(tf.mul(intervalLosses(output, known, h), those)));
    return tf.div(all, Math.max(1, count + known.filter(Boolean).length));
  };
  const lossOf: typeof lessonLoss = (output, targets, h) => {
    const loss = labelLoss(output, targets, h), lesson = lessons[h];
    if (!lesson) return loss;
    return tf.add(tf.mul(loss, 1 - lesson.weight), lessonLoss(output, targets, h));
  };
  const scores = (outputs: Float32Array, targets: readonly number[], losses: readonly number[]) =>
    heads.map((head, h): Score => {
      let sum = 0, count = 0, learned = 0;
      const known = spans[h] === undefined ? [] : spansOf(targets, spans[h]);
      for (const [row, target] of select(targets, h).entries()) {
        const span = known[row], truth = span ?? [target];
        if (Number.isNaN(truth[0])) continue;
        learned++;
        if (span && !measured[h]) continue;
        sum += scoreOf(head, outputs, row * columns + starts[h], truth);
        count++;
      }
      const score = { loss: losses[h], metric: count === 0 ? 0 : sum / count };
      return masked ? { ...score, count, learned } : score;
    });
  return {
    heads,
    plain,
    builtIn: !masked && width === heads.length &&
      heads.every((head) => head.builtIn && !head.rowWeight),
    outputs: columns,
    higherIsBetter: heads.length === 1 && heads[0].metric === "accuracy",
    targets: width,
    labels,
    lossOf: (output, targets) =>
      tf.addN(heads.map(({ weight }, h) => tf.mul(lossOf(output, targets, h), weight))),
    scores,
    async scoresOf(output, targets) {
      if (plain) return { metric: scores(await readTensor(output), targets, [])[0].metric };
      const [losses, activated] = tf.tidy(() => {
        const losses = heads.map((_, h) => lossOf(output, targets, h));
        const taught = lessons.map((one, h) =>
          one && masked ? lessonLoss(output, targets, h) : tf.scalar(0)
        );
        const activated = heads.map(({ reading }, h) => {
          const own = part(output, h);
          if (reading === "quantity") return own;
          return reading === "ordinal" ? tf.sigmoid(own) : tf.softmax(own);
        });
        return [tf.stack([...losses, ...taught]), tf.concat(activated, -1)];
      });
      try {
        const all = Array.from(await readTensor(losses));
        const each = scores(await readTensor(activated), targets, all)
          .map((score, h) => ({ ...score, taught: all[heads.length + h] }));
        const weighted = each.reduce((sum, { loss }, h) => sum + heads[h].weight * loss, 0);
        return { metric: each.length === 1 ? each[0].metric : weighted, heads: each };
      } finally {
        tf.dispose([losses, activated]);
      }
    },
  };
}
