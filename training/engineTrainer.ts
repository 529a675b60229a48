/** Training steps in the project's own kernels, on all processors: for the layers that they know. */
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Rng } from "../compute/random.ts";
import { Engine, type Sums, type Tensors } from "../engine/engine.ts";
import { type ImageSource, readBytes } from "./images.ts";
import { networkOf } from "./network.ts";
import { type BatchResult, Mean, pick, type Trainer, type TrainerOptions } from "./trainer.ts";

export class EngineTrainer implements Trainer {
  readonly #model: LayersModel;
  readonly #engine: Engine;
  readonly #batchSize: number;

  private constructor(model: LayersModel, engine: Engine, batchSize: number) {
    this.#model = model;
    this.#engine = engine;
    this.#batchSize = batchSize;
  }

  /** @throws {UnsupportedNetwork} if the network has something that the engine lacks, saying what */
  static async open(options: TrainerOptions): Promise<EngineTrainer> {
    const { model, objective, learningRate, batchSize } = options;
    const network = networkOf(
      model,
      objective.loss === "categorical_crossentropy"
        ? "categoricalCrossentropy"
        : "meanAbsoluteError",
    );
    const engine = await Engine.compile(network, { batch: batchSize, learningRate });
    const trainer = new EngineTrainer(model, engine, batchSize);
    // Of a wasm tensor, dataSync is a copy already; of one on the cpu backend it is the data.
    trainer.setWeights(model.getWeights().map((weight) => weight.dataSync() as Float32Array));
    return trainer;
  }

  get steps(): number {
    return this.#engine.steps;
  }

  async step(
    images: Uint8Array,
    targets: number[],
    random: (layer: string) => Rng,
  ): Promise<BatchResult> {
    const rng = random("all");
    return means(await this.#engine.step(images, targets, [rng.int(2 ** 32), rng.int(2 ** 32)]));
  }

  async validate(
    images: ImageSource,
    targets: ArrayLike<number>,
    rows: Int32Array,
    signal: AbortSignal,
  ): Promise<BatchResult> {
    const mean = new Mean();
    const read = (start: number) => {
      const batch = rows.subarray(start, start + this.#batchSize);
      return { images: readBytes(images, batch), targets: pick(targets, batch) };
    };
    let next = read(0);
    for (let start = 0; start < rows.length; start += this.#batchSize) {
      const batch = next;
      const running = this.#engine.evaluate(batch.images, batch.targets);
      if (start + this.#batchSize < rows.length) next = read(start + this.#batchSize);
      mean.add(means(await running), batch.targets.length);
      signal.throwIfAborted();
    }
    return { loss: mean.loss, metric: mean.metric };
  }

  weights(): Promise<Float32Array[]> {
    return Promise.resolve(this.#weights());
  }

  #weights(): Float32Array[] {
    const weights = this.#engine.weights();
    return this.#model.weights.map(({ originalName }) => weights.get(originalName)!.data);
  }

  setWeights(weights: readonly Float32Array[]): void {
    this.#engine.setWeights(
      tensors(this.#model.weights.map(({ originalName }, i) => [originalName, weights[i]])),
    );
  }

  save(best: readonly Float32Array[]): Promise<Record<string, Float32Array>> {
    const arrays: Record<string, Float32Array> = {};
    const weights = this.#weights(), { m, v } = this.#engine.optimizerState();
    for (const [i, { originalName }] of this.#model.weights.entries()) {
      arrays[`weights/${originalName}`] = weights[i];
      arrays[`best/${originalName}`] = best[i];
    }
    for (const { originalName } of this.#model.trainableWeights) {
      arrays[`adam/mean/${originalName}`] = m.get(originalName)!.data;
      arrays[`adam/square/${originalName}`] = v.get(originalName)!.data;
    }
    return Promise.resolve(arrays);
  }

  restore(arrays: Record<string, Float32Array>, steps: number): Float32Array[] {
    const all = (part: string, of: { originalName: string }[]) =>
      of.map(({ originalName }) => arrays[`${part}/${originalName}`]);
    const { weights, trainableWeights } = this.#model;
    this.setWeights(all("weights", weights));
    const moments = (part: string) =>
      tensors(
        trainableWeights.map((
          { originalName },
        ) => [originalName, arrays[`${part}/${originalName}`]]),
      );
    this.#engine.setOptimizerState({
      step: steps,
      m: moments("adam/mean"),
      v: moments("adam/square"),
    });
    return all("best", weights);
  }

  handBack(): void {
    tf.tidy(() =>
      this.#model.setWeights(
        this.#weights().map((data, i) => tf.tensor(data, this.#model.weights[i].shape as number[])),
      )
    );
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

function means({ rows, loss, metric, penalty }: Sums): BatchResult {
  return { loss: loss / rows + penalty, metric: metric / rows };
}

function tensors(entries: [string, Float32Array][]): Tensors {
  return new Map(entries.map(([name, data]) => [name, { shape: [data.length], data }]));
}
