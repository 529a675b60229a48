/** Training steps in TensorFlow.js, on whichever backend is open: for any network, on any machine. */
import * as tf from "@tensorflow/tfjs-core";
import type { layers, LayersModel } from "@tensorflow/tfjs-layers";
import type { Rng } from "../compute/random.ts";
import { Adam, moved } from "./adam.ts";
import type { BatchStatistics } from "./batchNorm.ts";
import { forward } from "./forward.ts";
import { type ImageSource, readBatch, toTensor } from "./images.ts";
import type { Objective } from "./objective.ts";
import { type BatchResult, Mean, pick, type Trainer, type TrainerOptions } from "./trainer.ts";

export class TfjsTrainer implements Trainer {
  readonly #optimizer: Adam;
  readonly #model: LayersModel;
  readonly #objective: Objective;
  readonly #variables: tf.Variable[];

  constructor({ model, objective, learningRate }: TrainerOptions) {
    this.#model = model;
    this.#objective = objective;
    this.#variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    this.#optimizer = new Adam(this.#variables, learningRate);
  }

  get steps(): number {
    return this.#optimizer.steps;
  }

  async step(
    images: Uint8Array,
    targets: number[],
    random: (layer: string) => Rng,
  ): Promise<BatchResult> {
    const statistics: [layers.Layer, BatchStatistics][] = [];
    const result = tf.tidy(() => {
      const [, height, width, channels] = this.#model.inputs[0].shape as number[];
      const x = toTensor(images, [targets.length, height, width, channels]);
      let metric = 0;
      const { value, grads } = tf.variableGrads(() => {
        const output = forward(this.#model, x, {
          random,
          report: (layer, batch) => statistics.push([layer, batch]),
        });
        metric = this.#objective.metricSum(output, targets) / targets.length;
        return tf.add(this.#objective.lossOf(output, targets), this.#penalty()) as tf.Scalar;
      }, this.#variables);
      this.#optimizer.step(this.#variables.map(({ name }) => grads[name]));
      for (const [layer, { mean, variance }] of statistics) {
        const momentum = layer.getConfig().momentum as number;
        const [movingMean, movingVariance] = layer.nonTrainableWeights;
        movingMean.write(moved(movingMean.read(), mean, 1 - momentum));
        movingVariance.write(moved(movingVariance.read(), variance, 1 - momentum));
        tf.dispose([mean, variance]);
      }
      return { loss: value.dataSync()[0], metric };
    });
    await turn();
    return result;
  }

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
      await turn();
      signal.throwIfAborted();
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

  save(best: readonly Float32Array[]): Record<string, Float32Array> {
    const arrays: Record<string, Float32Array> = {};
    const weights = this.weights();
    for (const [i, { originalName }] of this.#model.weights.entries()) {
      arrays[`weights/${originalName}`] = weights[i];
      arrays[`best/${originalName}`] = best[i];
    }
    for (const [i, { originalName }] of this.#model.trainableWeights.entries()) {
      arrays[`adam/mean/${originalName}`] = this.#optimizer.means[i].dataSync() as Float32Array;
      arrays[`adam/square/${originalName}`] = this.#optimizer.squares[i].dataSync() as Float32Array;
    }
    return arrays;
  }

  restore(arrays: Record<string, Float32Array>, steps: number): Float32Array[] {
    const all = (part: string, of: { originalName: string }[]) =>
      of.map(({ originalName }) => arrays[`${part}/${originalName}`]);
    const { weights, trainableWeights } = this.#model;
    this.setWeights(all("weights", weights));
    this.#optimizer.restore(
      steps,
      all("adam/mean", trainableWeights),
      all("adam/square", trainableWeights),
    );
    return all("best", weights);
  }

  handBack(): void {
    // The model's weights are those that are trained.
  }

  close(): Promise<void> {
    this.#optimizer.dispose();
    return Promise.resolve();
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

/** Lets the event loop turn, so that Ctrl-C is heard. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
