/** Builds the operations of a graph: what its layers share. */
import { Activation, type Kernel } from "../assembly/abi.ts";
import type { Allocator } from "./allocator.ts";
import { layerDeclarations } from "./layers/mod.ts";
import { Buffer, type Operation, type Schedule } from "./operations.ts";
import { collectParameters, type optimizerTable, type Parts } from "./parameters.ts";
import { bits, type KernelRecord, overItems, record, type Stage, type Word } from "./program.ts";
import { product, rowBytes, upTo8 } from "./shapes.ts";
import {
  copy,
  type GraphLayer,
  type GraphTensor,
  kernel,
  type LayerDeclaration,
  type Lazy,
  linear,
  type Shape,
  type WeightDeclarer,
  type Weights,
} from "./graph_layer.ts";

/** A kernel with the words behind its operands. */
type Forward = [name: keyof typeof Kernel, words: readonly Word[]];
/** The same; its operands are d, `reads` and dx, and `add` follows the words. */
type Backward = [...Forward, reads?: readonly Buffer[]];

/** A kernel over items that prepares weights. */
type Preparation = [name: keyof typeof Kernel, count: number, words: readonly Word[]];

/** Memory of each thread. */
interface SharedMemory {
  readonly packs: number;
  readonly packStep: number;
  readonly tiles: number;
  readonly tileStep: number;
  readonly plane: number;
  readonly sums: readonly { address: number; step: number }[];
}

/** Bytes of a tile between the two directions of its transform: packages/engine/assembly/tiles/f4.ts. */
const SQUARE = 6 * 6 * 16;

/** Returns what the engine needs of a layer's kind. */
const declarationOf = ({ kind }: GraphLayer) => layerDeclarations[kind] as LayerDeclaration;

/**
 * In this order: `declare` the layers; for training and for inference `start`, `readInput`, `forward`
 * each layer, and for training `backward`; `allocateShared`, and set `optimizer`. Until then an
 * operation is a function that returns its records, since addresses are not known.
 */
export class GraphBuilder {
  /** Shape of each layer's output, without the batch. */
  readonly shapes: Shape[] = [];
  /** Parts of the gradients of weights, by the weights' address. */
  readonly parts = new Map<number, Parts>();
  /** Bytes from a weight to its gradient. */
  gradientOffset = 0;
  /** As many as the widest layer has channels. */
  zeros = 0;
  ones = 0;
  /** Known when records are written, as is `shared`. */
  optimizer!: ReturnType<typeof optimizerTable> & { readonly moments: readonly [number, number] };
  shared!: SharedMemory;
  schedule!: Schedule;
  training = false;
  readonly #memory: Allocator;
  readonly #weights = new Map<GraphLayer, Weights>();
  readonly #memoryOf = new Map<GraphLayer, Weights>();
  #backward: (() => void)[] = [];
  /** Kernels that prepare weights: for the forward pass, then for the backward pass. */
  #prepared: Preparation[][] = [[], []];
  #padded: GraphTensor | undefined;
  /** Largest needs of all layers, bytes. */
  readonly scratch = { pack: 0, plane: 0, planes: 0 };
  readonly #sums: number[] = [];
  /** Gradient sums of Winograd's algorithm in use, by level. */
  readonly #sumsOfLevel = new Map<number, number>();

  constructor(
    memory: Allocator,
    readonly sizes: { batch: number; threads: number; chunks: number },
  ) {
    this.#memory = memory;
  }

