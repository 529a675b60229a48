/** Trainer on the engine: multi-threaded WebAssembly kernels for the supported layers. */
import * as tf from "@tensorflow/tfjs-core";
import { cores } from "../../packages/workers/cores.ts";
import {
  type CustomLoss,
  Engine,
  type Labels,
  type Loss,
  type Sums,
  UnsupportedNetwork,
} from "../../packages/engine/engine.ts";
import { readTensor } from "../../packages/compute/read_tensor.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { named, toEngineNetwork } from "./to_engine_network.ts";
import { defaultOptimizer } from "./optimizer.ts";
import type { Objective } from "./objective.ts";
import { type BatchResult, Trainer, type TrainerOptions } from "./trainer.ts";

export class EngineTrainer extends Trainer<Engine> {
  /** Names of the optimizer's state. */
  readonly #state: readonly string[];

  private constructor(options: TrainerOptions, engine: Engine) {
    super(options, engine, options.batchSize);
    this.#state = (options.optimizer ?? defaultOptimizer).definition.state;
  }

  /** Opens the engine. @throws {UnsupportedNetwork} naming the unsupported feature */
  static async open(options: TrainerOptions): Promise<EngineTrainer> {
    const { model, objective, learningRate, weightDecay = 0, batchSize, optimizer } = options;
    const { averaging = 0 } = options;
    const { definition, options: own, clipNorm } = optimizer ?? defaultOptimizer;
    if (!definition.engine) {
      throw new UnsupportedNetwork(`The fast engine has no optimizer "${definition.name}"`);
    }
    const network = toEngineNetwork(model, engineLoss(objective));
    const engine = await Engine.compile(network, {
      batch: batchSize,
      threads: cores(),
      learningRate,
      weightDecay,
      averaging,
      ...own,
      optimizer: definition.engine,
      clipNorm: clipNorm ?? Infinity,
    });
    const trainer = new EngineTrainer(options, engine);
    // dataSync copies on the wasm backend, but returns the tensor's own data on the cpu backend.
    trainer.setWeights(model.getWeights().map((weight) => weight.dataSync() as Float32Array));
    return trainer;
  }

  get computedBy(): string {
    const threads = `engine, ${counted(this.stepper.threads, "thread")}`;
    return this.objective.builtIn
      ? threads
      : `${threads}; loss "${lossName(this.objective)}" by TensorFlow.js (${tf.getBackend()})`;
  }

  async step(...[images, targets, random]: Parameters<Trainer["step"]>): Promise<BatchResult> {
    const rng = random("all");
    const key = [rng.int(2 ** 32), rng.int(2 ** 32)] as const;
    return this.#means(await this.stepper.step(images, this.#labels(targets), key), targets);
  }

  protected async evaluate(images: Uint8Array, targets: number[]): Promise<BatchResult> {
    const sums = await this.stepper.evaluate(images, this.#labels(targets));
    return await this.#means(sums, targets);
  }

  weights(): Promise<Float32Array[]> {
    return Promise.resolve(this.#weights());
  }

  #weights(values = this.stepper.weights(), of = this.model.weights): Float32Array[] {
    return of.map(({ originalName }) => values.get(originalName)!.data);
  }

  protected averages(): Float32Array[] {
    return this.#weights(this.stepper.averages());
  }

  setAverages(values: readonly Float32Array[]): void {
    this.stepper.setAverages(named(this.model.weights, values));
  }

  override setWeights(weights: readonly Float32Array[]): void {
    this.stepper.setWeights(named(this.model.weights, weights));
  }

  protected optimizerState(): Promise<Record<string, Float32Array[]>> {
    const state = this.stepper.optimizerState(), trained = this.model.trainableWeights;
    const arrays = this.#state.map((name) => [name, this.#weights(state[momentOf(name)], trained)]);
    return Promise.resolve(Object.fromEntries(arrays));
  }

  protected setOptimizerState(step: number, state: (name: string) => Float32Array[]): void {
    const moments = this.#state.map((name) =>
      [momentOf(name), named(this.model.trainableWeights, state(name))] as const
    );
    this.stepper.setOptimizerState({ step, ...Object.fromEntries(moments) });
  }

  override copyWeightsToModel(): void {
    super.setWeights(this.#weights());
  }

  close(): Promise<void> {
    return this.stepper.close();
  }

  #labels(targets: number[]): Labels {
    const { plain, builtIn } = this.objective;
    return builtIn && !plain ? this.objective.labels(targets) : targets;
  }

  /** Returns the result of the engine's last batch. */
  async #means(
    { rows, loss, metric, heads, penalty }: Sums,
    targets: number[],
  ): Promise<BatchResult> {
    const all = loss / rows + penalty, objective = this.objective;
    if (!objective.builtIn) {
      const output = tf.tensor2d(this.stepper.outputs(), [rows, objective.outputs]);
      try {
        return { loss: all, ...await objective.scoresOf(output, targets) };
      } finally {
        output.dispose();
      }
    }
    if (objective.plain) return { loss: all, metric: metric / rows };
    const losses = heads.map((sum) => sum / rows);
    const scores = objective.scores(this.stepper.outputs(), targets, losses);
    const whole = scores.length === 1 ? scores[0].metric : loss / rows;
    return { loss: all, metric: whole, heads: scores };
  }
}

/** Returns the engine's place of a part of an optimizer's state: mean squares are its second moment. */
const momentOf = (name: string) => name.endsWith("/square") ? "v" : "m";

/** Converts an objective's loss, or that of its heads, to the engine's. */
export function engineLoss(objective: Objective): Loss {
  if (!objective.builtIn) return customLoss(objective);
  if (objective.plain) return lossOf(objective.heads[0].loss);
  return objective.heads.map(({ loss, columns, weight }) => ({
    loss: lossOf(loss),
    columns,
    weight,
  }));
}

/** Computes a custom loss and its gradient by TensorFlow.js on the open backend. */
function customLoss(objective: Objective): CustomLoss {
  return async (outputs, labels, gradient) => {
    const targets = Array.from(labels);
    const [loss, slope] = tf.tidy(() => {
      const output = tf.tensor2d(outputs, [outputs.length / objective.outputs, objective.outputs]);
      if (gradient === undefined) return [objective.lossOf(output, targets), output];
      const { value, grad } = tf.valueAndGrad((x) => objective.lossOf(x, targets))(output);
      return [value, grad];
    });
    try {
      gradient?.set(await readTensor(slope));
      return (await readTensor(loss))[0];
    } finally {
      tf.dispose([loss, slope]);
    }
  };
}

/** Names the losses that the engine lacks, or all. */
function lossName({ heads }: Objective): string {
  const own = heads.filter(({ builtIn }) => !builtIn);
  return (own.length > 0 ? own : heads).map(({ loss }) => loss).join(" + ");
}

function lossOf(name: string): "categoricalCrossentropy" | "meanAbsoluteError" {
  return name === "categorical_crossentropy" ? "categoricalCrossentropy" : "meanAbsoluteError";
}
