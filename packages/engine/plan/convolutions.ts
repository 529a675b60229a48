/** Kernel records of convolutions, batch normalization and pooling. */
import type { ConvLayer, Layout } from "./layout.ts";
import { type KernelRecord, record, type Word } from "./program.ts";
import { rowBytes } from "./shapes.ts";
import type { Block } from "../engine_network.ts";

/** Kind and slope of a block's activation. */
export function activation({ slope }: Block): Word[] {
  return slope === undefined ? [0, [0]] : slope === 0 ? [1, [0]] : [2, [slope]];
}

/**
 * Returns the addresses of block `b`'s input images: the first one inside the padding, and bytes
 * between images, rows, and threads if each has its own.
 */
function imagesOf({ convs, denses }: Layout, b: number, rowFloats: number): Word[] {
  const conv = convs.find((conv) => conv.b === b);
  if (!conv) return [denses[0].m.x, rowBytes(denses[0].d.inFlat), rowFloats * 4, 0];
  const { c, m } = conv;
  return [
    m.x + (c.top * c.paddedWidth + c.left) * c.inStride * 4,
    ...[m.paddedImage, c.paddedWidth * c.inStride * 4, m.xStep],
  ];
}

export function readInput(layout: Layout): KernelRecord {
  const { network: { input: [height, width, channels] }, input, divisor } = layout;
  return record(input.floats ? "inputFloats" : "inputBytes", 0, 0, [
    ...[input.address, width * channels, height],
    ...imagesOf(layout, 0, width * channels),
    [divisor ?? 1],
  ]);
}

/** Returns the input view of a convolution: bytes between images and windows; window size. */
function windows({ c, m }: ConvLayer): Word[] {
  const row = c.paddedWidth * c.inStride * 4;
  return [
    ...[m.x, m.paddedImage, c.sy * row, c.sx * c.inStride * 4],
    ...[c.kh, c.kw * c.inStride, row],
    ...[c.outHeight, c.outWidth, c.columns / 8],
  ];
}

/** Returns a thread's scratch for tiles and packed windows. */
const scratchWords = ({ tiles, zeros, packs, packStep }: Layout, { c }: ConvLayer) => [
  ...[tiles.scratch, tiles.step, tiles.plane, zeros, c.winograd, packs, packStep],
];

export function convolve(layout: Layout, conv: ConvLayer): KernelRecord {
  const { block, c, m, p } = conv;
  return record(c.winograd > 0 ? "winograd" : "convolve", 0, 0, [
    ...windows(conv),
    ...[c.winograd > 0 ? m.transformed : p.kernel, p.bias || layout.zeros, p.bias ? 32 : 0],
    ...[m.z, m.zImage, c.outWidth * c.columns * 4, c.columns * 4],
    ...activation(block),
    ...[m.xStep, ...scratchWords(layout, conv)],
  ]);
}

/** Input gradient: a convolution of the sums' gradient with repacked weights. */
export function inputGradient(
  layout: Layout,
  conv: ConvLayer,
  previous: ConvLayer,
): KernelRecord {
  const { c, m } = conv;
  return record(c.winograd > 0 ? "winograd" : "convolve", 0, 0, [
    ...[m.scratch, m.dImage, m.dRow, c.columns * 4, c.kh, c.kw * c.columns, m.dRow],
    ...[c.inHeight, c.inWidth, c.inStride / 8],
    ...[c.winograd > 0 ? m.turnedTransformed : m.turned, layout.zeros, 0],
    ...[previous.gradient.address, previous.gradient.image],
    ...[c.inWidth * c.inStride * 4, c.inStride * 4],
    ...[0, [0] as const], // no activation
    ...[m.scratchStep, ...scratchWords(layout, conv)],
  ]);
}

/**
 * Returns the addresses of a thread's gradient of the sums, dilated by the layer's strides: the first
 * one, and bytes between threads, images, rows and positions.
 */
