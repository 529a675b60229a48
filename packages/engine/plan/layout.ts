/** Memory layout of a plan. */
import type { Block, Network } from "../engine_network.ts";
import { Allocator } from "./allocator.ts";
import { layOutParameters, optimizerTable, type Parameters, type Places } from "./parameters.ts";
import { bits } from "./program.ts";
import { type ConvSizes, type DenseSizes, product, rowBytes, type SizedBlock } from "./shapes.ts";

export interface PlanOptions {
  /** Maximum number of rows in a batch. */
  batch: number;
  threads: number;
  /** Divisor of input bytes; undefined for float input. */
  divisor?: number;
  /** True if gradients are clipped, which takes all of them before the first step. */
  clips?: boolean;
  /** True if moving averages of the weights are kept. */
  averages?: boolean;
}

/**
 * A batch is cut into chunks, whatever the number of threads: eight, or more of eight images each
 * if it is large, up to as many as there may be threads.
 */
const CHUNKS = { least: 8, images: 8, most: 16 };
/** Equal to the constant in winograd.ts. */
export const WINOGRAD_TILES = 32;
/** What windows are packed in at most, but for a row that has more: CACHE in conv.ts. */
export const WINDOW_BYTES = 27 * 1024;
/** Images that pass through all convolutions at once where nothing needs the whole batch. */
export const INFERENCE_RANGE = 2;
/** Maximum working set of a range of images, bytes: fits a core's private cache. */
export const RANGE_BYTES = 384 * 1024;

/** A convolution: sizes, memory and weights. */
export interface ConvLayer {
  readonly b: number;
  readonly block: Block;
  readonly c: ConvSizes;
  readonly m: ReturnType<typeof convMemory>;
  readonly p: Places;
  /** Gradient of the block's output, and bytes between images. */
  readonly gradient: { readonly address: number; readonly image: number };
}

export interface DenseLayer {
  readonly b: number;
  readonly block: Block;
  readonly d: DenseSizes;
  readonly m: ReturnType<typeof denseMemory>;
  readonly p: Places;
}

/** Memory shared by the layers. */
interface Shared {
  readonly memory: Allocator;
  readonly parameters: Parameters;
  readonly batch: number;
  readonly threads: number;
  readonly chunks: number;
  /** Sized for the widest layer. */
  readonly zeros: number;
  readonly ones: number;
  /** Discarded gradients. */
  readonly trash: number;
}

export type Layout = ReturnType<typeof layOut>;

/** Returns the number of chunks of a batch. */
export function chunksOf(batch: number): number {
  const wanted = Math.min(Math.floor(batch / CHUNKS.images), CHUNKS.most);
  return Math.min(batch, Math.max(CHUNKS.least, wanted));
}

/** Lays out memory for a network. */
export function layOut(
  network: Network,
  blocks: readonly SizedBlock[],
  { batch, threads, divisor, clips = false }: PlanOptions,
) {
  const chunks = chunksOf(batch);
  const memory = new Allocator();
  const parameters = layOutParameters(memory, blocks);
  const widest = Math.max(...blocks.map(({ conv, dense }) => (dense ?? conv).columns));
  const shared: Shared = {
    ...{ memory, parameters, batch, threads, chunks },
    zeros: memory.allocate(widest * 4),
    ones: memory.place(new Int32Array(widest).fill(bits([1]))),
    trash: memory.allocate(widest * 4),
  };
  const pixels = product(network.input), floats = divisor === undefined;
  const input = { address: memory.allocate(batch * pixels * (floats ? 4 : 1)), floats };
  const sizedConvs: Omit<ConvLayer, "gradient">[] = [], denses: DenseLayer[] = [];
  for (const sized of blocks) {
    const { b, block, conv, dense } = sized, p = parameters.places[b];
    if (conv) sizedConvs.push({ b, block, c: conv, m: convMemory(shared, sized, conv), p });
    else {
      const m = denseMemory(shared, sized, dense, denses.at(-1)?.m.out);
      denses.push({ b, block, d: dense, m, p });
    }
  }
  const convs = sizedConvs.map((conv, n) => ({
    ...conv,
    gradient: gradientOf(shared, conv.m, sizedConvs[n + 1]?.m),
  }));
  const scratch = threadScratch(shared, convs, denses);
  const head = denses.at(-1)!;
  const outColumns = parameters.tensors.find((t) => t.address === head.p.kernel)!.columns;
  const labels = memory.allocate(batch * outColumns * 4);
  const outputs = memory.allocate(batch * outColumns * 4);
  const heads = typeof network.loss === "object" ? network.loss : [];
  const headLosses = memory.allocate(heads.length * 8);
  return {
    ...{ network, divisor, ...shared, ...parameters, input, convs, denses, head, ...scratch },
    ...{ outColumns, labels, outputs, heads, headLosses },
    ...optimizerTable(memory, parameters.parameters, partsIn(convs), chunks, clips),
  };
}

