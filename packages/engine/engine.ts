/**
 * Trains and runs the networks of packages/engine/engine_network.ts with WebAssembly kernels on several threads.
 *
 * Equal seeds, weights and batches give equal bytes on one machine, for any number of threads:
 * the work is divided by the batch alone, and sums have a fixed order.
 */
import { Control, Optimizer } from "./assembly/abi.ts";
import { InlineRunner, type Runner } from "./run/inline_runner.ts";
import type { Network } from "./engine_network.ts";
import { type Plan, plan } from "./engine_plan.ts";
import { readTensors, type Tensors, writeTensors } from "./run/tensors.ts";
import { Threads } from "./run/threads.ts";
import type { EngineOptions, Labels, OptimizerState, Sums } from "./types.ts";

export type { Tensors } from "./run/tensors.ts";
export type { EngineOptions, Labels, OptimizerState, Sums } from "./types.ts";
export {
  type CustomLoss,
  type Head,
  type Layer,
  type Loss,
  type Network,
  UnsupportedNetwork,
} from "./engine_network.ts";

/** Equal to the maximum number of chunks in a batch. */
const MAX_THREADS = 16;

export class Engine {
  #plan: Plan;
  #options: Required<EngineOptions>;
  #runner: Runner;
  #ints: Int32Array;
  #floats: Float32Array;
  #doubles: Float64Array;
  #bytes: Uint8Array;
  #step = 0;
  #penalty: number | undefined;
  /** May change between steps. */
  learningRate: number;

  private constructor(
    plan: Plan,
    options: Required<EngineOptions>,
    memory: WebAssembly.Memory,
    runner: Runner,
  ) {
    this.#plan = plan;
    this.#options = options;
    this.#runner = runner;
    this.#ints = new Int32Array(memory.buffer);
    this.#floats = new Float32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
    this.learningRate = options.learningRate;
    // The first thread has written the kernels' constants at its start; these words lie above them.
    for (const [address, words] of plan.words) this.#ints.set(words, address / 4);
    this.#ints[Control.keepGradients / 4] = Number(options.keepGradients);
    this.#ints[Control.optimizer / 4] = Optimizer[options.optimizer];
    this.#ints[Control.nesterov / 4] = Number(options.nesterov && options.optimizer === "sgd");
    this.#floats[Control.beta1 / 4] = 1 - options.beta1;
    this.#floats[Control.beta2 / 4] = 1 -
      (options.optimizer === "rmsprop" ? options.rho : options.beta2);
    this.#floats[Control.momentum / 4] = options.momentum;
    this.#floats[Control.clipNorm / 4] = options.clipNorm;
    this.#floats[Control.epsilon / 4] = options.epsilon;
  }

  /** Plans the network and starts the threads. Weights are zero until `setWeights`. */
  static async compile(network: Network, options: EngineOptions): Promise<Engine> {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    const all: Required<EngineOptions> = {
      batch: options.batch,
      threads: navigator.hardwareConcurrency,
      divisor: 255,
      optimizer: "adam",
      learningRate: 1e-3,
      beta1: 0.9,
      beta2: 0.999,
      momentum: 0,
      nesterov: false,
      rho: 0.9,
      epsilon: 1e-7,
      clipNorm: Infinity,
      weightDecay: 0,
      averaging: 0,
      keepGradients: false,
      relaxed: true,
      ...Object.fromEntries(given),
    };
    all.threads = Math.min(all.threads, MAX_THREADS);
    const { batch, threads } = all;
    if (!(Number.isInteger(batch) && batch > 0 && Number.isInteger(threads) && threads >= 0)) {
      throw new RangeError(
        `Cannot compile for a batch of ${batch} on ${threads} threads: both must be integers, the batch at least 1 and the threads at least 0`,
      );
    }
    const compiled = plan(network, {
      batch,
      threads: Math.max(1, threads),
      divisor: all.divisor ?? undefined,
      clips: all.clipNorm < Infinity,
      averages: all.averaging > 0,
    });
    const pages = Math.ceil(compiled.bytes / 65536);
    if (pages > 65535) {
      const size = (compiled.bytes / 2 ** 30).toFixed(1);
      throw new Error(
        `Cannot compile for a batch of ${batch}: it takes ${size} GiB, and WebAssembly is limited to ` +
          "4 GiB. Use a smaller batch or network",
      );
    }
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const module = await loadKernels(all.relaxed);
    const runner = threads === 0
      ? new InlineRunner(module, memory, compiled.counters)
      : await Threads.start(threads, module, memory, compiled.counters);
    return new Engine(compiled, all, memory, runner);
  }