  /** Computes shapes, and allocates weights and constants. */
  declare(input: Shape, layers: readonly GraphLayer[]) {
    const { tensors, parameters, parameter, end } = collectParameters(this.#memory);
    const later: (() => void)[] = [];
    for (const [index, layer] of layers.entries()) {
      const shapes = layer.inputs.map((n) => n < 0 ? input : this.shapes[n]);
      const { shape, weights } = declarationOf(layer);
      this.shapes.push(shape?.(layer, shapes) ?? shapes[0]);
      const own: WeightDeclarer["parameter"] = (name, shape, packing, l2) =>
        parameter(name, shape, packing, l2, !layer.frozen);
      const made = weights?.(layer, shapes[0], {
        parameter: own,
        vector: (name, length, l2) => own(name, [length], [1, 1, 1, length], l2),
        panels(rows) {
          parameters.at(-1)!.dense = { b: index, rows };
          return index;
        },
        moving: (weights, name, suffixes, channels) =>
          // Behind all weights.
          void later.push(() => {
            for (const suffix of suffixes) {
              const place = [1, 1, 1, channels] as const;
              weights[suffix] = parameter(`${name}/${suffix}`, [channels], place, 0, false);
            }
          }),
      });
      this.#weights.set(layer, made ?? {});
    }
    for (const allocate of later) allocate();
    const twice = tensors.find(({ name }, i) => tensors.findLastIndex((t) => t.name === name) > i);
    if (twice) {
      throw new RangeError(`Cannot compile a network of two "${twice.name}": rename a layer`);
    }
    const { moments, gradient } = end();
    this.gradientOffset = gradient;
    const widest = Math.max(...[input, ...this.shapes].map((shape) => upTo8(shape.at(-1)!)));
    this.zeros = this.#memory.allocate(widest * 4);
    this.ones = this.#memory.place(new Int32Array(widest).fill(bits([1])));
    return { tensors, parameters, moments, gradient };
  }

  /** Begins a pass; returns the stages that prepare the weights for it. */
  start(schedule: Schedule, training: boolean): { stages(): Stage[] } {
    this.schedule = schedule;
    this.training = training;
    this.#padded = undefined;
    const prepared: Preparation[][] = this.#prepared = [[], []];
    return {
      stages: () =>
        prepared.map((kernels) => {
          let first = 0;
          return overItems(kernels.map(([name, count, words]) => {
            first += count;
            return record(name, first - count, count, words);
          }));
        }),
    };
  }

  /** Adds a kernel that prepares weights for a pass. */
  prepare(
    pass: "forward" | "backward",
    name: keyof typeof Kernel,
    count: number,
    words: readonly Word[],
  ): void {
    this.#prepared[Number(pass === "backward")].push([name, count, words]);
  }

  /** Runs the backward pass of all layers, in reverse. */
  backward(): void {
    for (const step of this.#backward.reverse()) step();
    this.#backward = [];
  }

  /**
   * Returns the images, which are converted where they are read.
   * @param rows true if a dense layer reads them
   */
  readInput(
    { address, floats, divisor }: { address: number; floats: boolean; divisor?: number },
    [height, width, channels]: Shape,
    rows: boolean,
  ): GraphTensor {
    const shape = [height, width, channels], numbers = product(shape);
    const value = new Buffer(rows ? rowBytes(numbers) : numbers * 4);
    const kernel = floats ? "inputFloats" : "inputBytes",
      size = { inHeight: height, inWidth: width };
    const lazy: Lazy = {
      reads: [],
      compute: ([first, step, image], { inHeight, inWidth }, row) =>
        record(kernel, 0, 0, [
          ...[address, inWidth * channels, inHeight, first, image, row, step],
          [divisor ?? 1],
        ]),
      store: () => {
        lazy.store = undefined;
        this.add([], [value], () => [lazy.compute(value.words, size, width * channels * 4)]);
      },
    };
    return { ...this.tensor(shape, false, value, channels * 4), lazy };
  }

  /** Adds a layer's operations. @param value where its output goes, for the last layer */
  forward(layer: GraphLayer, inputs: GraphTensor[], value?: Buffer): GraphTensor {
    const { unpadded, normalizes, operations } = declarationOf(layer);
    if (!normalizes?.(layer)) { for (const { lazy } of inputs) lazy?.store?.(); }
    const padded = (x: GraphTensor) => {
      if (x.step === upTo8(x.channels) * 4) return x;
      x.lazy?.store?.();
      return this.#padded ??= this.repack(x, x.shape);
    };
    const taken = unpadded ? inputs : inputs.map(padded);
    for (const { slot } of taken) slot.readers++;
    return operations(this, layer, taken, this.#weights.get(layer)!, value);
  }

  // Building blocks of layers.

  tensor(
    shape: Shape,
    trained: boolean,
    value?: Buffer,
    step = upTo8(shape.at(-1)!) * 4,
  ): GraphTensor {
    const positions = product(shape.slice(0, -1)), own = value ?? new Buffer(positions * step);
    const gradient = trained && this.training ? new Buffer(own.image) : undefined;
    const channels = shape.at(-1)!, slot = { gradient, readers: 0 };
    return { shape, channels, positions, step, trained, value: own, slot };
  }

  add(reads: readonly Buffer[], writes: Buffer[], kernels: () => KernelRecord[]): Operation {
    return this.schedule.add({ reads, writes, kernels });
  }

  /** Adds an operation that writes a gradient; `add` is 1 if another one has written it before. */
  toGradient(
    target: Buffer,
    reads: readonly Buffer[],
    kernels: (add: number) => KernelRecord[],
  ): void {
    const write = () => kernels(Number(target.first !== operation));
    const operation = this.add([...reads], [target], write);
  }

  onBackward(step: () => void): void {
    if (this.training) this.#backward.push(step);
  }

  /**
   * Adds a layer of one input: kernels forward, and backward to the gradient of its input.
   * @param options.learns true if it has weights: then it learns even if no weights before it do
   */
  unary(
    x: GraphTensor,
    y: GraphTensor,
    [name, words]: Forward,
    [gradient, itsWords, reads = []]: Backward,
    { learns = false }: { learns?: boolean } = {},
  ): GraphTensor {
    this.add([x.value], [y.value], () => [kernel(name, [x.value, y.value], words)]);
    this.onBackward(() => {
      const d = y.slot.gradient;
      const dx = x.slot.gradient ?? (learns ? new Buffer(x.value.image) : undefined);
      if (!d || !dx) return;
      const operands = [d, ...reads];
      this.toGradient(dx, operands, (add) => [
        kernel(gradient, [...operands, dx], [...itsWords, add]),
      ]);
    });
    return y;
  }

  /** Returns the same numbers in another shape, in `value` if it is given. */
  repack(x: GraphTensor, shape: Shape, value?: Buffer): GraphTensor {
    const channels = shape.at(-1)!;
    const same = x.step === upTo8(channels) * 4 && channels === x.channels ||
      x.step === x.channels * 4 && channels % 8 === 0;
    if (same && !value) {
      x.slot.readers--;
      const positions = product(shape.slice(0, -1));
      return { ...x, shape, channels, positions, step: upTo8(channels) * 4 };
    }
    const y = this.tensor(shape, x.trained, value), count = product(shape);
    const ours = [x.channels, x.step], theirs = [channels, y.step];
    return this.unary(
      x,
      y,
      ["repack", [count, ...ours, ...theirs, 0]],
      ["repack", [count, ...theirs, ...ours]],
    );
  }

  /** Returns the gradient before an activation of `scale * x + shift`, or whose output `x` is. */
  before(d: Buffer, x: GraphTensor, fused = linear, scale = 0, shift = 0): Buffer {
    const { kind, alpha } = fused, { positions, step, value } = x;
    if (kind === Activation.linear) return d;
    const before = new Buffer(positions * step);
    this.toGradient(before, [d, value], () => [
      kernel("mapGradient", [d, value, before], [
        ...[positions, step, kind, [alpha] as const, scale, shift, 0],
      ]),
    ]);
    return before;
  }

  /** Returns the gradient of `x` where one operation alone writes it, or a buffer beside it. */
  resultFor({ slot }: GraphTensor, bytes: number, direct = true): Buffer {
    const own = direct && slot.readers === 1 && !slot.gradient!.lasting;
    return own ? slot.gradient! : new Buffer(bytes);
  }

  /** Adds a buffer of `resultFor` to the gradient of `x`, if it is beside it. */
  addResult({ slot, positions, step }: GraphTensor, result: Buffer): void {
    const dx = slot.gradient!;
    if (result === dx) return;
    this.toGradient(dx, [result], (add) => [copy(result, dx, positions, step, step, 1, add)]);
  }

  // Memory.

  /** Allocates a layer's own memory, by name, once for training and inference. */
  allocateOnce<Name extends string>(layer: GraphLayer, bytes: Record<Name, number>) {
    const all = () =>
      Object.entries<number>(bytes).map(([name, size]) =>
        [name, size > 0 ? this.#memory.allocate(size) : 0] as const
      );
    const known = this.#memoryOf.get(layer) ?? Object.fromEntries(all());
    this.#memoryOf.set(layer, known);
    return known as Record<Name, number>;
  }

  /**
   * Allocates the chunks' parts of some gradients side by side, in training; returns address and bytes
   * of a chunk.
   * @param weights the weights' addresses, or 0, and the bytes of their gradients
   */
  gradientParts(weights: readonly (readonly [address: number, bytes: number])[]): number[] {
    if (!this.training) return [];
    const bytes = weights.reduce((sum, [, bytes]) => sum + bytes, 0);
    const parts = this.#memory.allocate(this.sizes.chunks * bytes);
    let at = parts;
    for (const [address, size] of weights) {
      if (address) this.parts.set(address, { address: at, bytes });
      at += size;
    }
    return [parts, bytes];
  }

  /** Reserves memory that layers share, at least so much. */
  reserve(needs: Partial<GraphBuilder["scratch"]>): void {
    for (const name of Object.keys(needs) as (keyof typeof needs)[]) {
      this.scratch[name] = Math.max(this.scratch[name], needs[name]!);
    }
  }

  /** Reserves gradient sums of Winograd's algorithm; those of one level are apart. */
  sumsAt(bytes: number, reads: readonly Buffer[]): number {
    const level = Math.max(this.schedule.base, ...reads.map(({ level }) => level));
    const n = this.#sumsOfLevel.get(level) ?? 0;
    this.#sumsOfLevel.set(level, n + 1);
    this.#sums[n] = Math.max(this.#sums[n] ?? 0, bytes);
    return n;
  }

  /** Allocates the memory that all layers share, now that their needs are known. */
  allocateShared(): void {
    const { pack, plane, planes } = this.scratch, { threads } = this.sizes;
    const apart = (bytes: number) => {
      const step = Math.ceil((bytes + 64) / 64) * 64;
      return { address: this.#memory.allocate(threads * step), step };
    };
    const packed = apart(pack), tiles = apart(2 * planes * plane + SQUARE);
    this.shared = {
      packs: packed.address,
      packStep: packed.step,
      tiles: tiles.address,
      tileStep: tiles.step,
      plane,
      sums: this.#sums.map(apart),
    };
  }

  scratchWords(side: number): number[] {
    const { tiles, tileStep, plane, packs, packStep } = this.shared;
    return [tiles, tileStep, plane, this.zeros, side, packs, packStep];
  }
}
