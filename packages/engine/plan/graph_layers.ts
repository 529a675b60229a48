/** The layers of a graph: shapes, weights, and operations forward and backward. */
import { Activation, Combine, type Kernel, Pool } from "../assembly/abi.ts";
import { type Layer, UnsupportedNetwork } from "../engine_network.ts";
import type { Allocator } from "./allocator.ts";
import { dropoutSalt } from "./dense_layers.ts";
import { WINDOW_BYTES, WINOGRAD_TILES } from "./layout.ts";
import type { collectParameters, Parts } from "./parameters.ts";
import { type KernelRecord, overItems, record, type Stage, type Word } from "./program.ts";
import { Buffer, type Operation, type Schedule } from "./operations.ts";
import { extent, product, tileSides, upTo8 } from "./shapes.ts";

/** A layer with all its inputs, and an activation that is fused with it. */
export type GraphLayer = Layer & {
  inputs: readonly number[];
  activation?: { kind: Activation; alpha: number };
  /** Keys the dropout mask: the layer's index in the network. */
  salt?: number;
};

/** Shared by a tensor and others that are the same numbers in memory. */
interface Slot {
  gradient?: Buffer;
  readers: number;
  /** Place from which the gradient of a convolution's output is read. Default: `gradient` */
  view?: GradientView;
}

/** Places of a gradient's pixels: panels of eight channels, or room around and between the pixels. */
interface GradientView {
  readonly buffer: Buffer;
  readonly height: number;
  readonly width: number;
  /** Offset of the first pixel, and bytes between rows, pixels, and panels of eight channels. */
  readonly places: readonly [first: number, row: number, pixel: number, panel: number];
  /** True once a normalization has written it. */
  filled?: boolean;
  /** True if only the layer itself writes it. */
  own?: boolean;
}

/** A normalization that its readers compute where they need it. */
interface Lazy {
  readonly x: GraphTensor;
  readonly reads: readonly Buffer[];
  /** Scale, shift, activation and its parameter. */
  readonly words: Word[];
  /** Stores its values, once. */
  store?: () => void;
}

/** Values of a layer: positions with channels, `step` bytes per position. */
export interface GraphTensor {
  readonly shape: readonly number[];
  readonly channels: number;
  readonly positions: number;
  readonly step: number;
  readonly value: Buffer;
  readonly slot: Slot;
  /** True if weights before it are trained. */
  readonly trained: boolean;
  readonly lazy?: Lazy;
}

/** Numbers of a dense kernel from which on an item is a panel of weights, not an image. */
const LARGE_DENSE = 16384;

type Weights = Record<string, number>;
type Conv = Extract<GraphLayer, { kind: "conv2d" }>;
type Depthwise = Extract<GraphLayer, { kind: "depthwiseConv2d" }>;
type Dense = Extract<GraphLayer, { kind: "dense" }>;

/** A convolution's view of its input, inside its padding. */
interface View {
  readonly buffer: Buffer;
  readonly row: number;
  readonly pixel: number;
  /** Copies the input into the padding. */
  readonly fill: () => KernelRecord[];
  readonly reads: Buffer[];
  readonly writes: Buffer[];
}

/** A kernel that prepares weights, from its first item, and the number of its items. */
type Preparation = [(first: number) => KernelRecord, number];

/** Memory of each thread, and zeros. */
interface SharedMemory {
  readonly zeros: number;
  readonly packs: number;
  readonly packStep: number;
  readonly tiles: number;
  readonly tileStep: number;
  readonly plane: number;
  readonly sums: readonly { address: number; step: number }[];
}

interface ConvSizes {
  readonly [name: string]: number;
}

const linear = { kind: Activation.linear, alpha: 0 };

function refuse(layer: Layer, why: string): never {
  const name = "name" in layer ? `"${layer.name}" (${layer.kind})` : layer.kind;
  throw new UnsupportedNetwork(`The fast engine cannot train layer ${name}: it ${why}`);
}

export class GraphBuilder {
  /** Shape of each layer's output, without the batch. */
  readonly shapes: (readonly number[])[] = [];
  /** Parts of the gradients of weights, by the weights' address. */
  readonly parts = new Map<number, Parts>();
  /** Bytes from a weight to its gradient. */
  gradientOffset = 0;
  readonly #memory: Allocator;
  readonly #collected: ReturnType<typeof collectParameters>;
  readonly #sizes: { batch: number; threads: number; chunks: number };
  readonly #weights = new Map<GraphLayer, Weights>();
  readonly #memoryOf = new Map<GraphLayer, Weights>();
  readonly #denses: { layer: Dense; x: Buffer; d: Buffer; inner: number; columns: number }[] = [];
  #schedule!: Schedule;
  #training = false;
  #backward: (() => void)[] = [];
  /** Kernels that prepare weights: for the forward pass, then for the backward pass. */
  #prepared: Preparation[][] = [[], []];
  #padded: GraphTensor | undefined;
  #scratch = { pack: 0, plane: 0, planes: 0, widest: 8, sums: [] as number[] };
  /** Gradient sums of Winograd's algorithm in use, by level. */
  #sumsOfLevel = new Map<number, number>();
  #shared: SharedMemory | undefined;

  constructor(
    memory: Allocator,
    collected: ReturnType<typeof collectParameters>,
    sizes: { batch: number; threads: number; chunks: number },
  ) {
    this.#memory = memory;
    this.#collected = collected;
    this.#sizes = sizes;
  }

  /** Computes shapes and allocates weights. */
  declare(input: readonly number[], layers: readonly GraphLayer[]): void {
    const moving: (() => void)[] = [];
    for (const layer of layers) {
      const shapes = layer.inputs.map((n) => n < 0 ? input : this.shapes[n]);
      this.shapes.push(shapeOf(layer, shapes));
      this.#weights.set(layer, this.#declareWeights(layer, shapes[0], moving));
    }
    // In the order of the other planner: moving statistics after the weights.
    for (const later of moving) later();
  }

