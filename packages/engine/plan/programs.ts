/** Programs for a training step, inference and L2 penalties. */
import { Update } from "../assembly/abi.ts";
import {
  convolve,
  filterGradient,
  finishGradient,
  finishStatistics,
  gradientSums,
  inputGradient,
  movingScale,
  normalize,
  pool,
  preActivationGradient,
  readInput,
  statistics,
} from "./convolutions.ts";
import {
  denseBackward,
  denseForward,
  denseInputGradient,
  denseUpdate,
  loss,
} from "./dense_layers.ts";
import { INFERENCE_RANGE, type Layout } from "./layout.ts";
import { type KernelRecord, overImages, overItems, record, type Stage } from "./program.ts";
import { rowBytes } from "./shapes.ts";

/** Forward pass, up to the loss. */
export function trainingForward(layout: Layout): Stage[] {
  return [weights(layout), ...forward(layout)].filter(({ count }) => count > 0);
}

/** Backward pass from the gradient of the loss, and update. */
export function trainingBackward(layout: Layout): Stage[] {
  return [
    ...denseGradients(layout),
    denseUpdates(layout),
    ...outputSums(layout),
    ...convGradients(layout),
    ...updates(layout),
  ].filter(({ count }) => count > 0);
}

/** Inference. No kernel needs the whole batch, so a few images pass through all convolutions at once. */
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
    overItems([...scales, ...transforms(layout, items, "forward")]),
    overImages(chunks, convs.length > 0 ? INFERENCE_RANGE : batch, [
      readInput(layout),
      ...convs.flatMap((conv) => [
        ...[convolve(layout, conv), ...pool(layout, conv, false), normalize(layout, conv)],
      ]),
    ]),
    ...denses.map((dense) =>
      overItems(
        [denseForward(layout, dense, false)],
        dense === layout.head ? loss(layout, false) : [],
      )
    ),
  ].filter(({ count }) => count > 0);
}

/** L2 penalties of the current weights. */
export function penalties(layout: Layout): Stage {
  return overItems([updateWeights(layout, layout.penalties.count, Update.penaltyOnly)]);
}

/** Optimizer step of what has not stepped yet; with clipping, of all weights once the norm is known. */
function updates(layout: Layout): Stage[] {
  const { norms, penalties: { count } } = layout, others = Math.min(...layout.panels.values());
  if (norms === 0) return [overItems([updateWeights(layout, others, Update.step)])];
  return [
    overItems(
      [updateWeights(layout, others, Update.gather)],
      [record("clip", 0, 1, [norms, count])],
    ),
    overItems([updateWeights(layout, count, Update.apply)]),
  ];
}

function updateWeights(
  { table, moments, gradient, penalties, norms }: Layout,
  count: number,
  kind: Update,
): KernelRecord {
  return record("updateWeights", 0, count, [
    ...[table, ...moments, gradient, penalties.address, kind, norms],
  ]);
}

/**
 * Weight gradients of dense layers, with the optimizer step unless gradients are clipped, as soon as the old weights are no longer
 * needed but still cached.
 */
function denseUpdates(layout: Layout): Stage {
  let first = 0;
  const kernels = layout.denses.map((dense) => {
    const kernel = denseUpdate(layout, dense, first);
    first += dense.d.columns / 8;
    return kernel;
  });
  return overItems(kernels);
}

/**
 * Prepares the convolutions' weights: Winograd transforms, and repacking for input gradients, except
 * that of the first layer.
 */
function weights(layout: Layout): Stage {
  const kernels: KernelRecord[] = [];
  let items = 0;
  for (const { b, c, m, p } of layout.convs) {
    if (b === 0) continue;
    kernels.push(record("turn", items, c.inStride / 8, [
      ...[p.kernel, c.kh * c.kw, c.inStride, c.columns / 8, m.turned],
    ]));
    items += c.inStride / 8;
  }
  return overItems([...kernels, ...transforms(layout, items, "forward")]);
}

/** Weights for Winograd's algorithm, or repacked weights. */
function transforms(
  { convs }: Layout,
  first: number,
  direction: "forward" | "backward",
): KernelRecord[] {
  return convs.filter(({ c }) => c.winograd > 0).map(({ c, m, p }) => {
    const [from, rows, columns, to] = direction === "forward"
      ? [p.kernel, c.inStride, c.columns, m.transformed]
      : [m.turned, c.columns, c.inStride, m.turnedTransformed];
    const panels = columns / 8;
    const kernel = record("transformWeights", first, panels, [from, rows, panels, to, c.winograd]);
    first += panels;
    return kernel;
  });
}

/** Kernels that compute the input images of convolution `n`, or the rows after the last one. */
function inputOf(layout: Layout, n: number): KernelRecord {
  return n === 0 ? readInput(layout) : normalize(layout, layout.convs[n - 1]);
}

/** Batch normalization needs all images of a layer before any of the next. */
function forward(layout: Layout): Stage[] {
  const { convs, denses, head, batch, chunks } = layout;
  return [
    ...convs.map((conv, n) =>
      overImages(chunks, conv.m.range, [
        ...[inputOf(layout, n), convolve(layout, conv)],
        ...(conv.block.norm ? [statistics(conv)] : []),
        ...pool(layout, conv, true),
      ], conv.block.norm ? [finishStatistics(conv)] : [])
    ),
    overImages(chunks, convs.at(-1)?.m.range ?? batch, [inputOf(layout, convs.length)]),
    ...denses.map((dense, n) =>
      overItems([
        denseForward(layout, dense, true),
        // Not needed earlier, and a separate stage would be slower.
        ...(n === 0 ? transforms(layout, dense.d.columns / 8, "backward") : []),
      ], dense === head ? loss(layout, true) : [])
    ),
  ];
}

function denseGradients(layout: Layout): Stage[] {
  const { convs, denses } = layout;
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
  const { address, image } = last.gradient;
  stages.push(overItems([denseInputGradient(layout, denses[0], address, image)]));
  return stages;
}

/** Sums for the normalization gradient of the last convolution; other stages include theirs. */
function outputSums(layout: Layout): Stage[] {
  const last = layout.convs.at(-1);
  if (!last?.block.norm) return [];
  return [
    overImages(layout.chunks, last.m.range, [gradientSums(last)], [finishGradient(layout, last)]),
  ];
}

function convGradients(layout: Layout): Stage[] {
  const { convs, chunks } = layout;
  return [...convs.entries()].toReversed().map(([n, conv]) => {
    const kernels = [
      ...[inputOf(layout, n), preActivationGradient(conv), filterGradient(layout, conv)],
    ];
    if (n === 0) return overImages(chunks, conv.m.range, kernels);
    const previous = convs[n - 1];
    kernels.push(inputGradient(layout, conv, previous));
    if (!previous.block.norm) return overImages(chunks, conv.m.range, kernels);
    kernels.push(gradientSums(previous));
    return overImages(chunks, conv.m.range, kernels, [finishGradient(layout, previous)]);
  });
}