  get threads(): number {
    return this.#options.threads;
  }

  /** Steps of the optimizer. */
  get steps(): number {
    return this.#step;
  }

  /**
   * Takes one training step on `rows` images, `[rows, height, width, channels]`. Dropout masks
   * depend on `key` alone (two integers): use a different key for each step.
   */
  async step(
    images: ArrayLike<number>,
    labels: Labels,
    key: readonly [number, number] = [0, this.#step],
  ): Promise<Sums> {
    const rows = this.#load(images, labels);
    const { optimizer, beta1, beta2, weightDecay, averaging } = this.#options;
    const t = this.#step + 1;
    const correction = optimizer === "adam" ? Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) : 1;
    this.#floats[Control.rate / 4] = this.learningRate * correction;
    this.#floats[Control.decay / 4] = this.learningRate * weightDecay;
    this.#doubles[Control.share / 8] = 1 - Math.min(averaging, (1 + t) / (10 + t));
    this.#ints[Control.key / 4] = key[0];
    this.#ints[Control.key / 4 + 1] = key[1];
    const { programs: { train, back }, outputs: { columns, row, gradient: at } } = this.#plan;
    await this.#runner.run(train, rows);
    let custom: number | undefined;
    if (back !== undefined) {
      const gradient = new Float32Array(rows * columns);
      custom = await this.#custom(labels, gradient);
      for (let r = 0; r < rows; r++) {
        this.#floats.set(gradient.subarray(r * columns, (r + 1) * columns), (at + r * row) / 4);
      }
      await this.#runner.run(back, rows);
    }
    this.#step = t;
    this.#penalty = undefined;
    return this.#sums(rows, this.#penalties(), custom);
  }

  /** Computes loss and metric of a batch in inference mode: moving statistics, no dropout. */
  async evaluate(images: ArrayLike<number>, labels: Labels): Promise<Sums> {
    const rows = this.#load(images, labels);
    if (this.#penalty === undefined) {
      await this.#runner.run(this.#plan.programs.penalty, rows);
      this.#penalty = this.#penalties();
    }
    await this.#runner.run(this.#plan.programs.infer, rows);
    return this.#sums(rows, this.#penalty, await this.#custom(labels));
  }

