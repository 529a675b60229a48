/**
 * Trains and runs the networks of engine/network.ts with WebAssembly kernels on several threads.
 *
 * The same seed, weights and batches give the same bytes on one machine, whatever the number of
 * threads: work is cut into pieces that depend on the batch alone, and sums have a fixed order.
 */
import type { Network } from "./network.ts";
import { CONTROL, dropoutSalt, type Plan, plan, type Tensor } from "./plan.ts";
import type { Report, Start } from "./worker.ts";

export { type Head, type Layer, type Loss, type Network, UnsupportedNetwork } from "./network.ts";

export interface EngineOptions {
  /** Rows in a batch, at most; a step may have fewer. */
  batch: number;
  /** Threads; as many as processors, up to 16, unless given. They do not show in the result. */
  threads?: number;
  /** Images come as bytes and are divided by this (255 unless given); `null`: they come as floats. */
  divisor?: number | null;
  /** Adam's numbers; Keras's defaults. */
  learningRate?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** What every kernel loses at each step, times the learning rate, as in AdamW; 0 unless given. */
  weightDecay?: number;
  /** Keeps every step's gradients, L2 included, for `gradients()`. */
  keepGradients?: boolean;
  /** Fused multiply-add where the runtime has it; true unless given. */
  relaxed?: boolean;
}

/** A tensor by name: `layer/kernel`, `layer/bias`, `layer/gamma`, `layer/moving_mean` ... */
export type Tensors = Map<string, { shape: readonly number[]; data: Float32Array }>;

/** Class numbers for `categoricalCrossentropy`; otherwise values, or heads' targets, `[rows, columns]`. */
export type Labels = ArrayLike<number>;

/** Sums over the rows of a batch, so that an epoch's mean is their sum over its rows. */
export interface Sums {
  rows: number;
  /** Sum of the rows' losses, without the L2 penalty. */
  loss: number;
  /** Right answers, or the sum of absolute errors; with heads 0, see `outputs`. */
  metric: number;
  /** Of each head the sum of the rows' losses, not weighted. */
  heads: number[];
  /** The L2 penalty of the weights that the batch saw; the batch's loss is `loss / rows + penalty`. */
  penalty: number;
}

/** Adam's moments, named as the weights, and the number of steps that it took. */
export interface OptimizerState {
  step: number;
  m: Tensors;
  v: Tensors;
}

export class Engine {
  #plan: Plan;
  #options: Required<EngineOptions>;
  #workers: Worker[];
  #buffer: ArrayBufferLike;
  #ints: Int32Array;
  #floats: Float32Array;
  #doubles: Float64Array;
  #bytes: Uint8Array;
  #step = 0;
  #penalty: number | undefined;
  #running: PromiseWithResolvers<void> | undefined;
  #broken: Error | undefined;
  /** Adam's learning rate; may change between steps. */
  learningRate: number;

  private constructor(
    plan: Plan,
    options: Required<EngineOptions>,
    memory: WebAssembly.Memory,
    workers: Worker[],
  ) {
    this.#plan = plan;
    this.#options = options;
    this.#workers = workers;
    this.#buffer = memory.buffer;
    this.#ints = new Int32Array(memory.buffer);
    this.#floats = new Float32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
    this.learningRate = options.learningRate;
  }