  #declareWeights(layer: GraphLayer, shape: readonly number[], moving: (() => void)[]): Weights {
    const { tensors, parameters } = this.#collected;
    const parameter = (
      ...[name, shape, packing, l2]: Parameters<ReturnType<typeof collectParameters>["parameter"]>
    ) => this.#collected.parameter(name, shape, packing, l2, !layer.frozen);
    const channels = shape.at(-1)!, padded = upTo8(channels);
    // Of the image, convolutions read the channels as they are.
    const stride = layer.kind === "conv2d" && layer.inputs[0] < 0 ? channels : padded;
    const vector = (name: string, length: number, l2?: number) =>
      parameter(name, [length], [1, 1, 1, length], l2);
    switch (layer.kind) {
      case "conv2d": {
        const { name, kernelSize: [kh, kw], filters, kernel = "kernel", l2 } = layer;
        return {
          kernel: parameter(
            `${name}/${kernel}`,
            [kh, kw, channels, filters],
            [kh * kw, channels, stride, filters],
            l2?.kernel,
          ),
          bias: layer.bias ? vector(`${name}/bias`, filters, l2?.bias) : 0,
        };
      }
      case "depthwiseConv2d": {
        const { name, kernelSize: [kh, kw], depthMultiplier: times } = layer;
        return {
          kernel: parameter(
            `${name}/depthwise_kernel`,
            [kh, kw, channels, times],
            [kh * kw, 1, 1, channels * times],
          ),
          bias: layer.bias ? vector(`${name}/bias`, channels * times) : 0,
        };
      }
      case "dense": {
        const { name, units, l2 } = layer;
        const kernel = parameter(
          `${name}/kernel`,
          [channels, units],
          [1, channels, padded, units],
          l2?.kernel,
        );
        if (isLarge(layer, shape) && !layer.frozen) {
          parameters.at(-1)!.dense = { b: this.#weights.size, rows: padded };
        }
        return {
          ...{ kernel, index: this.#weights.size },
          bias: layer.bias ? vector(`${name}/bias`, units, l2?.bias) : 0,
        };
      }
      case "batchNorm":
      case "layerNorm": {
        const { name } = layer, own: Weights = {};
        own.gamma = vector(`${name}/gamma`, channels);
        own.beta = vector(`${name}/beta`, channels);
        if (layer.kind === "layerNorm") return own;
        moving.push(() => {
          for (const suffix of ["moving_mean", "moving_variance"]) {
            const address = own[suffix] = this.#memory.allocate(padded * 4);
            tensors.push({
              ...{ name: `${name}/${suffix}`, shape: [channels], trainable: false, address },
              ...{ groups: 1, rows: 1, paddedRows: 1, columns: channels },
            });
          }
        });
        return own;
      }
      case "prelu": {
        const { name, shape: own } = layer, positions = product(own.slice(0, -1));
        if (own.at(-1) !== channels || ![1, product(shape.slice(0, -1))].includes(positions)) {
          refuse(layer, `has slopes of ${own.join(" x ")} for ${shape.join(" x ")}`);
        }
        return {
          alpha: parameter(`${name}/alpha`, [...own], [positions, 1, 1, channels]),
          apart: positions > 1 ? 32 : 0,
        };
      }
      default:
        return {};
    }
  }

  /** Begins a pass; returns the stages that prepare the weights for it. */
  start(schedule: Schedule, training: boolean): { stages(): Stage[] } {
    this.#schedule = schedule;
    this.#training = training;
    this.#padded = undefined;
    const prepared: Preparation[][] = this.#prepared = [[], []];
    return {
      stages: () =>
        prepared.map((kernels) => {
          let first = 0;
          return overItems(kernels.map(([write, count]) => {
            const kernel = write(first);
            first += count;
            return kernel;
          }));
        }),
    };
  }

  /** Runs the backward pass of all layers, in reverse. */
  backward(): void {
    for (const step of this.#backward.reverse()) step();
    this.#backward = [];
    this.#schedule.base = this.#schedule.depth;
    this.#schedule.add({ reads: this.#denses.flatMap(({ x, d }) => [x, d]), writes: [] });
  }

  readInput(
    { address, floats, divisor }: { address: number; floats: boolean; divisor?: number },
    [height, width, channels]: readonly number[],
  ): GraphTensor {
    const image = this.#tensor([height, width, channels], false, undefined, channels * 4);
    const row = width * channels;
    this.#add([], [image.value], () => {
      const [first, step, bytes] = image.value.words;
      return [record(floats ? "inputFloats" : "inputBytes", 0, 0, [
        ...[address, row, height, first, bytes, row * 4, step],
        [divisor ?? 1],
      ])];
    });
    return image;
  }

  /** Adds a layer's operations. @param value where its output goes, for the last layer */
  forward(layer: GraphLayer, inputs: GraphTensor[], value?: Buffer): GraphTensor {
    const windows = layer.kind === "conv2d" ||
      layer.kind === "depthwiseConv2d" && layer.depthMultiplier === 1;
    if (!windows) { for (const { lazy } of inputs) lazy?.store?.(); }
    const taken = layer.kind === "conv2d" ? inputs : inputs.map((x) => this.#pad(x));
    for (const { slot } of taken) slot.readers++;
    const [x] = taken;
    switch (layer.kind) {
      case "conv2d":
        return this.#convolution(layer, x, value);
      case "depthwiseConv2d":
        return this.#depthwise(layer, x, value);
      case "dense":
        return isLarge(layer, x.shape) && !layer.frozen
          ? this.#largeDense(layer, x, value)
          : this.#convolution(layer, x, value);
      case "batchNorm":
        return this.#batchNorm(layer, x, value);
      case "layerNorm": {
        const { gamma, beta } = this.#weights.get(layer)!, epsilon: Word = [layer.epsilon];
        const words: Word[] = [x.positions, x.step, x.channels, gamma];
        const parts = this.#parts(layer, { gamma: [gamma, x.step], beta: [beta, x.step] });
        const ahead = [...words, beta, epsilon], behind = [...words, epsilon, ...parts];
        return this.#weighted("layerNorm", layer, x, value, ahead, behind);
      }
      case "relu":
      case "leakyRelu":
      case "activation":
        return this.#activation(activationOf(layer)!, x, value);
      case "prelu": {
        const { alpha, apart } = this.#weights.get(layer)!;
        const words = [x.positions, x.step, alpha, apart];
        const parts = this.#parts(layer, { alpha: [alpha, apart ? x.positions * x.step : x.step] });
        return this.#weighted("prelu", layer, x, value, words, [...words, ...parts]);
      }
      case "add":
      case "multiply":
        return taken.slice(1).reduce((a, b, n) => {
          if (n > 0) a.slot.readers++;
          return this.#binary(layer, a, b, n === taken.length - 2 ? value : undefined);
        }, x);
      case "concatenate":
        return this.#concatenate(taken, value);
      case "maxPool":
      case "averagePool":
      case "globalMaxPool":
        return this.#pool(layer, x, value);
      case "globalAveragePool":
        return this.#globalAverage(x, value);
      case "flatten":
      case "reshape":
        return this.#repack(x, shapeOf(layer, [x.shape]), value);
      case "dropout":
        return this.#dropout(layer, x, value);
      case "softmax":
        return this.#softmax(x, value);
    }
  }

  // Building blocks.

  #tensor(
    shape: readonly number[],
    trained: boolean,
    value?: Buffer,
    step = upTo8(shape.at(-1)!) * 4,
  ): GraphTensor {
    const positions = product(shape.slice(0, -1));
    this.#scratch.widest = Math.max(this.#scratch.widest, step / 4);
    const gradient = trained && this.#training ? new Buffer(positions * step) : undefined;
    return {
      ...{ shape, channels: shape.at(-1)!, positions, step, trained },
      ...{ value: value ?? new Buffer(positions * step), slot: { gradient, readers: 0 } },
    };
  }

