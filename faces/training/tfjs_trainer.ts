/** Trainer on TensorFlow.js, for any network on the open backend. */
import * as tf from "@tensorflow/tfjs-core";
import type { layers } from "@tensorflow/tfjs-layers";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import { Optimizer } from "./optimizer.ts";
import { lerp } from "./optimizers.ts";
import { type BatchStatistics, forward, normWeights } from "./forward.ts";
import { toTensor } from "./image_source.ts";
import { takeTensor } from "./predict_rows.ts";
import { type BatchResult, Trainer, type TrainerOptions } from "./trainer.ts";

export class TfjsTrainer extends Trainer<Optimizer> {
  readonly computedBy: string;
  #averages: readonly Float32Array[] = [];

  /** @param why reason for not using the engine */
  constructor(options: TrainerOptions, why?: string) {
    const { model: { trainableWeights }, learningRate, weightDecay = 0, optimizer } = options;
    const variables = trainableWeights.map((weight) => weight.read() as tf.Variable);
    const decays = trainableWeights.map(({ originalName }) => /kernel$/.test(originalName));
    const own = new Optimizer(variables, learningRate, optimizer, weightDecay, decays);
    super(options, own, VALIDATION_BATCH);
    this.computedBy = `TensorFlow.js (${tf.getBackend()})${why === undefined ? "" : `: ${why}`}`;
  }

  async step(...[images, targets, random]: Parameters<Trainer["step"]>): Promise<BatchResult> {
    const statistics: [layers.Layer, BatchStatistics][] = [];
    const [loss, output] = tf.tidy(() => {
      const x = toTensor(images, this.model.inputs[0].shape);
      let output!: tf.Tensor;
      const { value, grads } = tf.variableGrads(() => {
        output = forward(this.model, x, {
          random,
          report: (layer, batch) => statistics.push([layer, batch]),
        });
        tf.keep(output); // the metric is read after the step
        return tf.add(this.objective.lossOf(output, targets), this.#penalties()) as tf.Scalar;
      }, [...this.stepper.variables]);
      this.stepper.step(this.stepper.variables.map(({ name }) => grads[name]));
      for (const weight of this.model.trainableWeights) {
        // `write` applies the weight's constraint.
        if ("constraint" in weight && weight.constraint != null) {
          weight.write(tf.clone(weight.read()));
        }
      }
      for (const [layer, { mean, variance }] of statistics) {
        const momentum = layer.getConfig().momentum as number;
        const [, , movingMean, movingVariance] = normWeights(layer);
        movingMean.write(lerp(tf, movingMean.read(), mean, 1 - momentum));
        movingVariance.write(lerp(tf, movingVariance.read(), variance, 1 - momentum));
        tf.dispose([mean, variance]);
      }
      return [value, output];
    });
    try {
      const scores = await this.objective.scoresOf(output, targets);
      if (this.averaging !== undefined) await this.#updateAverages(this.averaging);
      return { loss: (await readTensor(loss))[0], ...scores };
    } finally {
      tf.dispose([loss, output]);
      await pause();
    }
  }

  protected async evaluate(images: Uint8Array, targets: number[]): Promise<BatchResult> {
    const output = tf.tidy(() => forward(this.model, toTensor(images, this.model.inputs[0].shape)));
    const [loss] = await takeTensor(tf.tidy(() => this.objective.lossOf(output, targets)));
    const scores = await this.objective.scoresOf(output, targets);
    output.dispose();
    await pause();
    return { loss, ...scores };
  }

  protected override async penalty(): Promise<number> {
    return (await takeTensor(tf.tidy(() => this.#penalties())))[0];
  }

  async weights(): Promise<Float32Array[]> {
    return await Promise.all(this.model.getWeights().map(readTensor));
  }

  protected averages(): Float32Array[] {
    return [...this.#averages];
  }

  setAverages(values: readonly Float32Array[]): void {
    this.#averages = values.map((array) => array.slice());
  }

  async #updateAverages(decay: number): Promise<void> {
    const { steps } = this.stepper, share = 1 - Math.min(decay, (1 + steps) / (10 + steps));
    for (const [w, weights] of (await this.weights()).entries()) {
      const average = this.#averages[w];
      for (let i = 0; i < average.length; i++) average[i] += share * (weights[i] - average[i]);
    }
  }

  protected async optimizerState(): Promise<Record<string, Float32Array[]>> {
    const { state, chosen: { definition } } = this.stepper;
    const arrays = definition.state.map(async (name, i) =>
      [name, await Promise.all(state.map((tensors) => readTensor(tensors[i])))] as const
    );
    return Object.fromEntries(await Promise.all(arrays));
  }

  protected setOptimizerState(steps: number, state: (name: string) => Float32Array[]): void {
    this.stepper.restore(steps, state);
  }

  close(): Promise<void> {
    this.stepper.dispose();
    return Promise.resolve();
  }

  /** Sums the L2 penalties of all layers. (tf.Sequential itself reports none.) */
  #penalties(): tf.Scalar {
    return this.model.layers.flatMap((layer) => layer.calculateLosses()).reduce<tf.Scalar>(
      (sum, loss) => tf.add(sum, loss),
      tf.scalar(0),
    );
  }
}

/** Batch size of validation. Affects results only by rounding. */
const VALIDATION_BATCH = 256;
