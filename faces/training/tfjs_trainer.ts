/** Trainer on TensorFlow.js, for any network on the open backend. */
import * as tf from "@tensorflow/tfjs-core";
import type { layers } from "@tensorflow/tfjs-layers";
import type { Rng } from "../../packages/random/random.ts";
import { readScalar, readTensor } from "../../packages/compute/read_tensor.ts";
import { Optimizer } from "./optimizer.ts";
import { lerp } from "./optimizers.ts";
import { type BatchStatistics, forward, normWeights } from "./forward.ts";
import { type ImageSource, readBatch, toTensor } from "./image_source.ts";
import { scoresOf } from "./objective.ts";
import {
  type BatchResult,
  gatherTargets,
  RunningMean,
  Trainer,
  type TrainerOptions,
} from "./trainer.ts";

export class TfjsTrainer extends Trainer<Optimizer> {
  readonly computedBy: string;

  /** @param why reason for not using the engine */
  constructor(options: TrainerOptions, why?: string) {
    const { model: { trainableWeights }, learningRate, weightDecay = 0, optimizer } = options;
    const variables = trainableWeights.map((weight) => weight.read() as tf.Variable);
    const decays = trainableWeights.map(({ originalName }) => /kernel$/.test(originalName));
    super(options, new Optimizer(variables, learningRate, optimizer, { weightDecay, decays }));
    this.computedBy = `TensorFlow.js (${tf.getBackend()})${why === undefined ? "" : `: ${why}`}`;
  }

  async step(
    images: Uint8Array,
    targets: number[],
    random: (layer: string) => Rng,
  ): Promise<BatchResult> {
    const statistics: [layers.Layer, BatchStatistics][] = [];
    const rows = targets.length / this.objective.targets;
    const [loss, output] = tf.tidy(() => {
      const [, height, width, channels] = this.model.inputs[0].shape as number[];
      const x = toTensor(images, [rows, height, width, channels]);
      let output!: tf.Tensor;
      const { value, grads } = tf.variableGrads(() => {
        output = forward(this.model, x, {
          random,
          report: (layer, batch) => statistics.push([layer, batch]),
        });
        tf.keep(output); // the metric is read after the step
        return tf.add(this.objective.lossOf(output, targets), this.#penalty()) as tf.Scalar;
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
      const scores = await scoresOf(this.objective, output, targets);
      return { loss: (await readTensor(loss))[0], ...scores };
    } finally {
      tf.dispose([loss, output]);
      await turn();
    }
  }

  async validate(
    images: ImageSource,
    targets: ArrayLike<number>,
    rows: Int32Array,
    signal: AbortSignal,
  ): Promise<BatchResult> {
    const mean = new RunningMean();
    for (let start = 0; start < rows.length; start += VALIDATION_BATCH) {
      const batch = rows.subarray(start, start + VALIDATION_BATCH);
      const truth = gatherTargets(targets, batch, this.objective.targets);
      const output = tf.tidy(() => forward(this.model, readBatch(images, batch)));
      const loss = await readScalar(tf.tidy(() => this.objective.lossOf(output, truth)));
      const scores = await scoresOf(this.objective, output, truth);
      output.dispose();
      mean.add({ loss, ...scores }, batch.length);
      await turn();
      signal.throwIfAborted();
    }
    const penalty = await readScalar(tf.tidy(() => this.#penalty()));
    return { ...mean.result, loss: mean.result.loss + penalty };
  }

  async weights(): Promise<Float32Array[]> {
    return await Promise.all(this.model.getWeights().map(copy));
  }

  setWeights(weights: readonly Float32Array[]): void {
    this.writeModel(weights);
  }

  protected async optimizerState(): Promise<Record<string, Float32Array[]>> {
    const { state, chosen: { definition } } = this.stepper;
    const arrays = definition.state.map(async (name, i) =>
      [name, await Promise.all(state.map((tensors) => copy(tensors[i])))] as const
    );
    return Object.fromEntries(await Promise.all(arrays));
  }

  protected setOptimizerState(steps: number, state: (name: string) => Float32Array[]): void {
    this.stepper.restore(steps, state);
  }

  copyWeightsToModel(): void {
    // Training updates the model's weights in place.
  }

  close(): Promise<void> {
    this.stepper.dispose();
    return Promise.resolve();
  }

  /** Sums the L2 penalties of all layers. (tf.Sequential itself reports none.) */
  #penalty(): tf.Scalar {
    return this.model.layers.flatMap((layer) => layer.calculateLosses()).reduce<tf.Scalar>(
      (sum, loss) => tf.add(sum, loss),
      tf.scalar(0),
    );
  }
}

/** Batch size of validation. Affects results only by rounding. */
const VALIDATION_BATCH = 256;

async function copy(tensor: tf.Tensor): Promise<Float32Array> {
  return Float32Array.from(await readTensor(tensor));
}

/** Yields to the event loop, so that Ctrl-C is handled. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
