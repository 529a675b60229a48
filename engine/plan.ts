/**
 * Compiles a network into a plan: where everything lies in one memory, and the programs that the
 * kernels' interpreter (engine/assembly/index.ts) runs over it. Nothing is allocated afterwards.
 *
 * Channels and units are padded to multiples of eight, and the padding stays zero: its weights,
 * gammas and biases are zero and so are their gradients. Only the input keeps its channels.
 */
import { type Block, blocksOf, type Head, type Loss, type Network } from "./network.ts";

/** The control block's addresses; engine/assembly/simd.ts has the same. */
export const CONTROL = {
  command: 1024,
  done: 1028,
  program: 1032,
  threads: 1216,
  rows: 1220,
  key: 1224,
  rate: 1232,
  beta1: 1236,
  beta2: 1240,
  epsilon: 1244,
  keepGradients: 1248,
  loss: 1256,
  metric: 1264,
  decay: 1272,
} as const;

/** A weight as the outside knows it, and where it lies. */
export interface Tensor {
  /** `layer/kernel`, `layer/bias`, `layer/gamma`, `layer/beta`, `layer/moving_mean`, `layer/moving_variance`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Trainable tensors have a gradient and the optimiser's moments at fixed distances. */
  readonly trainable: boolean;
  readonly address: number;
  /** How many groups of rows (taps, positions), rows in a group, the same padded, and columns. */
  readonly groups: number;
  readonly rows: number;
  readonly paddedRows: number;
  readonly columns: number;
}

export interface Plan {
  readonly network: Network;
  readonly batch: number;
  readonly threads: number;
  readonly bytes: number;
  readonly programs: {
    readonly train: number;
    readonly infer: number;
    /** L2 penalties only. */
    readonly penalty: number;
  };
  readonly tensors: readonly Tensor[];
  /** Distances from a trainable tensor to its moments and gradient, in bytes. */
  readonly moments: readonly [number, number];
  readonly gradient: number;
  readonly input: { readonly address: number; readonly bytes: number; readonly floats: boolean };
  readonly labels: number;
  readonly outputs: { readonly address: number; readonly columns: number };
  /** For each head the sum of its losses over the rows, 8 bytes. */
  readonly heads: { readonly address: number; readonly count: number };
  readonly penalties: { readonly address: number; readonly count: number };
  readonly counters: { readonly address: number; readonly count: number };
  /** The program's words, and the numbers that are not zero at the start. */
  readonly words: readonly (readonly [address: number, words: Int32Array])[];
}

export interface PlanOptions {
  /** Rows in a batch, at most. */
  batch: number;
  threads: number;
  /** Bytes are divided by this; undefined if the input comes as floats, to be used as they are. */
  divisor?: number;
}

const FIRST = 65536;
export const RECORD = 32;
/**
 * A batch is cut into chunks, whatever the number of threads: eight, or more of eight images each
 * if it is large, up to as many as there may be threads.
 */
const CHUNKS = { least: 8, images: 8, most: 16 };
/** Floats that one item of the optimiser's stage updates. */
const UPDATE = 4096;
/** The same as in winograd.ts. */
const WINOGRAD_TILES = 32;
/** Bytes that the images of a range may touch, to stay in a core's own cache. */
const RANGE_BYTES = 384 * 1024;

export const KERNELS = {
  inputBytes: 1,
  inputFloats: 2,
  convolve: 3,
  statistics: 4,
  normalisePool: 5,
  gradientSums: 6,
  preActivationGradient: 7,
  filterGradient: 8,
  winograd: 9,
  winogradGradient: 10,
  finishStatistics: 16,
  movingScale: 17,
  finishGradient: 18,
  denseForward: 19,
  denseBackward: 20,
  denseInputGradient: 21,
  crossEntropy: 22,
  absoluteError: 23,
  adam: 24,
  turn: 25,
  transformWeights: 26,
  softCrossEntropy: 27,
  headAbsoluteError: 28,
} as const;

