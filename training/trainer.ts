/** A network in training: what it does with one batch, and what a checkpoint keeps of it. */
import * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import type { Rng } from "../compute/random.ts";
import { Adam, moved } from "./adam.ts";
import type { BatchStatistics } from "./batchNorm.ts";
import { forward } from "./forward.ts";
import { type ImageSource, readBatch } from "./images.ts";
import type { Objective } from "./objective.ts";

export interface BatchResult {
  loss: number;
  /** Mean over the batch. */
  metric: number;
}

export class Trainer {
  readonly optimizer: Adam;
  readonly #model: LayersModel;
  readonly #objective: Objective;
  readonly #variables: tf.Variable[];

  constructor(model: LayersModel, objective: Objective, learningRate: number) {
    this.#model = model;
    this.#objective = objective;
    this.#variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    this.optimizer = new Adam(this.#variables, learningRate);
  }

  /** Moves the weights by one step down the loss of a batch, whose images it disposes of. */
  step(
    x: tf.Tensor, // [batch, height, width, 3]
    targets: number[],
    random: (layer: string) => Rng,
  ): BatchResult {
    const statistics: [layers.Layer, BatchStatistics][] = [];
    return tf.tidy(() => {
      let metric = 0;
      const { value, grads } = tf.variableGrads(() => {
        const output = forward(this.#model, x, {
          random,
          report: (layer, batch) => statistics.push([layer, batch]),
        });
        metric = this.#objective.metricSum(output, targets) / targets.length;
        return tf.add(this.#objective.lossOf(output, targets), this.#penalty()) as tf.Scalar;
      }, this.#variables);
      this.optimizer.step(this.#variables.map(({ name }) => grads[name]));
      for (const [layer, { mean, variance }] of statistics) {
        const momentum = layer.getConfig().momentum as number;
        const [movingMean, movingVariance] = layer.nonTrainableWeights;
        movingMean.write(moved(movingMean.read(), mean, 1 - momentum));
        movingVariance.write(moved(movingVariance.read(), variance, 1 - momentum));
        tf.dispose([mean, variance]);
      }
      x.dispose();
      return { loss: value.dataSync()[0], metric };
    });
  }

  /** Mean loss and metric over images, with the moving averages and without dropout. */
  async validate(
    images: ImageSource,
    targets: ArrayLike<number>,
    rows: Int32Array,
    signal: AbortSignal,
  ): Promise<BatchResult> {
    const mean = new Mean();
    for (let start = 0; start < rows.length; start += VALIDATION_BATCH) {
      const batch = rows.subarray(start, start + VALIDATION_BATCH);
      const truth = pick(targets, batch);
      const result = tf.tidy(() => {
        const output = forward(this.#model, readBatch(images, batch));
        return {
          loss: this.#objective.lossOf(output, truth).dataSync()[0],
          metric: this.#objective.metricSum(output, truth) / truth.length,
        };
      });
      mean.add(result, batch.length);
      await turn(signal);
    }
    const penalty = tf.tidy(() => this.#penalty().dataSync()[0]);
    return { loss: mean.loss + penalty, metric: mean.metric };
  }

  weights(): Float32Array[] {
    // Of a wasm tensor, dataSync is a copy already; of one on the cpu backend it is the data.
    return this.#model.getWeights().map((weight) => Float32Array.from(weight.dataSync()));
  }

  setWeights(weights: readonly Float32Array[]): void {
    tf.tidy(() =>
      this.#model.setWeights(
        this.#model.weights.map(({ shape }, i) => tf.tensor(weights[i], shape as number[])),
      )
    );
  }

  /** All arrays of a checkpoint. */
  save(best: readonly Float32Array[]): Record<string, Float32Array> {
    const arrays: Record<string, Float32Array> = {};
    const weights = this.weights();
    for (const [i, { originalName }] of this.#model.weights.entries()) {
      arrays[`weights/${originalName}`] = weights[i];
      arrays[`best/${originalName}`] = best[i];
    }
    for (const [i, { originalName }] of this.#model.trainableWeights.entries()) {
      arrays[`adam/mean/${originalName}`] = this.optimizer.means[i].dataSync() as Float32Array;
      arrays[`adam/square/${originalName}`] = this.optimizer.squares[i].dataSync() as Float32Array;
    }
    return arrays;
  }

  /** Puts back what `save` gave; returns the best weights. */
  restore(arrays: Record<string, Float32Array>, steps: number): Float32Array[] {
    const all = (part: string, of: { originalName: string }[]) =>
      of.map(({ originalName }) => arrays[`${part}/${originalName}`]);
    const { weights, trainableWeights } = this.#model;
    this.setWeights(all("weights", weights));
    this.optimizer.restore(
      steps,
      all("adam/mean", trainableWeights),
      all("adam/square", trainableWeights),
    );
    return all("best", weights);
  }

  /** The L2 penalties of all layers. (Asked as a whole, a tf.Sequential says that it has none.) */
  #penalty(): tf.Scalar {
    return this.#model.layers.flatMap((layer) => layer.calculateLosses()).reduce<tf.Scalar>(
      (sum, loss) => tf.add(sum, loss),
      tf.scalar(0),
    );
  }
}

/** Images that are validated at once; the result does not depend on it but for rounding. */
const VALIDATION_BATCH = 256;

/** Means over batches, each counted by its size. */
export class Mean {
  #count = 0;
  #loss = 0;
  #metric = 0;

  add({ loss, metric }: BatchResult, count: number): void {
    this.#count += count;
    this.#loss += loss * count;
    this.#metric += metric * count;
  }

  get loss(): number {
    return this.#loss / this.#count;
  }

  get metric(): number {
    return this.#metric / this.#count;
  }
}

export function pick(values: ArrayLike<number>, rows: Int32Array): number[] {
  return Array.from(rows, (row) => values[row]);
}

/** Lets the event loop turn, so that Ctrl-C is heard. */
export async function turn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  signal.throwIfAborted();
}