/** Finds the parts of a convolution's gradients: of the kernel, and behind it of the bias. */
const partsIn = (convs: readonly ConvLayer[]) => (address: number) => {
  const owner = convs.find(({ p }) => p.kernel === address || p.bias === address);
  if (!owner) return undefined;
  const { c, m: { parts, partBytes }, p } = owner;
  return {
    address: parts + (p.bias === address ? partBytes - c.columns * 4 : 0),
    bytes: partBytes,
  };
};

/** Batch statistics of a layer, convolutional or dense. */
function commonMemory({ memory, parameters }: Shared, { block, conv, dense }: SizedBlock) {
  const { norm, linear } = block, { columns } = dense ?? conv;
  const units = linear.kind === "dense" ? linear.units : linear.filters;
  const moving = (suffix: string): number => {
    if (!norm) return 0;
    const address = memory.allocate(columns * 4);
    parameters.tensors.push({
      ...{ name: `${norm.name}/${suffix}`, shape: [units], trainable: false, address },
      ...{ groups: 1, rows: 1, paddedRows: 1, columns: units },
    });
    return address;
  };
  return {
    movingMean: moving("moving_mean"),
    movingVariance: moving("moving_variance"),
    mean: memory.allocate(columns * 4),
    deviation: memory.allocate(columns * 4), // its inverse
  };
}

function denseMemory(
  shared: Shared,
  sized: SizedBlock,
  { inFlat, columns }: DenseSizes,
  /** Output of the previous dense layer, if there is one. */
  before: number | undefined,
) {
  const { memory, batch } = shared, { block } = sized;
  const common = commonMemory(shared, sized);
  const values = (floats: number) => memory.allocate(batch * rowBytes(floats));
  const activated = values(columns);
  return {
    ...common,
    x: before ?? values(inFlat),
    activated,
    out: block.norm !== undefined || block.dropout > 0 ? values(columns) : activated,
    gradient: values(columns),
  };
}