  #add(reads: Buffer[], writes: Buffer[], kernels: () => KernelRecord[]): Operation {
    return this.#schedule.add({ reads, writes, kernels });
  }

  /** Adds an operation that writes a gradient; `add` is 1 if another one has written it before. */
  #toGradient(target: Buffer, reads: Buffer[], kernels: (add: number) => KernelRecord[]): void {
    const operation = this.#add(
      [...reads],
      [target],
      () => kernels(Number(target.first !== operation)),
    );
  }

  #onBackward(step: () => void): void {
    if (this.#training) this.#backward.push(step);
  }

  /** A unary layer: kernels forward, and backward to the gradient of its input. */
  #unary(
    x: GraphTensor,
    y: GraphTensor,
    forward: () => KernelRecord[],
    backward: (d: Buffer, dx: Buffer, add: number) => KernelRecord[],
    also: { reads: Buffer[] } = { reads: [x.value] },
  ): GraphTensor {
    this.#add([x.value], [y.value], forward);
    this.#onBackward(() => {
      const d = y.slot.gradient, dx = x.slot.gradient;
      if (d && dx) this.#toGradient(dx, [d, ...also.reads], (add) => backward(d, dx, add));
    });
    return y;
  }

  /** Returns the tensor with padded channels: only convolutions read the image as it is. */
  #pad(x: GraphTensor): GraphTensor {
    if (x.step === upTo8(x.channels) * 4) return x;
    return this.#padded ??= this.#repack(x, x.shape);
  }

  #repack(x: GraphTensor, shape: readonly number[], value?: Buffer): GraphTensor {
    const channels = shape.at(-1)!;
    const same = x.step === upTo8(channels) * 4 && channels === x.channels ||
      x.step === x.channels * 4 && channels % 8 === 0;
    if (same && !value) {
      x.slot.readers--;
      const positions = product(shape.slice(0, -1));
      return { ...x, shape, channels, positions, step: upTo8(channels) * 4 };
    }
    const y = this.#tensor(shape, x.trained, value);
    const words = [product(shape)];
    const xWords = [x.channels, x.step], yWords = [channels, y.step];
    return this.#unary(
      x,
      y,
      () => [kernel("repack", [x.value, y.value], [...words, ...xWords, ...yWords, 0])],
      (d, dx, add) => [kernel("repack", [d, dx], [...words, ...yWords, ...xWords, add])],
    );
  }

  #activation(
    { kind, alpha }: { kind: Activation; alpha: number },
    x: GraphTensor,
    value?: Buffer,
  ): GraphTensor {
    const y = this.#tensor(x.shape, x.trained, value);
    const words: Word[] = [x.positions, x.step, kind, [alpha], 0, 0];
    return this.#unary(
      x,
      y,
      () => [kernel("map", [x.value, y.value], [...words, clearedBy(kind, x.channels)])],
      (d, dx, add) => [kernel("mapGradient", [d, x.value, dx], [...words, add])],
    );
  }

  /** Returns the gradient before an activation of `scale * x + shift`, or whose output `x` is. */
  #before(d: Buffer, x: GraphTensor, fused = linear, scale = 0, shift = 0): Buffer {
    const { kind, alpha } = fused, { positions, step, value } = x;
    if (kind === Activation.linear) return d;
    const before = new Buffer(positions * step);
    this.#toGradient(before, [d, value], () => [
      kernel("mapGradient", [d, value, before], [
        ...[positions, step, kind, [alpha] as const, scale, shift, 0],
      ]),
    ]);
    return before;
  }

  // Layers.

  #batchNorm(
    layer: Extract<GraphLayer, { kind: "batchNorm" }>,
    x: GraphTensor,
    value?: Buffer,
  ): GraphTensor {
    const y = this.#tensor(x.shape, x.trained || !layer.frozen, value);
    const { positions, step } = x, channels = step / 4;
    const w = this.#weights.get(layer)!, { batch } = this.#sizes;
    const { kind, alpha } = layer.activation ?? linear;
    const m = this.#allocateOnce(layer, {
      ...{ scale: step, shift: step, mean: step, deviation: step, slope: step, offset: step },
      partial: batch * step * 2,
    });
    const affine: Word[] = [positions, step, kind, [alpha], m.scale, m.shift];
    const cleared = clearedBy(kind, x.channels), learns = this.#training && !layer.frozen;
    const statistics = new Buffer(0), sums = new Buffer(0);
    if (learns) {
      this.#schedule.add({
        ...{ reads: [x.value], writes: [statistics] },
        kernels:
          () => [record("statistics", 0, 0, [x.value.address, positions, channels, m.partial])],
        endings: () => [record("finishStatistics", 0, channels / 8, [
          ...[m.partial, positions, channels, w.gamma, w.beta, w.moving_mean, w.moving_variance],
          ...[[layer.momentum] as const, [layer.epsilon] as const],
          ...[m.scale, m.shift, m.mean, m.deviation],
        ])],
      });
    } else {
      this.#prepared[0].push([(first) =>
        record("movingScale", first, channels / 8, [
          ...[w.gamma, w.beta, w.moving_mean, w.moving_variance],
          ...[[layer.epsilon] as const, m.scale, m.shift],
        ]), channels / 8]);
    }
    const reads = [x.value, ...(learns ? [statistics] : [])];
    const lazy: Lazy = { x, reads, words: [m.scale, m.shift, kind, [alpha]] };
    lazy.store = () => {
      lazy.store = undefined;
      this.#add(reads, [y.value], () => [kernel("map", [x.value, y.value], [...affine, cleared])]);
    };
    if (value || cleared > 0) lazy.store();
    this.#onBackward(() => {
      const dx = x.slot.gradient;
      if (!dx && !learns) return;
      const d = this.#before(y.slot.gradient!, x, layer.activation, m.scale, m.shift);
      const reads = [d, x.value, ...(learns ? [sums] : [])];
      if (learns) {
        this.#schedule.add({
          ...{ reads: [d, x.value], writes: [sums] },
          kernels: () => [record("gradientSums", 0, 0, [
            ...[d.address, x.value.address, positions, channels, m.mean, m.partial, d.image],
          ])],
          endings: () => [record("finishGradient", 0, channels / 8, [
            ...[m.partial, positions, channels, m.deviation, m.scale],
            ...[w.gamma + this.gradientOffset, w.beta + this.gradientOffset, m.slope, m.offset],
          ])],
        });
      }
      // What another level reads is in memory of the whole batch, as the sums need it.
      if (!dx) return void this.#add(reads, [], () => []);
      const write = (to: Word[], height: number, width: number, places: number[], add: number) => {
        const { zeros } = this.allocateShared();
        const rest = learns ? [m.slope, m.offset, m.mean] : [zeros, zeros, zeros];
        return [record("affineGradient", 0, 0, [
          ...[...d.words, ...x.value.words, ...to, height, width, step, m.scale, ...rest, add],
          ...places,
        ])];
      };
      const { view, readers } = x.slot;
      if (view && !view.own && readers === 1 && view.height * view.width === positions) {
        const { buffer, height, width, places: [first, ...places] } = view;
        view.filled = true;
        this.#add(reads, [buffer], () => write(shifted(buffer, first), height, width, places, 0));
        return;
      }
      this.#toGradient(dx, reads, (add) => write(dx.words, 1, positions, [0, step, 32], add));
    });
    return { ...y, lazy };
  }

  /** A layer with weights of its own: kernels of its name, forward and backward. */
  #weighted(
    name: "layerNorm" | "prelu",
    layer: GraphLayer,
    x: GraphTensor,
    value: Buffer | undefined,
    forward: Word[],
    backward: Word[],
  ): GraphTensor {
    const y = this.#tensor(x.shape, x.trained || !layer.frozen, value);
    this.#add([x.value], [y.value], () => [kernel(name, [x.value, y.value], forward)]);
    this.#onBackward(() => {
      const d = y.slot.gradient, dx = x.slot.gradient ?? new Buffer(x.value.image);
      if (!d) return;
      this.#toGradient(dx, [d, x.value], (add) => [
        kernel(`${name}Gradient`, [d, x.value, dx], [...backward, add]),
      ]);
    });
    return y;
  }

  #binary(layer: GraphLayer, left: GraphTensor, right: GraphTensor, value?: Buffer): GraphTensor {
    const [a, b] = left.positions >= right.positions ? [left, right] : [right, left];
    const wide = a.positions === b.positions, { positions, step } = a;
    if (a.channels !== b.channels || !wide && b.positions !== 1) {
      refuse(layer, `joins ${left.shape.join(" x ")} and ${right.shape.join(" x ")}`);
    }
    const y = this.#tensor(a.shape, a.trained || b.trained, value);
    const kind = layer.kind === "add" ? Combine.add : Combine.multiply, bStep = wide ? step : 0;
    this.#add([a.value, b.value], [y.value], () => [
      kernel("combine", [a.value, b.value, y.value], [positions, step, kind, bStep, [1], 0]),
    ]);
    this.#onBackward(() => {
      const d = y.slot.gradient;
      if (!d) return;
      const to = (x: GraphTensor, other: GraphTensor | undefined, own: boolean) => {
        const dx = x.slot.gradient;
        if (!dx) return;
        if (!own) {
          const z = other?.value;
          this.#toGradient(dx, z ? [d, z] : [d], (add) => [
            record("reduce", 0, 0, [
              ...[...d.words, ...(z?.words ?? [0, 0, 0]), ...dx.words, positions, step],
              ...[[1] as const, add],
            ]),
          ]);
        } else if (other) {
          this.#toGradient(dx, [d, other.value], (add) => [
            kernel("combine", [d, other.value, dx], [
              ...[positions, step, Combine.multiply, other === b ? bStep : step, [1] as const, add],
            ]),
          ]);
        } else if (x.slot.readers === 1 && dx.lasting === undefined) {
          x.slot.gradient = d; // the same numbers
        } else {
          this.#toGradient(dx, [d], (add) => [copy(d, dx, positions, step, step, 1, add)]);
        }
      };
      const multiplies = kind === Combine.multiply;
      to(a, multiplies ? b : undefined, true);
      to(b, multiplies ? a : undefined, wide);
    });
    return y;
  }

  #concatenate(inputs: GraphTensor[], value?: Buffer): GraphTensor {
    const shape = [
      ...inputs[0].shape.slice(0, -1),
      inputs.reduce((sum, { channels }) => sum + channels, 0),
    ];
    const y = this.#tensor(shape, inputs.some(({ trained }) => trained), value);
    let offset = 0;
    for (const [n, x] of inputs.entries()) {
      const at = offset, bytes = x.channels * 4;
      const end = n === inputs.length - 1 ? y.step : 0;
      this.#unary(
        x,
        y,
        () => [kernel("copyChannels", [x.value, y.value], [
          ...[x.positions, x.step, y.step, 0, at, bytes, 0, end],
        ])],
        (d, dx, add) => [kernel("copyChannels", [d, dx], [
          ...[x.positions, y.step, x.step, at, 0, bytes, add, x.step],
        ])],
        { reads: [] },
      );
      offset += bytes;
    }
    return y;
  }

  #pool(
    layer: Extract<GraphLayer, { kind: "maxPool" | "averagePool" | "globalMaxPool" }>,
    x: GraphTensor,
    value?: Buffer,
  ): GraphTensor {
    const [height, width] = x.shape, all = layer.kind === "globalMaxPool";
    const [ph, pw] = all ? [height, width] : layer.poolSize;
    const [sy, sx] = all ? [1, 1] : layer.strides, padding = all ? "valid" : layer.padding;
    const down = extent(height, ph, sy, padding), across = extent(width, pw, sx, padding);
    const shape = all ? [x.channels] : [down.size, across.size, x.channels];
    const y = this.#tensor(shape, x.trained, value);
    const kind = all ? Pool.everyMax : layer.kind === "maxPool" ? Pool.max : Pool.average;
    const words = [
      ...[height, width, x.step, ph, pw, sy, sx, down.before, across.before],
      ...[down.size, across.size, kind],
    ];
    return this.#unary(
      x,
      y,
      () => [kernel("poolAny", [x.value, y.value], words)],
      (d, dx, add) => [
        kernel("poolAnyGradient", [d, x.value, dx, y.value], [...words, 1 - add]),
      ],
      { reads: [x.value, y.value] },
    );
  }

  #globalAverage(x: GraphTensor, value?: Buffer): GraphTensor {
    const y = this.#tensor([x.channels], x.trained, value), { positions, step } = x;
    const none = [0, 0, 0], mean: Word = [1 / positions];
    return this.#unary(
      x,
      y,
      () => [record("reduce", 0, 0, [
        ...[...x.value.words, ...none, ...y.value.words, positions, step, mean, 0],
      ])],
      (d, dx, add) => [copy(d, dx, positions, step, 0, 1 / positions, add)],
      { reads: [] },
    );
  }

  #dropout(
    layer: Extract<GraphLayer, { kind: "dropout" }>,
    x: GraphTensor,
    value?: Buffer,
  ): GraphTensor {
    if (!this.#training || layer.rate === 0) return this.#repack(x, x.shape, value);
    const y = this.#tensor(x.shape, x.trained, value);
    const noise = [null, ...x.shape].map((size, axis) => layer.noiseShape?.[axis] ?? size);
    const steps: number[] = [];
    let all = 1;
    for (let axis = noise.length - 1; axis >= 0; axis--) {
      const size = noise[axis];
      if (axis > 0 && size !== 1 && size !== x.shape[axis - 1]) {
        refuse(layer, `has the noise shape ${noise.map((size) => size ?? "batch").join(" x ")}`);
      }
      steps.unshift(size === 1 ? 0 : all);
      all *= size ?? 1;
    }
    const [image, ...rest] = steps,
      channel = rest.pop()!,
      [row, column] = [0, 0, ...rest].slice(-2);
    const [height, width] = [1, 1, ...x.shape.slice(0, -1)].slice(-2);
    const words: Word[] = [
      ...[height, width, x.step, Math.min(Math.round(layer.rate * 2 ** 32), 2 ** 32 - 1)],
      ...[[1 / (1 - layer.rate)] as const, dropoutSalt(layer.salt!), image, row, column, channel],
    ];
    return this.#unary(
      x,
      y,
      () => [kernel("dropout", [x.value, y.value], [...words, 0])],
      (d, dx, add) => [kernel("dropout", [d, dx], [...words, add])],
      { reads: [] },
    );
  }

  #softmax(x: GraphTensor, value?: Buffer): GraphTensor {
    const y = this.#tensor(x.shape, x.trained, value), words = [x.positions, x.step, x.channels];
    return this.#unary(
      x,
      y,
      () => [kernel("softmax", [x.value, y.value], words)],
      (d, dx, add) => [kernel("softmaxGradient", [d, y.value, dx], [...words, add])],
      { reads: [y.value] },
    );
  }

  /** Sizes of a convolution, or of a dense layer of each position. */
  #convSizes(layer: Conv | Depthwise | Dense, x: GraphTensor): ConvSizes {
    const dense = layer.kind === "dense";
    const [inHeight, inWidth] = dense ? [1, x.positions] : x.shape;
    const [kh, kw] = dense ? [1, 1] : layer.kernelSize, [sy, sx] = dense ? [1, 1] : layer.strides;
    const padding = dense ? "valid" : layer.padding;
    const down = extent(inHeight, kh, sy, padding), across = extent(inWidth, kw, sx, padding);
    return {
      ...{ inHeight, inWidth, kh, kw, sy, sx, outHeight: down.size, outWidth: across.size },
      ...{ top: down.before, left: across.before, stride: x.step / 4 },
    };
  }

  /** Returns the input of windows inside their padding; it may be the tensor itself. */
  #view(x: GraphTensor, c: ConvSizes): View {
    const height = Math.max((c.outHeight - 1) * c.sy + c.kh, c.top + c.inHeight);
    const width = Math.max((c.outWidth - 1) * c.sx + c.kw, c.left + c.inWidth);
    const pixel = x.step, row = width * pixel, whole = height === c.inHeight && width === c.inWidth;
    const lazy = x.lazy?.store && x.lazy, { value } = lazy?.x ?? x;
    if (whole && !lazy) {
      return { buffer: value, row, pixel, reads: [value], writes: [], fill: () => [] };
    }
    const buffer = new Buffer(height * row, whole ? undefined : "local");
    return {
      ...{ buffer, row, pixel, reads: [...lazy?.reads ?? [value]], writes: [buffer] },
      fill: () => [record("place", 0, 0, [
        ...[...value.words, ...shifted(buffer, c.top * row + c.left * pixel)],
        ...[c.inHeight, c.inWidth, pixel, c.inWidth * pixel, row, pixel, 0, 0],
        ...lazy?.words ?? [],
      ])],
    };
  }

  /** Returns the same view for the backward pass: what has no padding is in memory of the stage. */
  #again(view: View, x: GraphTensor, c: ConvSizes): View {
    return view.buffer.lasting ? view : this.#view(x, c);
  }

  #convolution(layer: Conv | Dense, x: GraphTensor, value?: Buffer): GraphTensor {
    const c = this.#convSizes(layer, x), { kh, kw, sy, sx, stride } = c;
    const filters = layer.kind === "dense" ? layer.units : layer.filters, columns = upTo8(filters);
    const shape = layer.kind === "dense"
      ? [...x.shape.slice(0, -1), filters]
      : [c.outHeight, c.outWidth, filters];
    const y = this.#tensor(shape, x.trained || !layer.frozen, value), view = this.#view(x, c);
    const { kernel: weights, bias } = this.#weights.get(layer)!;
    const square = kh === kw && stride % 8 === 0;
    const { winograd, winogradGradient } = tileSides(
      square && sy === 1 && sx === 1,
      ...[kh, c.outHeight, c.outWidth] as const,
    );
    // The gradient of the input is a convolution at stride 1, of a dilated image.
    const back = tileSides(square, kh, c.inHeight, c.inWidth).winograd;
    const { kind, alpha } = layer.activation ?? linear;
    const transformed = this.#allocateOnce(layer, {
      transformed: winograd ** 2 * stride * columns * 4,
      turned: x.trained ? kh * kw * stride * columns * 4 : 0,
      turnedTransformed: x.trained ? back ** 2 * stride * columns * 4 : 0,
    });
    const windows = (view: View): Word[] => {
      const [first, , image] = view.buffer.words;
      return [
        ...[first, image, sy * view.row, sx * view.pixel, kh, kw * view.pixel / 4, view.row],
        ...[c.outHeight, c.outWidth, columns / 8],
      ];
    };
    const { batch, chunks } = this.#sizes;
    this.#needs(winograd, kh, c.outWidth, stride, columns);
    this.#needs(back, kh, c.inWidth, stride, columns);
    this.#scratch.pack = Math.max(
      ...[this.#scratch.pack, c.outHeight * c.outWidth * 32, WINDOW_BYTES],
      ...[c.outWidth * (kh * kw * stride + 8) * 4, batch],
    );
    const transform = (from: number, rows: number, columns: number, to: number, side: number) =>
      [
        (first: number) =>
          record("transformWeights", first, columns / 8, [from, rows, columns / 8, to, side]),
        columns / 8,
      ] as Preparation;
    if (winograd > 0) {
      this.#prepared[0].push(
        transform(weights, stride, columns, transformed.transformed, winograd),
      );
    }
    this.#add(view.reads, [...view.writes, y.value], () => {
      const { zeros } = this.allocateShared();
      return [
        ...view.fill(),
        record(winograd > 0 ? "winograd" : "convolve", 0, 0, [
          ...[...windows(view), winograd > 0 ? transformed.transformed : weights],
          ...[bias || zeros, bias ? 32 : 0, y.value.address, y.value.image],
          ...[c.outWidth * y.step, y.step, kind, [alpha] as const],
          ...[view.buffer.step, ...this.#scratchWords(winograd), y.value.step],
        ]),
      ];
    });
    const filterGradient = ({ buffer: d, places: [first, row, pixel, panel] }: GradientView) => {
      const kernelBytes = kh * kw * stride * columns * 4, partBytes = kernelBytes + columns * 4;
      const parts = this.#memory.allocate(chunks * partBytes);
      this.parts.set(weights, { address: parts, bytes: partBytes });
      if (bias) this.parts.set(bias, { address: parts + kernelBytes, bytes: partBytes });
      const again = this.#again(view, x, c), side = winogradGradient;
      const sums = side > 0
        ? this.#sumsAt(side ** 2 * stride * columns * 4, [d, ...again.reads])
        : 0;
      this.#add([...again.reads, d], again.writes, () => {
        const { packs, packStep, sums: places } = this.allocateShared();
        const gradient = [d.address + first, d.step, d.image, row, pixel];
        const common = [...windows(again), ...gradient, parts, partBytes, again.buffer.step];
        return [
          ...again.fill(),
          side > 0
            ? record("winogradGradient", 0, 0, [
              ...[...common, ...this.#scratchWords(0).slice(0, 3), side],
              ...[places[sums].address, places[sums].step],
            ])
            : record("filterGradient", 0, 0, [...common, packs, packStep, panel]),
        ];
      });
    };
    // Windows of few channels are packed, and with them the gradients in panels of eight channels.
    const packs = (kw * stride & 3) !== 0;
    this.#offerView(layer, c, x, y, packs);
    this.#onBackward(() => {
      if (!y.slot.gradient) return;
      const d = this.#filled(layer, y, c);
      if (!layer.frozen) filterGradient(d);
      if (x.slot.gradient) {
        this.#prepared[0].push([(first) =>
          record("turn", first, stride / 8, [
            ...[weights, kh * kw, stride, columns / 8, transformed.turned],
          ]), stride / 8]);
        if (back > 0) {
          this.#prepared[1].push(
            transform(transformed.turned, columns, stride, transformed.turnedTransformed, back),
          );
        }
        this.#inputGradient(c, y, d, x, {
          weights: back > 0 ? transformed.turnedTransformed : transformed.turned,
          side: back,
        });
      }
    });
    return y;
  }

  /** Adds a convolution's gradient to that of its input. */
  #inputGradient(
    c: ConvSizes,
    y: GraphTensor,
    { buffer: d, places: [, down] }: GradientView,
    x: GraphTensor,
    { weights, side }: { weights: number; side: number },
  ): void {
    const { kh, kw, sy, sx } = c, dx = x.slot.gradient!, sparse = kh * kw === 1 && sy * sx > 1;
    // A window of one pixel needs no dilation: its gradients go to every stride-th pixel.
    const [height, width] = sparse ? [c.outHeight, c.outWidth] : [c.inHeight, c.inWidth];
    const result = this.#resultFor(x, height * width * x.step, !sparse);
    const row = kh * kw > 1 ? down / sy : down;
    const operation = () => {
      const { zeros } = this.allocateShared();
      return [
        record(side > 0 ? "winograd" : "convolve", 0, 0, [
          ...[d.address, d.image, row, y.step, kh, kw * y.step / 4, row],
          ...[height, width, x.step / 32, weights, zeros, 0],
          ...[result.address, result.image, width * x.step, x.step, 0, [0] as const],
          ...[d.step, ...this.#scratchWords(side), result.step],
        ]),
      ];
    };
    this.#add([d], [result], operation);
    if (!sparse) return this.#addResult(x, result);
    this.#toGradient(dx, [result], (add) => [record("place", 0, 0, [
      ...[...result.words, ...dx.words, height, width, x.step, width * x.step],
      ...[c.inWidth * x.step * sy, x.step * sx, add, add ? 0 : dx.image],
    ])]);
  }

  /** Returns the gradient of `x` where one operation alone writes it, or a buffer beside it. */
  #resultFor({ slot }: GraphTensor, bytes: number, direct = true): Buffer {
    const own = direct && slot.readers === 1 && !slot.gradient!.lasting;
    return own ? slot.gradient! : new Buffer(bytes);
  }

  /** Adds a buffer of `#resultFor` to the gradient of `x`, if it is beside it. */
  #addResult({ slot, positions, step }: GraphTensor, result: Buffer): void {
    const dx = slot.gradient!;
    if (result === dx) return;
    this.#toGradient(dx, [result], (add) => [copy(result, dx, positions, step, step, 1, add)]);
  }

  /**
   * Lays out the gradient of a convolution's outputs where it is used: in panels, or apart by the
   * strides with room around, for the gradient of the input.
   */
  #offerView(
    layer: GraphLayer,
    c: ConvSizes,
    x: GraphTensor,
    y: GraphTensor,
    packs: boolean,
  ): void {
    const { kh, kw, outHeight: height, outWidth: width } = c;
    if (packs) {
      const panel = height * width * 32, buffer = new Buffer(panel * y.step / 32);
      y.slot.view = { buffer, height, width, places: [0, width * 32, 32, panel] };
    } else if (x.trained && (kh * kw > 1 || layer.kind === "depthwiseConv2d")) {
      const row = (c.inWidth + kw - 1) * y.step;
      const first = (kh - 1 - c.top) * row + (kw - 1 - c.left) * y.step;
      const buffer = new Buffer((c.inHeight + kh - 1) * row, "local");
      y.slot.view = { buffer, height, width, places: [first, row * c.sy, y.step * c.sx, 32] };
    }
    // A normalization that follows writes there, unless an activation lies between.
    if (y.slot.view && layer.activation) y.slot.view.own = true;
  }

  /** Returns the gradient of a convolution's outputs where it is used. */
  #filled(layer: GraphLayer, y: GraphTensor, { outHeight: height, outWidth: width }: ConvSizes) {
    const { view } = y.slot;
    if (view?.filled) return view;
    const d = this.#before(y.slot.gradient!, y, layer.activation), row = width * y.step;
    if (!view) return { buffer: d, height, width, places: [0, row, y.step, 32] } as GradientView;
    const { buffer, places: [first, down, across, panel] } = view;
    this.#add(
      [d],
      [buffer],
      () =>
        panel > 32
          ? Array.from({ length: y.step / 32 }, (_, n) =>
            record("copyChannels", 0, 0, [
              ...[
                ...d.words,
                ...buffer.words,
                height * width,
                y.step,
                32,
                n * 32,
                n * panel,
                32,
                0,
                0,
              ],
            ]))
          : [record("place", 0, 0, [
            ...[...d.words, ...shifted(buffer, first), height, width, y.step],
            ...[row, down, across, 0, 0],
          ])],
    );
    return view;
  }

  #depthwise(layer: Depthwise, x: GraphTensor, value?: Buffer): GraphTensor {
    if (layer.depthMultiplier > 1) x = this.#repeat(x, layer.depthMultiplier);
    const c = this.#convSizes(layer, x), { kh, kw, sy, sx } = c, { step } = x;
    const trained = x.trained || !layer.frozen;
    const y = this.#tensor([c.outHeight, c.outWidth, x.channels], trained, value);
    const view = this.#view(x, c);
    const { kernel: weights, bias } = this.#weights.get(layer)!;
    const parts = this.#parts(layer, {
      kernel: [weights, kh * kw * step],
      bias: [bias, step],
    });
    const windows = (view: View, y: Word[]): Word[] => [
      ...[...view.buffer.words, sy * view.row, sx * step, ...y, c.outHeight, c.outWidth, step],
      ...[kh, kw, view.row, step],
    ];
    this.#add(view.reads, [...view.writes, y.value], () => [
      ...view.fill(),
      record("depthwise", 0, 0, [
        ...[...windows(view, y.value.words), weights, 32, kh * kw],
        ...[bias || this.allocateShared().zeros, bias ? 1 : 0],
      ]),
    ]);
    this.#offerView(layer, c, x, y, false);
    this.#onBackward(() => {
      if (!y.slot.gradient) return;
      const { buffer: d, places: [first, row, pixel] } = this.#filled(layer, y, c);
      if (!layer.frozen) {
        const again = this.#again(view, x, c);
        this.#add([...again.reads, d], again.writes, () => [
          ...again.fill(),
          record("depthwiseGradient", 0, 0, [
            ...[...windows(again, shifted(d, first)), ...parts, row, pixel],
          ]),
        ]);
      }
      const dx = x.slot.gradient;
      if (!dx) return;
      const result = this.#resultFor(x, dx.image), down = row / sy;
      this.#add([d], [result], () => [
        record("depthwise", 0, 0, [
          ...[...d.words, down, step, ...result.words, c.inHeight, c.inWidth],
          ...[step, kh, kw, down, step, weights + (kh * kw - 1) * 32, -32, kh * kw],
          ...[this.allocateShared().zeros, 0],
        ]),
      ]);
      this.#addResult(x, result);
    });
    return y;
  }

  #repeat(x: GraphTensor, times: number): GraphTensor {
    const y = this.#tensor([...x.shape.slice(0, -1), x.channels * times], x.trained);
    y.slot.readers++;
    const words = [x.positions, x.channels, times];
    return this.#unary(
      x,
      y,
      () => [kernel("repeat", [x.value, y.value], [...words, x.step, y.step])],
      (d, dx, add) => [kernel("repeatGradient", [d, dx], [...words, y.step, x.step, add])],
      { reads: [] },
    );
  }

  /** A dense layer whose items are panels of weights, for the whole batch. */
  #largeDense(layer: Dense, x: GraphTensor, value?: Buffer): GraphTensor {
    const y = this.#tensor([layer.units], true, value), inner = x.step / 4, columns = y.step / 4;
    const { kernel: weights, bias } = this.#weights.get(layer)!;
    const { kind, alpha } = layer.activation ?? linear, { batch } = this.#sizes;
    this.#scratch.pack = Math.max(this.#scratch.pack, (batch + inner + 3) * 32, columns * 32);
    this.#schedule.add({
      ...{ reads: [x.value], writes: [y.value] },
      items: (first) => [record("denseForward", first, columns / 8, [
        ...[x.value.address, inner, weights, bias || this.allocateShared().zeros, y.value.address],
        ...[y.step, kind, [alpha] as const, y.value.address, ...Array(12).fill(0), x.step],
      ])],
    });
    this.#onBackward(() => {
      const d = this.#before(y.slot.gradient!, y, layer.activation);
      this.#denses.push({ layer, x: x.value, d, inner, columns });
      if (bias) {
        this.#schedule.add({
          ...{ reads: [d], writes: [] },
          items: (first) => [record("denseBackward", first, columns / 8, [
            ...[0, 0, d.address, 0, d.address, y.step, 0, [0] as const, bias + this.gradientOffset],
          ])],
        });
      }
      if (!x.slot.gradient) return;
      const result = this.#resultFor(x, x.step);
      this.#schedule.add({
        ...{ reads: [d], writes: [result] },
        items: (first) => {
          const { zeros, packs, packStep } = this.allocateShared();
          return [record("denseInputGradient", first, inner / 8, [
            ...[d.address, columns, weights, zeros, result.address, x.step, y.step, inner],
            ...[packs, packStep],
          ])];
        },
      });
      this.#addResult(x, result);
    });
    return y;
  }

  /** Weight gradients and optimizer steps of large dense layers. */
  denseUpdates(first: number, { table, moments, penalties, norms, panels }: {
    table: number;
    moments: readonly [number, number];
    penalties: number;
    norms: number;
    panels: ReadonlyMap<number, number>;
  }): KernelRecord[] {
    const { packs, packStep } = this.allocateShared();
    return this.#denses.map(({ layer, x, d, inner, columns }) => {
      const item = panels.get(this.#weights.get(layer)!.index)!;
      const kernel = record("denseUpdate", first, columns / 8, [
        ...[x.address, inner, d.address, inner * 4, columns * 4, packs, packStep],
        ...[table + item * 32, ...moments, this.gradientOffset, penalties + item * 8],
        norms && norms + item * 8,
      ]);
      first += columns / 8;
      return kernel;
    });
  }

  // Memory.

  /** Allocates a layer's own memory, by name, once for training and inference. */
  #allocateOnce<Name extends string>(layer: GraphLayer, bytes: Record<Name, number>) {
    let known = this.#memoryOf.get(layer);
    if (!known) {
      known = Object.fromEntries(
        Object.entries<number>(bytes).map(([name, size]) => [
          name,
          size > 0 ? this.#memory.allocate(size) : 0,
        ]),
      );
      this.#memoryOf.set(layer, known);
    }
    return known as Record<Name, number>;
  }

  /** Allocates the chunks' parts of some gradients side by side; returns address and bytes of a chunk. */
  #parts(layer: GraphLayer, weights: Record<string, [address: number, bytes: number]>): number[] {
    const bytes = Object.values(weights).reduce((sum, [, bytes]) => sum + bytes, 0);
    if (!this.#training) return [];
    const { parts } = this.#allocateOnce({ ...layer }, { parts: this.#sizes.chunks * bytes });
    let at = parts;
    for (const [address, size] of Object.values(weights)) {
      if (address) this.parts.set(address, { address: at, bytes });
      at += size;
    }
    return [parts, bytes];
  }

  #needs(side: number, taps: number, width: number, stride: number, columns: number): void {
    if (side === 0) return;
    const tiles = Math.max(WINOGRAD_TILES, width / (side - taps + 1));
    this.#scratch.planes = Math.max(this.#scratch.planes, side ** 2);
    this.#scratch.plane = Math.max(this.#scratch.plane, tiles * Math.max(stride, columns) * 4 + 64);
  }

  /** Reserves gradient sums of Winograd's algorithm; those of one level are apart. */
  #sumsAt(bytes: number, reads: Buffer[]): number {
    const level = Math.max(this.#schedule.base, ...reads.map(({ level }) => level));
    const n = this.#sumsOfLevel.get(level) ?? 0;
    this.#sumsOfLevel.set(level, n + 1);
    this.#scratch.sums[n] = Math.max(this.#scratch.sums[n] ?? 0, bytes);
    return n;
  }

  /** Allocates what all layers share, once their needs are known. */
  allocateShared(): SharedMemory {
    const allocate = () => {
      const { pack, plane, planes, widest, sums } = this.#scratch, { threads } = this.#sizes;
      const apart = (bytes: number) => {
        const step = Math.ceil((bytes + 64) / 64) * 64;
        return { address: this.#memory.allocate(threads * step), step };
      };
      const packed = apart(pack), tiles = apart(2 * planes * plane);
      return {
        ...{ zeros: this.#memory.allocate(widest * 4), packs: packed.address },
        ...{ packStep: packed.step, tiles: tiles.address, tileStep: tiles.step, plane },
        sums: sums.map(apart),
      };
    };
    return this.#shared ??= allocate();
  }

  #scratchWords(side: number): number[] {
    const { tiles, tileStep, plane, zeros, packs, packStep } = this.allocateShared();
    return [tiles, tileStep, plane, zeros, side, packs, packStep];
  }
}