  /** Plans the network and starts the threads. Weights are zero until `setWeights`. */
  static async compile(network: Network, options: EngineOptions): Promise<Engine> {
    const all: Required<EngineOptions> = {
      threads: Math.min(navigator.hardwareConcurrency, 16),
      divisor: 255,
      learningRate: 1e-3,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-7,
      weightDecay: 0,
      keepGradients: false,
      relaxed: true,
      ...options,
    };
    const { batch, threads } = all;
    if (!(Number.isInteger(batch) && batch > 0 && Number.isInteger(threads) && threads > 0)) {
      throw new RangeError(
        `Cannot compile for a batch of ${batch} on ${threads} threads: both must be whole and above 0`,
      );
    }
    const compiled = plan(network, { batch, threads, divisor: all.divisor ?? undefined });
    const pages = Math.ceil(compiled.bytes / 65536);
    if (pages > 65535) {
      throw new RangeError(
        `Cannot compile for a batch of ${batch}: it takes ${
          (compiled.bytes / 2 ** 30).toFixed(1)
        } GiB and WebAssembly has 4. Take a smaller batch`,
      );
    }
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const ints = new Int32Array(memory.buffer);
    const module = await loadKernels(all.relaxed);
    // The kernels' constants are written when the first thread starts; ours lie above.
    for (const [address, words] of compiled.words) ints.set(words, address / 4);
    ints[CONTROL.threads / 4] = threads;
    ints[CONTROL.keepGradients / 4] = Number(all.keepGradients);
    const floats = new Float32Array(memory.buffer);
    floats[CONTROL.beta1 / 4] = 1 - all.beta1;
    floats[CONTROL.beta2 / 4] = 1 - all.beta2;
    floats[CONTROL.epsilon / 4] = all.epsilon;
    const workers = Array.from(
      { length: threads },
      () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }),
    );
    const engine = new Engine(compiled, all, memory, workers);
    try {
      await Promise.all(workers.map((worker, thread) => {
        const ready = Promise.withResolvers<void>();
        worker.onmessage = ({ data }: MessageEvent<Report>) => {
          if ("error" in data) engine.#fail(data.error);
          else if ("done" in data) engine.#finish();
          else ready.resolve();
        };
        worker.onerror = (event) => {
          event.preventDefault();
          ready.reject(new Error(`Cannot start the engine's threads: ${event.message}`));
          engine.#fail(event.message);
        };
        worker.postMessage({ module, memory, thread } satisfies Start);
        return ready.promise;
      }));
    } catch (error) {
      for (const worker of workers) worker.terminate();
      throw error;
    }
    return engine;
  }

  /** Bytes of memory that the engine holds. */
  get bytes(): number {
    return this.#buffer.byteLength;
  }

  get threads(): number {
    return this.#options.threads;
  }

  /** Steps that the optimiser took. */
  get steps(): number {
    return this.#step;
  }

  /**
   * One step of training on `rows` images, `[rows, height, width, channels]`. Dropout's masks
   * depend on `key` alone (two whole numbers): give each step its own.
   */
  async step(
    images: ArrayLike<number>,
    labels: Labels,
    key: readonly [number, number] = [0, this.#step],
  ): Promise<Sums> {
    const rows = this.#load(images, labels);
    const { beta1, beta2, weightDecay } = this.#options;
    const t = this.#step + 1;
    this.#floats[CONTROL.rate / 4] = this.learningRate * Math.sqrt(1 - beta2 ** t) /
      (1 - beta1 ** t);
    this.#floats[CONTROL.decay / 4] = this.learningRate * weightDecay;
    this.#ints[CONTROL.key / 4] = key[0];
    this.#ints[CONTROL.key / 4 + 1] = key[1];
    await this.#run(this.#plan.programs.train, rows);
    this.#step = t;
    this.#penalty = undefined;
    return this.#sums(rows, this.#penalties());
  }

  /** Loss and metric of a batch as in inference: moving statistics, no dropout. */
  async evaluate(images: ArrayLike<number>, labels: Labels): Promise<Sums> {
    const rows = this.#load(images, labels);
    if (this.#penalty === undefined) {
      await this.#run(this.#plan.programs.penalty, rows);
      this.#penalty = this.#penalties();
    }
    await this.#run(this.#plan.programs.infer, rows);
    return this.#sums(rows, this.#penalty);
  }

  /**
   * What the network said of the batch that was last stepped on or evaluated, `[rows, columns]`:
   * probabilities, or values.
   */
  outputs(): Float32Array {
    const { address, columns } = this.#plan.outputs;
    const rows = this.#ints[CONTROL.rows / 4];
    return this.#floats.slice(address / 4, address / 4 + rows * columns);
  }

  /** Outputs of any number of images, `[rows, columns]`: probabilities, or values. */
  async predict(
    images: ArrayLike<number> & { subarray(from: number, to: number): ArrayLike<number> },
  ) {
    const { network, outputs, batch } = this.#plan;
    const size = network.input.reduce((a, b) => a * b);
    const rows = images.length / size;
    const all = new Float32Array(rows * outputs.columns);
    for (let from = 0; from < rows; from += batch) {
      const some = this.#load(images.subarray(from * size, Math.min(from + batch, rows) * size));
      await this.#run(this.#plan.programs.infer, some);
      const at = outputs.address / 4;
      all.set(this.#floats.subarray(at, at + some * outputs.columns), from * outputs.columns);
    }
    return all;
  }

  /** All weights, in the layers' order: kernel, bias, gamma, beta, then the moving statistics. */
  weights(): Tensors {
    return this.#read(this.#plan.tensors, 0);
  }

  /** Replaces the weights that are given. Throws if a name or a size is unknown. */
  setWeights(weights: Tensors): void {
    this.#write(weights, 0);
    this.#penalty = undefined;
  }

  optimizerState(): OptimizerState {
    const trainable = this.#plan.tensors.filter((tensor) => tensor.trainable);
    const [m, v] = this.#plan.moments;
    return { step: this.#step, m: this.#read(trainable, m), v: this.#read(trainable, v) };
  }

  setOptimizerState({ step, m, v }: OptimizerState): void {
    this.#write(m, this.#plan.moments[0]);
    this.#write(v, this.#plan.moments[1]);
    this.#step = step;
  }

  /** Gradients of the last step, L2 included; only with `keepGradients`. */
  gradients(): Tensors {
    return this.#read(this.#plan.tensors.filter((t) => t.trainable), this.#plan.gradient);
  }

  /** Ends the threads. A running step is waited for. */
  async close(): Promise<void> {
    await this.#running?.promise.catch(() => {});
    this.#broken ??= new Error("The engine is closed");
    this.#ints[CONTROL.program / 4] = 0;
    Atomics.add(this.#ints, CONTROL.command / 4, 1);
    Atomics.notify(this.#ints, CONTROL.command / 4);
    for (const worker of this.#workers) worker.terminate();
  }

  /** Writes a batch into memory and returns its rows. */
  #load(images: ArrayLike<number>, labels?: Labels): number {
    if (this.#broken) throw this.#broken;
    if (this.#running) {
      throw new Error("The engine is at work: await its last call before the next");
    }
    const { network, batch, input, outputs, labels: at } = this.#plan;
    const size = network.input.reduce((a, b) => a * b);
    const rows = images.length / size;
    if (!Number.isInteger(rows) || rows < 1 || rows > batch) {
      throw new RangeError(
        `Cannot take ${images.length} numbers as images: expected 1 to ${batch} times ${
          network.input.join(" x ")
        }`,
      );
    }
    if (input.floats) this.#floats.set(images, input.address / 4);
    else this.#bytes.set(images, input.address);
    if (labels) {
      const classes = network.loss === "categoricalCrossentropy";
      const wanted = classes ? rows : rows * outputs.columns;
      if (labels.length !== wanted) {
        throw new RangeError(`Cannot take ${labels.length} labels: expected ${wanted}`);
      }
      (classes ? this.#ints : this.#floats).set(labels, at / 4);
    }
    return rows;
  }

  #run(program: number, rows: number): Promise<void> {
    const { counters } = this.#plan, ints = this.#ints;
    const running = this.#running = Promise.withResolvers<void>();
    ints.fill(0, counters.address / 4, counters.address / 4 + counters.count * 16);
    ints[CONTROL.rows / 4] = rows;
    ints[CONTROL.done / 4] = 0;
    ints[CONTROL.program / 4] = program;
    Atomics.add(ints, CONTROL.command / 4, 1);
    Atomics.notify(ints, CONTROL.command / 4);
    return running.promise;
  }

  #finish(): void {
    const running = this.#running;
    this.#running = undefined;
    running?.resolve();
  }

  #fail(message: string): void {
    this.#broken ??= new Error(`The engine stopped: ${message}`);
    for (const worker of this.#workers) worker.terminate();
    this.#running?.reject(this.#broken);
    this.#running = undefined;
  }

  #penalties(): number {
    const { address, count } = this.#plan.penalties;
    let sum = 0;
    for (let n = 0; n < count; n++) sum += this.#doubles[address / 8 + n];
    return sum;
  }

  #sums(rows: number, penalty: number): Sums {
    const { network, heads: { address, count } } = this.#plan;
    const heads = Array.from(this.#doubles.subarray(address / 8, address / 8 + count));
    if (typeof network.loss !== "string") {
      const loss = network.loss.reduce((sum, { weight }, n) => sum + weight * heads[n], 0);
      return { rows, loss, metric: 0, heads, penalty };
    }
    return {
      rows,
      loss: this.#doubles[CONTROL.loss / 8],
      metric: this.#doubles[CONTROL.metric / 8],
      heads,
      penalty,
    };
  }

  #read(tensors: readonly Tensor[], distance: number): Tensors {
    return new Map(tensors.map((tensor) => {
      const data = new Float32Array(tensor.groups * tensor.rows * tensor.columns);
      forEach(tensor, (logical, packed) => data[logical] = this.#floats[packed + distance / 4]);
      return [tensor.name, { shape: tensor.shape, data }];
    }));
  }

  #write(values: Tensors, distance: number): void {
    if (this.#running) {
      throw new Error("The engine is at work: await its last call before the next");
    }
    for (const [name, { data }] of values) {
      const tensor = this.#plan.tensors.find((tensor) => tensor.name === name);
      if (!tensor || data.length !== tensor.groups * tensor.rows * tensor.columns) {
        throw new RangeError(
          `Cannot set "${name}": ` +
            (tensor
              ? `it has ${tensor.shape.join(" x ")} numbers, not ${data.length}`
              : `the network has only ${this.#plan.tensors.map((t) => t.name).join(", ")}`),
        );
      }
      forEach(tensor, (logical, packed) => this.#floats[packed + distance / 4] = data[logical]);
    }
  }
}

/** Calls with the index of each number in `[groups, rows, columns]` and in the packed panels. */
function forEach(tensor: Tensor, visit: (logical: number, packed: number) => void): void {
  const { groups, rows, paddedRows, columns } = tensor;
  let logical = 0;
  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r++) {
      const row = tensor.address / 4 + (g * paddedRows + r) * 8;
      for (let c = 0; c < columns; c++) {
        visit(logical++, row + (c >> 3) * groups * paddedRows * 8 + (c & 7));
      }
    }
  }
}

/** The kernels with relaxed SIMD if that is wanted and the runtime has it, else with plain SIMD. */
async function loadKernels(relaxed: boolean): Promise<WebAssembly.Module> {
  if (relaxed) {
    const bytes = await Deno.readFile(new URL("./engine.wasm", import.meta.url));
    if (WebAssembly.validate(bytes)) return await WebAssembly.compile(bytes);
  }
  return await WebAssembly.compile(
    await Deno.readFile(new URL("./engine.simd.wasm", import.meta.url)),
  );
}

/**
 * The dropout mask of a step, as the kernels draw it: whether each of `[rows, units]` is kept.
 * `block` counts convolutions and dense layers from 0.
 */
export function dropoutMask(
  key: readonly [number, number],
  block: number,
  rate: number,
  rows: number,
  units: number,
): Uint8Array {
  const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1);
  const kept = new Uint8Array(rows * units);
  for (let row = 0; row < rows; row++) {
    for (let unit = 0; unit < units; unit++) {
      let x = Math.imul(row << 16 | unit, 0x9E3779B1) + (key[0] ^ dropoutSalt(block)) | 0;
      x = Math.imul(x ^ x >>> 16, 0x85EBCA6B);
      x = Math.imul(x ^ x >>> 13 ^ key[1], 0xC2B2AE35);
      x = Math.imul(x ^ x >>> 16, 0x7FEB352D);
      kept[row * units + unit] = Number((x ^ x >>> 15) >>> 0 >= threshold);
    }
  }
  return kept;
}