function convMemory(shared: Shared, sized: SizedBlock, c: ConvSizes) {
  const { memory, batch, threads, chunks, ones, zeros } = shared, { b, block } = sized;
  const common = commonMemory(shared, sized);
  const { columns } = c, { norm } = block, vector = () => memory.allocate(columns * 4);
  const paddedImage = c.paddedHeight * c.paddedWidth * c.inStride * 4;
  const zImage = c.outHeight * c.outWidth * columns * 4;
  const pooledImage = c.poolHeight * c.poolWidth * columns * 4;
  // Gradient of the sums: padded for the input gradient. If that is not needed, unpadded and in
  // panels of eight channels, as the weight gradient needs it.
  const spread = b > 0;
  const dHeight = spread ? c.inHeight + c.kh - 1 : c.outHeight;
  const dWidth = spread ? c.inWidth + c.kw - 1 : c.outWidth;
  const dImage = dHeight * dWidth * columns * 4, dRow = dWidth * (spread ? columns * 4 : 32);
  const dPanel = spread ? 32 : dHeight * dRow;
  const dFirst = spread ? ((c.kh - 1 - c.top) * dWidth + c.kw - 1 - c.left) * columns * 4 : 0;
  const range = Math.max(1, Math.floor(RANGE_BYTES / (paddedImage + zImage + dImage)));
  /** Thread-local memory for a range of images; in inference there may be two. */
  const ofRange = (image: number) =>
    Math.ceil(Math.min(Math.max(range, INFERENCE_RANGE), batch) * image / 64 + 1) * 64;
  const xStep = ofRange(paddedImage), scratchStep = ofRange(dImage);
  const partBytes = (c.kh * c.kw * c.inStride * columns + columns) * 4;
  const transformed = () =>
    c.winograd > 0 ? memory.allocate(c.winograd ** 2 * c.inStride * columns * 4) : 0;
  return {
    ...common,
    ...{ paddedImage, zImage, pooledImage, dImage, dRow, dPanel, dFirst, range, partBytes },
    ...{ xStep, scratchStep },
    /**
     * Thread-local input, recomputed in the forward and backward pass: faster than reading it from
     * shared memory.
     */
    x: memory.allocate(threads * xStep),
    z: memory.allocate(batch * zImage),
    places: c.pooled ? memory.allocate(batch * pooledImage / 4) : 0,
    maxima: c.pooled ? memory.allocate(batch * pooledImage) : 0,
    partial: memory.allocate(batch * columns * 8),
    scale: norm ? vector() : ones,
    shift: norm ? vector() : zeros,
    slope: norm ? vector() : 0,
    offset: norm ? vector() : 0,
    scratch: memory.allocate(threads * scratchStep),
    parts: memory.allocate(chunks * partBytes),
    /** Weights repacked for the input gradient. */
    turned: b === 0 ? 0 : memory.allocate(c.kh * c.kw * c.inStride * columns * 4),
    transformed: transformed(),
    turnedTransformed: transformed(),
  };
}

/**
 * Allocates the gradient of a convolution's block. It replaces the outputs of the next convolution,
 * which are dead by then, if they are large enough.
 */
function gradientOf(
  { memory, batch }: Shared,
  { pooledImage }: ConvLayer["m"],
  next: ConvLayer["m"] | undefined,
): ConvLayer["gradient"] {
  return next && next.zImage >= pooledImage
    ? { address: next.z, image: next.zImage }
    : { address: memory.allocate(batch * pooledImage), image: pooledImage };
}

/** Allocates thread-local scratch, reused by all layers. */
function threadScratch(
  { memory, batch, threads }: Shared,
  convs: readonly ConvLayer[],
  denses: readonly DenseLayer[],
) {
  // One panel of packed gradients of the sums, followed by the weight gradient; or of repacked weights.
  const packStep = 64 + 32 * Math.max(
        ...convs.map(({ c, m }) => m.range * c.outHeight * c.outWidth),
        ...denses.map(({ d }) => Math.max(batch + d.inFlat + 3, d.columns)),
        // Some rows of windows, in conv.ts.
        ...convs.map(({ c }) =>
          Math.max(WINDOW_BYTES / 32, c.outWidth * (c.kh * c.kw * c.inStride / 8 + 1))
        ),
      );
  const packs = memory.allocate(threads * packStep);
  // The transforms of some tiles, of inputs and of outputs, and behind those of any layer the sums of
  // the weights' gradients: they last from range to range, between which other kernels have tiles.
  const tiled = convs.filter(({ c }) => c.winograd > 0).flatMap(({ c }) =>
    [c.winograd, c.winogradGradient].map((side) => ({
      planes: side ** 2,
      plane: Math.max(WINOGRAD_TILES, c.outWidth / (side - c.kh + 1)) *
          Math.max(c.inStride, c.columns) * 4 + 64,
      sums: side ** 2 * c.inStride * c.columns * 4,
    }))
  );
  const plane = Math.max(0, ...tiled.map(({ plane }) => plane));
  const sums = 2 * plane * Math.max(0, ...tiled.map(({ planes }) => planes));
  const step = 64 + sums + Math.max(0, ...tiled.map(({ sums }) => sums));
  const scratch = tiled.length > 0 ? memory.allocate(threads * step) : 0;
  const tiles = { scratch, step, plane, sums: scratch + sums };
  return { packs, packStep, tiles };
}