/** Returns a record whose operands are buffers. */
function kernel(
  name: keyof typeof Kernel,
  operands: Buffer[],
  words: readonly Word[],
): KernelRecord {
  return record(name, 0, 0, [...operands.flatMap((buffer) => buffer.words), ...words]);
}

/** dx (+)= factor * d; with a step of 0, d has one position. */
function copy(
  d: Buffer,
  dx: Buffer,
  positions: number,
  step: number,
  dStep: number,
  factor: number,
  add: number,
): KernelRecord {
  return kernel("combine", [d, d, dx], [positions, step, Combine.copy, dStep, [factor], add]);
}

/** Words of an operand some bytes further. */
function shifted(buffer: Buffer, bytes: number): Word[] {
  return [buffer.address + bytes, buffer.step, buffer.image];
}

/** Channels after which an activation's output is cleared: where it does not keep the padding zero. */
function clearedBy(kind: Activation, channels: number): number {
  const { sigmoid, hardSigmoid, softplus } = Activation;
  return channels % 8 > 0 && [sigmoid, hardSigmoid, softplus].includes(kind) ? channels : 0;
}

/** Returns the activation of a layer, and its parameter. */
export function activationOf(layer: Layer): { kind: Activation; alpha: number } | undefined {
  if (layer.kind === "relu") return { kind: Activation.relu, alpha: 0 };
  if (layer.kind === "leakyRelu") return { kind: Activation.leakyRelu, alpha: layer.alpha };
  if (layer.kind !== "activation") return undefined;
  return { kind: Activation[layer.function], alpha: layer.alpha ?? 6 };
}