  /** Computes the mean custom loss of the current batch. */
  async #custom(labels: Labels, gradient?: Float32Array): Promise<number | undefined> {
    const { loss } = this.#plan.network;
    return typeof loss === "function" ? await loss(this.outputs(), labels, gradient) : undefined;
  }

  /**
   * Returns the outputs of the last batch of `step` or `evaluate`, `[rows, columns]`: probabilities or
   * values; with a custom loss, its inputs.
   */
  outputs(): Float32Array {
    const { address, columns, row } = this.#plan.outputs;
    const outputs = new Float32Array(this.#ints[Control.rows / 4] * columns);
    for (let r = 0; r * columns < outputs.length; r++) {
      const at = (address + r * row) / 4;
      outputs.set(this.#floats.subarray(at, at + columns), r * columns);
    }
    return outputs;
  }

  /** Predicts any number of images, `[rows, columns]`: probabilities or values. */
  async predict(
    images: ArrayLike<number> & { subarray(from: number, to: number): ArrayLike<number> },
  ): Promise<Float32Array<ArrayBuffer>> {
    const { network, outputs, batch } = this.#plan;
    const size = network.input.reduce((a, b) => a * b);
    const rows = Math.ceil(images.length / size); // a part of an image is an error of its batch
    const all = new Float32Array(rows * outputs.columns);
    for (let from = 0; from < rows; from += batch) {
      const part = images.subarray(from * size, Math.min(from + batch, rows) * size);
      await this.#runner.run(this.#plan.programs.infer, this.#load(part));
      all.set(this.outputs(), from * outputs.columns);
    }
    return all;
  }

  /** Returns all weights, in layer order: kernel, bias, gamma, beta, then the moving statistics. */
  weights(): Tensors {
    return readTensors(this.#plan.tensors, this.#floats, 0);
  }

  /** Replaces the given weights. @throws if a name is unknown or a size differs */
  setWeights(weights: Tensors): void {
    this.#write(weights, 0);
    this.#penalty = undefined;
  }

  /** Returns the moving averages of all weights, which are zero until `setAverages`. */
  averages(): Tensors {
    return readTensors(this.#plan.averages, this.#floats, 0);
  }

  setAverages(values: Tensors): void {
    this.#write(values, 0, this.#plan.averages);
  }

  optimizerState(): OptimizerState {
    const [m, v] = this.#plan.moments;
    return { step: this.#step, m: this.#trainable(m), v: this.#trainable(v) };
  }

  /** @param state what `optimizerState` returned; a part that the optimizer lacks may be missing */
  setOptimizerState(
    { step, m = new Map(), v = new Map() }: Pick<OptimizerState, "step"> & Partial<OptimizerState>,
  ): void {
    this.#write(m, this.#plan.moments[0]);
    this.#write(v, this.#plan.moments[1]);
    this.#step = step;
  }

  /** Returns the gradients of the last step, L2 included; requires `keepGradients`. */
  gradients(): Tensors {
    return this.#trainable(this.#plan.gradient);
  }

  /** Stops the threads after the running step. */
  close(): Promise<void> {
    return this.#runner.close();
  }

  /** Writes a batch into memory and returns its rows. */
  #load(images: ArrayLike<number>, labels?: Labels): number {
    this.#runner.assertIdle();
    const { network, batch, input, outputs, labels: at } = this.#plan;
    const size = network.input.reduce((a, b) => a * b);
    const rows = images.length / size;
    if (!Number.isInteger(rows) || rows < 1 || rows > batch) {
      const shape = network.input.join(" x ");
      throw new RangeError(
        `Cannot read ${images.length} numbers as images: expected 1 to ${batch} times ${shape}`,
      );
    }
    if (input.floats) this.#floats.set(images, input.address / 4);
    else this.#bytes.set(images, input.address);
    if (labels && typeof network.loss !== "function") {
      const classes = network.loss === "categoricalCrossentropy";
      const wanted = classes ? rows : rows * outputs.columns;
      if (labels.length !== wanted) {
        throw new RangeError(`Cannot read ${labels.length} labels: expected ${wanted}`);
      }
      const last = outputs.columns - 1, isClass = (n: number) => n >= 0 && n <= last && n % 1 === 0;
      const wrong = classes ? Array.from(labels).find((label) => !isClass(label)) : undefined;
      if (wrong !== undefined) {
        throw new RangeError(`Cannot read the label ${wrong}: expected a class, 0 to ${last}`);
      }
      (classes ? this.#ints : this.#floats).set(labels, at / 4);
    }
    return rows;
  }

  #write(values: Tensors, byteOffset: number, tensors = this.#plan.tensors): void {
    this.#runner.assertIdle();
    writeTensors(values, tensors, this.#floats, byteOffset);
  }

  /** Reads the tensors at an offset from the trainable ones. */
  #trainable(byteOffset: number): Tensors {
    const trainable = this.#plan.tensors.filter((tensor) => tensor.trainable);
    return readTensors(trainable, this.#floats, byteOffset);
  }

  #penalties(): number {
    const { address, count } = this.#plan.penalties;
    let sum = 0;
    for (let n = 0; n < count; n++) sum += this.#doubles[address / 8 + n];
    return sum;
  }

  #sums(rows: number, penalty: number, custom?: number): Sums {
    const { network, heads: { address, count } } = this.#plan;
    const heads = Array.from(this.#doubles.subarray(address / 8, address / 8 + count));
    if (custom !== undefined) return { rows, loss: custom * rows, metric: 0, heads, penalty };
    if (typeof network.loss === "object") {
      const loss = network.loss.reduce((sum, { weight }, n) => sum + weight * heads[n], 0);
      return { rows, loss, metric: 0, heads, penalty };
    }
    const loss = this.#doubles[Control.loss / 8];
    const right = this.#doubles[Control.metric / 8];
    const metric = network.loss === "meanAbsoluteError" ? loss : right;
    return { rows, loss, metric, heads, penalty };
  }
}

/** Loads the kernels with relaxed SIMD if requested and supported, else with plain SIMD. */
async function loadKernels(relaxed: boolean): Promise<WebAssembly.Module> {
  if (relaxed) {
    const bytes = await readBytes(new URL("./engine.wasm", import.meta.url));
    if (WebAssembly.validate(bytes)) return await WebAssembly.compile(bytes);
  }
  return await WebAssembly.compile(await readBytes(new URL("./engine.simd.wasm", import.meta.url)));
}

/** Reads beside this module: a file, or from where the package was imported. */
async function readBytes(url: URL): Promise<ArrayBuffer> {
  return await (await fetch(url)).arrayBuffer();
}