/** A word of a record: an integer, or `[x]` for the bits of a float. */
type Word = number | readonly [number];
type Record32 = readonly Word[];
interface Stage {
  images: boolean;
  count: number;
  range: number;
  kernels: Record32[];
}

const upTo8 = (n: number) => Math.ceil(n / 8) * 8;
const floatBits = new Int32Array(1);
function bits(word: Word): number {
  if (typeof word === "number") return word | 0;
  new Float32Array(floatBits.buffer)[0] = word[0];
  return floatBits[0];
}

/** Bytes from row to row of a dense layer's values: never a power of two, which caches dislike. */
const rowBytes = (floats: number) => floats * 4 + 64;

/** Output size and padding before, as TensorFlow has them. */
function extent(size: number, window: number, stride: number, padding: "same" | "valid") {
  if (padding === "valid") return { size: Math.floor((size - window) / stride) + 1, before: 0 };
  const out = Math.ceil(size / stride);
  return { size: out, before: Math.max((out - 1) * stride + window - size, 0) >> 1 };
}

/** Lays out memory and writes the programs. Throws `UnsupportedNetwork`. */
export function plan(network: Network, options: PlanOptions): Plan {
  const { batch, threads, divisor } = options;
  const blocks = blocksOf(network);
  const chunks = Math.min(
    batch,
    Math.max(CHUNKS.least, Math.min(Math.floor(batch / CHUNKS.images), CHUNKS.most)),
  );
  let end = FIRST;
  const allocate = (bytes: number): number => {
    const at = end;
    end = Math.ceil((end + bytes + 64) / 64) * 64;
    return at;
  };
  const written: [number, Int32Array][] = [];

  // Sizes of every block.
  let [height, width] = network.input;
  let channels = network.input[2], stride = channels; // floats from pixel to pixel
  let flat = 0; // floats in a row of a dense layer's input
  const geometry = blocks.map((block, b) => {
    const inHeight = height, inWidth = width, inChannels = channels, inStride = stride;
    const inFlat = flat || inHeight * inWidth * inStride;
    if (block.linear.kind === "dense") {
      const columns = upTo8(block.linear.units);
      const groups = flat ? 1 : inHeight * inWidth;
      const g = { inFlat, groups, inChannels, inStride, columns };
      flat = stride = columns;
      channels = block.linear.units;
      return { block, dense: g };
    }
    const [kh, kw] = block.linear.kernelSize, [sy, sx] = block.linear.strides;
    const y = extent(height, kh, sy, block.linear.padding);
    const x = extent(width, kw, sx, block.linear.padding);
    const columns = upTo8(block.linear.filters);
    const [ph, pw] = block.pool?.poolSize ?? [1, 1], [py, px] = block.pool?.strides ?? [1, 1];
    const poolY = extent(y.size, ph, py, block.pool?.padding ?? "valid");
    const poolX = extent(x.size, pw, px, block.pool?.padding ?? "valid");
    if (y.size < 1 || x.size < 1 || poolY.size < 1 || poolX.size < 1) {
      throw new RangeError(
        `Cannot compile "${block.linear.name}": nothing is left of its ${height}x${width} input`,
      );
    }
    height = poolY.size;
    width = poolX.size;
    channels = block.linear.filters;
    stride = columns;
    const conv = {
      ...{ inHeight, inWidth, inChannels, inStride, columns, kh, kw, sy, sx },
      ...{ outHeight: y.size, outWidth: x.size, top: y.before, left: x.before },
      ...{ ph, pw, py, px, poolTop: poolY.before, poolLeft: poolX.before },
      ...{ poolHeight: height, poolWidth: width },
      // The input with its padding, as the convolution reads it.
      paddedHeight: Math.max((y.size - 1) * sy + kh, y.before + inHeight),
      paddedWidth: Math.max((x.size - 1) * sx + kw, x.before + inWidth),
      pooled: ph * pw * py * px > 1,
      // Whether the products can be saved that winograd.ts saves.
      winograd: b > 0 && (kh === 2 || kh === 3) && kw === kh && sy === 1 && sx === 1 &&
        block.linear.padding === "same" && y.size % 2 === 0 && x.size % 2 === 0,
    };
    return { block, conv };
  });

  // Parameters: weights, then the moments and gradients at the same distances.
  const tensors: Tensor[] = [];
  const parameters: { address: number; floats: number; l2: number; decays: boolean }[] = [];
  const start = end;
  const parameter = (
    name: string,
    shape: number[],
    [groups, rows, paddedRows, columns]: [number, number, number, number],
    l2 = 0,
  ): number => {
    const floats = groups * paddedRows * upTo8(columns);
    const address = allocate(floats * 4);
    tensors.push({ name, shape, trainable: true, address, groups, rows, paddedRows, columns });
    parameters.push({ address, floats, l2, decays: name.endsWith("/kernel") });
    return address;
  };
  const places = geometry.map(({ block, conv, dense }) => {
    const { linear, norm } = block;
    const columns = linear.kind === "dense" ? linear.units : linear.filters;
    const kernel = dense
      ? parameter(
        `${linear.name}/kernel`,
        [dense.groups * dense.inChannels, columns],
        [dense.groups, dense.inChannels, dense.inStride, columns],
        linear.l2?.kernel,
      )
      : parameter(
        `${linear.name}/kernel`,
        [conv!.kh, conv!.kw, conv!.inChannels, columns],
        [conv!.kh * conv!.kw, conv!.inChannels, conv!.inStride, columns],
        linear.l2?.kernel,
      );
    const vector = (suffix: string, layer: string, l2?: number) =>
      parameter(`${layer}/${suffix}`, [columns], [1, 1, 1, columns], l2);
    const bias = linear.bias ? vector("bias", linear.name, linear.l2?.bias) : 0;
    const gamma = norm ? vector("gamma", norm.name) : 0;
    const beta = norm ? vector("beta", norm.name) : 0;
    return { kernel, bias, gamma, beta };
  });
  const span = end - start;
  allocate(3 * span);
  const moments = [span, 2 * span] as const, gradient = 3 * span;

  // Constants and per-channel numbers.
  const widest = Math.max(...geometry.map((g) => (g.dense ?? g.conv).columns));
  const zeros = allocate(widest * 4), ones = allocate(widest * 4);
  written.push([ones, new Int32Array(widest).fill(bits([1]))]);
  const trash = allocate(widest * 4); // gradients that nobody asked for
  const input = divisor === undefined
    ? { address: allocate(batch * product(network.input) * 4), floats: true }
    : { address: allocate(batch * product(network.input)), floats: false };

  // Activations, gradients and scratch of every block.
  const memory = geometry.map(({ block, conv, dense }, b) => {
    const columns = (dense ?? conv).columns, vector = () => allocate(columns * 4);
    const { norm, linear } = block;
    const units = linear.kind === "dense" ? linear.units : linear.filters;
    const moving = (suffix: string) => {
      const address = vector();
      tensors.push({
        ...{ name: `${norm!.name}/${suffix}`, shape: [units], trainable: false, address },
        ...{ groups: 1, rows: 1, paddedRows: 1, columns: units },
      });
      return address;
    };
    const movingMean = norm ? moving("moving_mean") : 0;
    const movingVariance = norm ? moving("moving_variance") : 0;
    const mean = vector(), deviation = vector();
    const turned = b === 0 ? 0 : allocate(
      dense
        ? dense.inFlat * dense.columns * 4
        : conv.kh * conv.kw * conv.inStride * conv.columns * 4,
    );
    const common = { movingMean, movingVariance, mean, deviation, turned };
    if (dense) {
      const activated = allocate(batch * rowBytes(columns));
      const apart = norm !== undefined || block.dropout > 0;
      return {
        ...common,
        x: b === 0 || geometry[b - 1].conv ? allocate(batch * rowBytes(dense.inFlat)) : 0,
        activated,
        out: apart ? allocate(batch * rowBytes(columns)) : activated,
        gradient: allocate(batch * rowBytes(columns)),
      };
    }
    const c = conv;
    const paddedImage = c.paddedHeight * c.paddedWidth * c.inStride * 4;
    const zImage = c.outHeight * c.outWidth * columns * 4;
    const pooledImage = c.poolHeight * c.poolWidth * columns * 4;
    // Gradient of the sums: padded for the input's gradient, plain where nobody needs that.
    const spread = b > 0;
    const dHeight = spread ? c.inHeight + c.kh - 1 : c.outHeight;
    const dWidth = spread ? c.inWidth + c.kw - 1 : c.outWidth;
    const dImage = dHeight * dWidth * columns * 4, dRow = dWidth * columns * 4;
    const dFirst = spread ? ((c.kh - 1 - c.top) * dWidth + c.kw - 1 - c.left) * columns * 4 : 0;
    const range = Math.max(1, Math.floor(RANGE_BYTES / (paddedImage + zImage + dImage)));
    const scratchStep = Math.ceil(Math.min(range, batch) * dImage / 64 + 1) * 64;
    const partBytes = (c.kh * c.kw * c.inStride * columns + columns) * 4;
    return {
      ...common,
      ...{ paddedImage, zImage, pooledImage, dImage, dRow, dFirst, range, scratchStep, partBytes },
      x: allocate(batch * paddedImage),
      z: allocate(batch * zImage),
      places: c.pooled ? allocate(batch * pooledImage / 4) : 0,
      maxima: c.pooled ? allocate(batch * pooledImage) : 0,
      gradient: allocate(batch * pooledImage),
      partial: allocate(batch * columns * 8),
      scale: norm ? vector() : ones,
      shift: norm ? vector() : zeros,
      slope: norm ? vector() : 0,
      offset: norm ? vector() : 0,
      scratch: allocate(threads * scratchStep),
      parts: allocate(chunks * partBytes),
      transformed: c.winograd ? allocate((c.kh + 1) ** 2 * c.inStride * columns * 4) : 0,
      turnedTransformed: c.winograd ? allocate((c.kh + 1) ** 2 * c.inStride * columns * 4) : 0,
    };
  });
  // Where a thread packs one panel of gradients.
  const packStep = 64 + 32 * Math.max(
        batch,
        ...geometry.map(({ conv }, b) =>
          conv ? (memory[b] as { range: number }).range * conv.outHeight * conv.outWidth : 0
        ),
      );
  const packs = allocate(threads * packStep);
  // Where a thread keeps the transforms of some tiles: of inputs, of outputs, of weights' gradients.
  const tiled = geometry.flatMap(({ conv }) => {
    if (!conv?.winograd) return [];
    const tiles = Math.max(WINOGRAD_TILES, conv.outHeight * conv.outWidth / 4);
    const planes = (conv.kh + 1) ** 2;
    return [{
      planes,
      plane: tiles * Math.max(conv.inStride, conv.columns) * 4 + 64,
      sums: planes * conv.inStride * conv.columns * 4,
    }];
  });
  const plane = Math.max(0, ...tiled.map(({ plane }) => plane));
  const tilesStep = 64 +
    Math.max(0, ...tiled.map(({ planes, sums }) => 2 * planes * plane + sums));
  const tilesScratch = tiled.length > 0 ? allocate(threads * tilesStep) : 0;
  type DenseMemory = Extract<typeof memory[number], { activated: number }>;
  type ConvMemory = Exclude<typeof memory[number], DenseMemory>;
  const convs = geometry.flatMap(({ block, conv }, b) =>
    conv ? [{ b, block, c: conv, m: memory[b] as ConvMemory, p: places[b] }] : []
  );
  const denses = geometry.flatMap(({ block, dense }, b) =>
    dense ? [{ b, block, d: dense, m: memory[b] as DenseMemory, p: places[b] }] : []
  );
  const head = denses.at(-1)!;
  const outColumns = tensors.find((t) => t.address === head.p.kernel)!.columns;
  const labels = allocate(batch * outColumns * 4);
  const outputs = allocate(batch * outColumns * 4);
  const heads = typeof network.loss === "string" ? [] : network.loss;
  const headLosses = allocate(heads.length * 8);

  // The optimiser's table.
  const items: number[] = [];
  for (const { address, floats, l2, decays } of parameters) {
    const owner = convs.find(({ p }) => p.kernel === address || p.bias === address);
    const part = owner === undefined
      ? 0
      : owner.m.parts + (owner.p.bias === address ? owner.m.partBytes - owner.c.columns * 4 : 0);
    for (let done = 0; done < floats; done += UPDATE) {
      items.push(
        address + done * 4,
        Math.min(UPDATE, floats - done),
        part && part + done * 4,
        owner?.m.partBytes ?? 0,
        owner ? chunks : 0,
        bits([l2]),
        Number(decays),
        0,
      );
    }
  }
  const itemCount = items.length / 8;
  const table = allocate(items.length * 4);
  written.push([table, Int32Array.from(items)]);
  const penalties = { address: allocate(itemCount * 8), count: itemCount };

  // Kernels' records. The words are in the order in which the kernels read them, from the third.
  const record = (kernel: keyof typeof KERNELS, first: number, count: number, words: Word[]) =>
    [KERNELS[kernel], first, count, ...words] as Record32;
  const activation = ({ slope }: Block): Word[] =>
    slope === undefined ? [0, [0]] : slope === 0 ? [1, [0]] : [2, [slope]];

  const readInput = (): Record32 => {
    const first = convs[0];
    const rowLength = network.input[1] * network.input[2];
    const into = first
      ? [
        first.m.x + (first.c.top * first.c.paddedWidth + first.c.left) * first.c.inStride * 4,
        first.m.paddedImage,
        first.c.paddedWidth * first.c.inStride * 4,
      ]
      : [denses[0].m.x, rowBytes(denses[0].d.inFlat), rowLength * 4];
    return record(input.floats ? "inputFloats" : "inputBytes", 0, 0, [
      input.address,
      rowLength,
      network.input[0],
      ...into,
      [divisor ?? 1],
    ]);
  };
  const convolve = ({ block, c, m, p }: typeof convs[number]): Record32 =>
    record(c.winograd ? "winograd" : "convolve", 0, 0, [
      m.x,
      m.paddedImage,
      c.sy * c.paddedWidth * c.inStride * 4,
      c.sx * c.inStride * 4,
      c.kh,
      c.kw * c.inStride,
      c.paddedWidth * c.inStride * 4,
      c.outHeight,
      c.outWidth,
      c.columns / 8,
      c.winograd ? m.transformed : p.kernel,
      p.bias || zeros,
      p.bias ? 32 : 0,
      m.z,
      m.zImage,
      c.outWidth * c.columns * 4,
      c.columns * 4,
      ...activation(block),
      ...[0, tilesScratch, tilesStep, plane, zeros],
    ]);
  const window = (c: typeof convs[number]["c"]): Word[] => [
    ...[c.ph, c.pw, c.py, c.px, c.poolTop, c.poolLeft, c.poolHeight, c.poolWidth],
  ];
  const normalisePool = (
    { b, c, m }: typeof convs[number],
    training: boolean,
  ): Record32 => {
    const next = convs.find((conv) => conv.b === b + 1);
    const into = next
      ? [
        next.m.x + (next.c.top * next.c.paddedWidth + next.c.left) * next.c.inStride * 4,
        next.m.paddedImage,
        next.c.paddedWidth * next.c.inStride * 4,
      ]
      : [denses[0].m.x, rowBytes(denses[0].d.inFlat), c.poolWidth * c.columns * 4];
    return record("normalisePool", 0, 0, [
      ...[m.z, c.outHeight, c.outWidth, c.columns, m.scale, m.shift],
      ...window(c),
      ...into,
      ...(training ? [m.places, m.maxima] : [0, 0]),
    ]);
  };
  const denseInput = (b: number): number => {
    const m = memory[b] as DenseMemory;
    return m.x || (memory[b - 1] as DenseMemory).out;
  };
  const denseWords = ({ b, block, d, m }: typeof denses[number], training: boolean): Word[] =>
    [
      ...[m.movingMean, m.movingVariance],
      [block.norm?.momentum ?? 0],
      [block.norm?.epsilon ?? 0],
      ...[m.mean, m.deviation, training ? 1 : 0],
      training ? Math.min(Math.round(block.dropout * 2 ** 32), 2 ** 32 - 1) : 0,
      [1 / (1 - block.dropout)],
      ...[dropoutSalt(b), rowBytes(d.inFlat), packs, packStep],
    ] as Word[];
  const denseForward = (dense: typeof denses[number], training: boolean): Stage => {
    const { b, block, d, m, p } = dense;
    const panels = d.columns / 8;
    // In inference dropout does nothing; the copy that its output is stays.
    return {
      ...{ images: false, count: panels, range: 0 },
      kernels: [record("denseForward", 0, panels, [
        ...[denseInput(b), d.inFlat, p.kernel, p.bias || zeros, m.activated, rowBytes(d.columns)],
        ...activation(block),
        ...[m.out, p.gamma, p.beta],
        ...denseWords(dense, training),
      ])],
    };
  };
  const denseBackward = (dense: typeof denses[number]): Record32 => {
    const { b, block, d, m, p } = dense;
    const panels = d.columns / 8;
    return record("denseBackward", 0, panels, [
      ...[
        denseInput(b),
        d.inFlat,
        m.gradient,
        p.kernel + gradient,
        m.activated,
        rowBytes(d.columns),
      ],
      ...activation(block),
      p.bias ? p.bias + gradient : trash,
      ...[p.gamma, p.gamma + gradient, p.beta + gradient],
      ...[m.movingMean, m.movingVariance, 0],
      ...[m.mean, m.deviation, 1],
      ...denseWords(dense, true).slice(7),
    ]);
  };
  const loss = (training: boolean): Stage => {
    const { activated, gradient } = head.m, row = rowBytes(head.d.columns) / 4;
    const kernels = typeof network.loss === "string"
      ? [record(lossKernel(network.loss), 0, 1, [
        ...[activated, row, outColumns, labels, outputs, training ? gradient : 0],
      ])]
      : heads.map(({ loss, columns, weight }, n) => {
        const at = heads.slice(0, n).reduce((sum, { columns }) => sum + columns, 0) * 4;
        return record(headKernel(loss), n, 1, [
          ...[activated + at, row, columns, labels + at, outputs + at],
          training ? gradient + at : 0,
          ...[outColumns, [weight] as const, headLosses + n * 8],
        ]);
      });
    return { images: false, count: kernels.length, range: 0, kernels };
  };

  // Training.
  const train: Stage[] = [];
  const turnings: Record32[] = [];
  let turningItems = 0;
  for (const [b, { conv, dense }] of geometry.entries()) {
    if (b === 0) continue;
    const count = (dense ? dense.inFlat : conv.inStride) / 8;
    turnings.push(record("turn", turningItems, count, [
      places[b].kernel,
      dense ? 1 : conv.kh * conv.kw,
      dense ? dense.inFlat : conv.inStride,
      (dense ?? conv).columns / 8,
      memory[b].turned,
    ]));
    turningItems += count;
  }
  if (turningItems > 0) {
    train.push({ images: false, count: turningItems, range: 0, kernels: turnings });
  }
  const transforms = (first: number, backward: boolean): Stage => {
    const kernels: Record32[] = [];
    const add = (from: number, rows: number, panels: number, to: number, taps: number) => {
      kernels.push(record("transformWeights", first, panels, [from, rows, panels, to, taps]));
      first += panels;
    };
    for (const { c, m, p } of convs.filter(({ c }) => c.winograd)) {
      add(p.kernel, c.inStride, c.columns / 8, m.transformed, c.kh);
      if (backward) add(m.turned, c.columns, c.inStride / 8, m.turnedTransformed, c.kh);
    }
    return { images: false, count: first, range: 0, kernels };
  };
  if (tilesScratch > 0) train.push(transforms(0, true));
  for (const [n, conv] of convs.entries()) {
    const { block, c, m, p } = conv;
    const positions = c.outHeight * c.outWidth;
    const kernels = [n === 0 ? readInput() : normalisePool(convs[n - 1], true), convolve(conv)];
    if (block.norm) {
      kernels.push(record("statistics", 0, 0, [m.z, positions, c.columns, m.partial]));
    }
    train.push({ images: true, count: chunks, range: m.range, kernels });
    if (block.norm) {
      train.push({
        ...{ images: false, count: c.columns / 8, range: 0 },
        kernels: [record("finishStatistics", 0, c.columns / 8, [
          ...[m.partial, positions, c.columns, p.gamma, p.beta, m.movingMean, m.movingVariance],
          [block.norm.momentum],
          [block.norm.epsilon],
          ...[m.scale, m.shift, m.mean, m.deviation],
        ])],
      });
    }
  }
  train.push({
    ...{ images: true, count: chunks, range: convs.at(-1)?.m.range ?? batch },
    kernels: [convs.length > 0 ? normalisePool(convs.at(-1)!, true) : readInput()],
  });
  for (const dense of denses) train.push(denseForward(dense, true));
  train.push(loss(true));
  for (const dense of denses.toReversed()) {
    const following = denses.find(({ b }) => b === dense.b + 1);
    const panels = dense.d.columns / 8;
    train.push({
      ...{ images: false, count: panels, range: 0 },
      kernels: [
        ...(following
          ? [denseInputGradient(following, dense.m.gradient, rowBytes(dense.d.columns))]
          : []),
        denseBackward(dense),
      ],
    });
  }
  function denseInputGradient(
    { d, m }: typeof denses[number],
    out: number,
    outRow: number,
  ): Record32 {
    return record("denseInputGradient", 0, d.inFlat / 8, [
      ...[m.gradient, d.columns, m.turned, zeros, out, outRow, rowBytes(d.columns)],
    ]);
  }
  const sums = ({ c, m }: typeof convs[number]): Record32 =>
    record("gradientSums", 0, 0, [
      ...[m.gradient, c.pooled ? m.maxima : m.z, c.poolHeight * c.poolWidth, c.columns],
      ...[m.mean, m.partial],
    ]);
  if (convs.length > 0) {
    const last = convs.at(-1)!;
    train.push({
      ...{ images: false, count: denses[0].d.inFlat / 8, range: 0 },
      kernels: [denseInputGradient(denses[0], last.m.gradient, last.m.pooledImage)],
    });
    if (last.block.norm) {
      train.push({ images: true, count: chunks, range: last.m.range, kernels: [sums(last)] });
    }
  }
  for (const [n, conv] of [...convs.entries()].toReversed()) {
    const { b, block, c, m, p } = conv;
    if (block.norm) {
      train.push({
        ...{ images: false, count: c.columns / 8, range: 0 },
        kernels: [record("finishGradient", 0, c.columns / 8, [
          ...[m.partial, c.outHeight * c.outWidth, c.columns, m.deviation, m.scale],
          ...[p.gamma + gradient, p.beta + gradient, m.slope, m.offset],
        ])],
      });
    }
    const dStep = c.columns * 4 * (b > 0 ? c.sx : 1), dRow = m.dRow * (b > 0 ? c.sy : 1);
    const kernels = [
      record("preActivationGradient", 0, 0, [
        ...[m.gradient, m.z, c.outHeight, c.outWidth, c.columns, m.places],
        ...window(c),
        ...[m.scale, m.slope, m.offset],
        ...activation(block),
        ...[m.scratch + m.dFirst, m.scratchStep, m.dImage, dRow, dStep, m.mean],
      ]),
      record(c.winograd ? "winogradGradient" : "filterGradient", 0, 0, [
        ...[m.x, m.paddedImage, c.sy * c.paddedWidth * c.inStride * 4, c.sx * c.inStride * 4],
        ...[c.kh, c.kw * c.inStride, c.paddedWidth * c.inStride * 4],
        ...[c.outHeight, c.outWidth, c.columns / 8],
        ...[m.scratch + m.dFirst, m.scratchStep, m.dImage, dRow, dStep, m.parts, m.partBytes],
        ...(c.winograd ? [tilesScratch, tilesStep, plane] : [packs, packStep]),
      ]),
    ];
    if (b > 0) {
      const previous = convs[n - 1];
      kernels.push(record(c.winograd ? "winograd" : "convolve", 0, 0, [
        ...[m.scratch, m.dImage, m.dRow, c.columns * 4, c.kh, c.kw * c.columns, m.dRow],
        ...[
          c.inHeight,
          c.inWidth,
          c.inStride / 8,
          c.winograd ? m.turnedTransformed : m.turned,
          zeros,
          0,
        ],
        ...[previous.m.gradient, c.inHeight * c.inWidth * c.inStride * 4],
        ...[c.inWidth * c.inStride * 4, c.inStride * 4, 0],
        [0],
        ...[m.scratchStep, tilesScratch, tilesStep, plane, zeros],
      ]));
      if (previous.block.norm) kernels.push(sums(previous));
    }
    train.push({ images: true, count: chunks, range: m.range, kernels });
  }
  const update = (only: boolean): Stage => ({
    ...{ images: false, count: itemCount, range: 0 },
    kernels: [record("adam", 0, itemCount, [
      ...[table, ...moments, gradient, penalties.address, only ? 1 : 0],
    ])],
  });
  train.push(update(false));

  // Inference: nothing needs the whole batch, so one range of images goes through all convolutions.
  const infer: Stage[] = [];
  const scales: Record32[] = [];
  let scaleItems = 0;
  for (const { block, c, m, p } of convs) {
    if (!block.norm) continue;
    scales.push(record("movingScale", scaleItems, c.columns / 8, [
      ...[p.gamma, p.beta, m.movingMean, m.movingVariance],
      [block.norm.epsilon],
      ...[m.scale, m.shift],
    ]));
    scaleItems += c.columns / 8;
  }
  const prepared = transforms(scaleItems, false);
  prepared.kernels.unshift(...scales);
  if (prepared.count > 0) infer.push(prepared);
  infer.push({
    ...{ images: true, count: chunks, range: convs.length > 0 ? 2 : batch },
    kernels: [
      readInput(),
      ...convs.flatMap((conv) => [convolve(conv), normalisePool(conv, false)]),
    ],
  });
  for (const dense of denses) infer.push(denseForward(dense, false));
  infer.push(loss(false));

  // Write the programs.
  const programs = [train, infer, [update(true)]];
  const counters = {
    address: allocate(Math.max(...programs.map((p) => p.length)) * 64),
    count: Math.max(...programs.map((p) => p.length)),
  };
  const addresses = programs.map((stages) => {
    const words: number[] = [];
    for (const [n, { images, count, range, kernels }] of stages.entries()) {
      const header = [
        ...[images ? 1 : 2, count, range, kernels.length, counters.address + n * 64],
      ];
      for (const line of [header, ...kernels]) {
        if (line.length > RECORD) throw new Error("a kernel's record is too long");
        for (let n = 0; n < RECORD; n++) words.push(bits(line[n] ?? 0));
      }
    }
    for (let n = 0; n < RECORD; n++) words.push(0);
    const address = allocate(words.length * 4);
    written.push([address, Int32Array.from(words)]);
    return address;
  });
  return {
    ...{ network, batch, threads, tensors, moments, gradient, labels, penalties, counters },
    bytes: end,
    programs: { train: addresses[0], infer: addresses[1], penalty: addresses[2] },
    input: { ...input, bytes: product(network.input) * (input.floats ? 4 : 1) },
    outputs: { address: outputs, columns: outColumns },
    heads: { address: headLosses, count: heads.length },
    words: written,
  };
}

/** What tells one layer's dropout mask from another's. */
export function dropoutSalt(block: number): number {
  return Math.imul(block + 1, 0x632BE5AB);
}

function lossKernel(loss: Loss & string): "crossEntropy" | "absoluteError" {
  return loss === "categoricalCrossentropy" ? "crossEntropy" : "absoluteError";
}

function headKernel(loss: Head["loss"]): "softCrossEntropy" | "headAbsoluteError" {
  return loss === "categoricalCrossentropy" ? "softCrossEntropy" : "headAbsoluteError";
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