function sumsGradient({ b, c, m }: ConvLayer): Word[] {
  const apart = b > 0 ? [m.dRow * c.sy, c.columns * 4 * c.sx] : [m.dRow, 32];
  return [m.scratch + m.dFirst, m.scratchStep, m.dImage, ...apart];
}

export function filterGradient({ packs, packStep, tiles }: Layout, conv: ConvLayer): KernelRecord {
  const { c, m } = conv;
  return record(c.winograd > 0 ? "winogradGradient" : "filterGradient", 0, 0, [
    ...windows(conv),
    ...[...sumsGradient(conv), m.parts, m.partBytes, m.xStep],
    ...(c.winograd > 0
      ? [tiles.scratch, tiles.step, tiles.plane, c.winogradGradient, tiles.sums, tiles.step]
      : [packs, packStep, m.dPanel]),
  ]);
}

const pooling = ({ c }: ConvLayer): Word[] => [
  ...[c.ph, c.pw, c.py, c.px, c.poolTop, c.poolLeft, c.poolHeight, c.poolWidth],
];

/** Max pooling; in training also stores the position of each maximum. */
export function pool(layout: Layout, conv: ConvLayer, training: boolean): KernelRecord[] {
  const { c, m, p } = conv;
  if (!c.pooled) return [];
  return [record("pool", 0, 0, [
    ...[m.z, c.outHeight, c.outWidth, c.columns, p.gamma || layout.ones],
    ...pooling(conv),
    ...[m.maxima, training ? m.places : 0],
  ])];
}

/** Normalizes pooled values into the next layer's images. */
export function normalize(layout: Layout, { b, c, m }: ConvLayer): KernelRecord {
  return record("normalize", 0, 0, [
    ...[c.pooled ? m.maxima : m.z, c.poolHeight, c.poolWidth, c.columns, m.scale, m.shift],
    ...imagesOf(layout, b + 1, c.poolWidth * c.columns),
  ]);
}

export function preActivationGradient(conv: ConvLayer): KernelRecord {
  const { block, c, m, gradient } = conv;
  return record("preActivationGradient", 0, 0, [
    ...[gradient.address, m.z, c.outHeight, c.outWidth, c.columns, m.places],
    ...pooling(conv),
    ...[m.scale, m.slope, m.offset],
    ...activation(block),
    ...[...sumsGradient(conv), m.mean, gradient.image, m.dPanel],
  ]);
}

export function statistics({ c, m }: ConvLayer): KernelRecord {
  return record("statistics", 0, 0, [m.z, c.outHeight * c.outWidth, c.columns, m.partial]);
}

export function finishStatistics({ block, c, m, p }: ConvLayer): KernelRecord {
  return record("finishStatistics", 0, c.columns / 8, [
    ...[m.partial, c.outHeight * c.outWidth, c.columns, p.gamma, p.beta],
    ...[m.movingMean, m.movingVariance],
    ...[[block.norm!.momentum] as const, [block.norm!.epsilon] as const],
    ...[m.scale, m.shift, m.mean, m.deviation],
  ]);
}

export function gradientSums({ c, m, gradient }: ConvLayer): KernelRecord {
  return record("gradientSums", 0, 0, [
    ...[gradient.address, c.pooled ? m.maxima : m.z, c.poolHeight * c.poolWidth, c.columns],
    ...[m.mean, m.partial, gradient.image],
  ]);
}

export function finishGradient({ gradient }: Layout, { c, m, p }: ConvLayer): KernelRecord {
  return record("finishGradient", 0, c.columns / 8, [
    ...[m.partial, c.outHeight * c.outWidth, c.columns, m.deviation, m.scale],
    ...[p.gamma + gradient, p.beta + gradient, m.slope, m.offset],
  ]);
}

/** Inference: scale and shift by the moving statistics. */
export function movingScale({ block, c, m, p }: ConvLayer, first: number): KernelRecord {
  return record("movingScale", first, c.columns / 8, [
    ...[p.gamma, p.beta, m.movingMean, m.movingVariance],
    ...[[block.norm!.epsilon] as const, m.scale, m.shift],
  ]);
}