function isLarge(layer: Dense, shape: readonly number[]): boolean {
  return shape.length === 1 && shape[0] * layer.units >= LARGE_DENSE;
}

/** Computes the shape of a layer's output. */
function shapeOf(layer: GraphLayer, inputs: readonly (readonly number[])[]): readonly number[] {
  const [shape] = inputs, channels = shape.at(-1)!;
  const windows = (
    [height, width]: readonly [number, number],
    { strides: [sy, sx], padding }: Pick<Conv, "strides" | "padding">,
    out: number,
  ) => {
    if (shape.length !== 3) refuse(layer, `needs images, not the shape ${shape.join(" x ")}`);
    const sizes = [
      extent(shape[0], height, sy, padding).size,
      extent(shape[1], width, sx, padding).size,
    ];
    if (Math.min(...sizes) < 1) {
      throw new RangeError(
        `Cannot compile "${"name" in layer ? layer.name : layer.kind}": nothing is left of its ` +
          `${shape[0]}x${shape[1]} input`,
      );
    }
    return [...sizes, out];
  };
  switch (layer.kind) {
    case "conv2d":
      return windows(layer.kernelSize, layer, layer.filters);
    case "depthwiseConv2d":
      return windows(layer.kernelSize, layer, channels * layer.depthMultiplier);
    case "maxPool":
    case "averagePool":
      return windows(layer.poolSize, layer, channels);
    case "dense":
      return [...shape.slice(0, -1), layer.units];
    case "globalAveragePool":
    case "globalMaxPool":
      return [channels];
    case "flatten":
      return [product(shape)];
    case "reshape":
      return layer.shape;
    case "concatenate":
      if (inputs.some((one) => `${one.slice(0, -1)}` !== `${shape.slice(0, -1)}`)) {
        refuse(layer, `joins ${inputs.map((one) => one.join(" x ")).join(" and ")}`);
      }
      return [
        ...shape.slice(0, -1),
        inputs.reduce((sum, one) => sum + one.at(-1)!, 0),
      ];
    case "add":
    case "multiply":
      return inputs.reduce((most, one) => product(one) > product(most) ? one : most);
    default:
      return shape;
  }
}
