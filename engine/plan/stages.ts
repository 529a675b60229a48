/** The programs, stage by stage: a step of training, inference, and the penalties alone. */
import {
  convolve,
  filterGradient,
  finishGradient,
  finishStatistics,
  gradientSums,
  inputGradient,
  movingScale,
  normalisePool,
  preActivationGradient,
  readInput,
  statistics,
} from "./convolutions.ts";
import { denseBackward, denseForward, denseInputGradient, loss } from "./dense.ts";
import type { Layout } from "./layout.ts";
import { type KernelRecord, overImages, overItems, record, type Stage } from "./program.ts";
import { rowBytes } from "./sizes.ts";

/** Forward, backward and update. */
export function training(layout: Layout): Stage[] {
  return [
    turnings(layout),
    overItems(transforms(layout, 0, true)),
    ...forward(layout),
    loss(layout, true),
    ...denseGradients(layout),
    ...convGradients(layout),
    update(layout, false),
  ].filter(({ count }) => count > 0);
}

/** Nothing needs the whole batch, so a few images go through all convolutions at once. */
export function inference(layout: Layout): Stage[] {
  const { convs, denses, batch, chunks } = layout;
  const scales: KernelRecord[] = [];
  let items = 0;
  for (const conv of convs) {
    if (!conv.block.norm) continue;
    scales.push(movingScale(conv, items));
    items += conv.c.columns / 8;
  }
  return [
    overItems([...scales, ...transforms(layout, items, false)]),
    overImages(chunks, convs.length > 0 ? 2 : batch, [
      readInput(layout),
      ...convs.flatMap((conv) => [convolve(layout, conv), normalisePool(layout, conv, false)]),
    ]),
    ...denses.map((dense) => denseForward(layout, dense, false)),
    loss(layout, false),
  ].filter(({ count }) => count > 0);
}

/** Adam, or the penalties of the weights as they are. */
export function update(layout: Layout, onlyPenalties: boolean): Stage {
  const { table, moments, gradient, penalties } = layout;
  return overItems([record("adam", 0, penalties.count, [
    ...[table, ...moments, gradient, penalties.address, Number(onlyPenalties)],
  ])]);
}

/** Turns the weights for the gradients of the inputs; the first layer's input needs none. */
function turnings({ convs, denses }: Layout): Stage {
  const kernels: KernelRecord[] = [];
  let items = 0;
  const turn = (kernel: number, taps: number, rows: number, columns: number, to: number) => {
    kernels.push(record("turn", items, rows / 8, [kernel, taps, rows, columns / 8, to]));
    items += rows / 8;
  };
  for (const { b, c, m, p } of convs) {
    if (b > 0) turn(p.kernel, c.kh * c.kw, c.inStride, c.columns, m.turned);
  }
  for (const { b, d, m, p } of denses) {
    if (b > 0) turn(p.kernel, 1, d.inFlat, d.columns, m.turned);
  }
  return overItems(kernels);
}

/** Weights for Winograd's algorithm, in training also the turned ones. */
function transforms({ convs }: Layout, first: number, backward: boolean): KernelRecord[] {
  const kernels: KernelRecord[] = [];
  const add = (from: number, rows: number, panels: number, to: number, side: number) => {
    kernels.push(record("transformWeights", first, panels, [from, rows, panels, to, side]));
    first += panels;
  };
  for (const { c, m, p } of convs.filter(({ c }) => c.winograd > 0)) {
    add(p.kernel, c.inStride, c.columns / 8, m.transformed, c.winograd);
    if (backward) add(m.turned, c.columns, c.inStride / 8, m.turnedTransformed, c.winograd);
  }
  return kernels;
}

/** Batch normalisation needs all images of a layer before any of the next. */
function forward(layout: Layout): Stage[] {
  const { convs, denses, batch, chunks } = layout;
  const stages: Stage[] = [];
  /** What makes the images that convolution `n` reads, or the rows after the last one. */
  const before = (n: number) =>
    n === 0 ? readInput(layout) : normalisePool(layout, convs[n - 1], true);
  for (const [n, conv] of convs.entries()) {
    const kernels = [before(n), convolve(layout, conv)];
    if (conv.block.norm) kernels.push(statistics(conv));
    stages.push(overImages(chunks, conv.m.range, kernels));
    if (conv.block.norm) stages.push(overItems([finishStatistics(conv)]));
  }
  stages.push(overImages(chunks, convs.at(-1)?.m.range ?? batch, [before(convs.length)]));
  return [...stages, ...denses.map((dense) => denseForward(layout, dense, true))];
}

function denseGradients(layout: Layout): Stage[] {
  const { convs, denses, chunks } = layout;
  const stages = denses.toReversed().map((dense, n) => {
    const following = n === 0 ? undefined : denses.at(-n)!;
    const row = rowBytes(dense.d.columns);
    return overItems([
      ...(following ? [denseInputGradient(layout, following, dense.m.gradient, row)] : []),
      denseBackward(layout, dense),
    ]);
  });
  const last = convs.at(-1);
  if (!last) return stages;
  const { gradient, pooledImage, range } = last.m;
  stages.push(overItems([denseInputGradient(layout, denses[0], gradient, pooledImage)]));
  if (last.block.norm) stages.push(overImages(chunks, range, [gradientSums(last)]));
  return stages;
}

function convGradients(layout: Layout): Stage[] {
  const { convs, chunks } = layout;
  return [...convs.entries()].toReversed().flatMap(([n, conv]) => {
    const kernels = [preActivationGradient(conv), filterGradient(layout, conv)];
    if (n > 0) {
      const previous = convs[n - 1];
      kernels.push(inputGradient(layout, conv, previous));
      if (previous.block.norm) kernels.push(gradientSums(previous));
    }
    return [
      ...(conv.block.norm ? [overItems([finishGradient(layout, conv)])] : []),
      overImages(chunks, conv.m.range, kernels),
    ];
  });
}
