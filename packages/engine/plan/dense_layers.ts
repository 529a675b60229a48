/** Kernel records of dense layers and losses. */
import type { Head, Loss } from "../engine_network.ts";
import { activation } from "./convolutions.ts";
import type { DenseLayer, Layout } from "./layout.ts";
import { type KernelRecord, record, type Word } from "./program.ts";
import { rowBytes } from "./shapes.ts";

/** Returns the salt of a layer's dropout mask. */
export function dropoutSalt(block: number): number {
  return Math.imul(block + 1, 0x632BE5AB);
}

/** Dropout's threshold, factor and salt, and bytes between rows of the layer's input. */
function dropoutWords({ b, block, d }: DenseLayer, training: boolean): Word[] {
  return [
    training ? Math.min(Math.round(block.dropout * 2 ** 32), 2 ** 32 - 1) : 0,
    [1 / (1 - block.dropout)],
    ...[dropoutSalt(b), rowBytes(d.inFlat)],
  ];
}

export function denseForward(
  layout: Layout,
  dense: DenseLayer,
  training: boolean,
): KernelRecord {
  const { block, d, m, p } = dense;
  // In inference, dropout is the identity; its output remains a copy.
  return record("denseForward", 0, d.columns / 8, [
    ...[m.x, d.inFlat, p.kernel, p.bias || layout.zeros, m.activated, rowBytes(d.columns)],
    ...activation(block),
    ...[m.out, p.gamma, p.beta, m.movingMean, m.movingVariance],
    ...[[block.norm?.momentum ?? 0] as const, [block.norm?.epsilon ?? 0] as const],
    ...[m.mean, m.deviation, Number(training)],
    ...dropoutWords(dense, training),
  ]);
}

/** Converts the gradient of a layer's output to that of its sums, in place. */
export function denseBackward(layout: Layout, dense: DenseLayer): KernelRecord {
  const { block, d, m, p } = dense, { gradient, trash } = layout;
  return record("denseBackward", 0, d.columns / 8, [
    ...[0, 0, m.gradient, 0, m.activated, rowBytes(d.columns)],
    ...activation(block),
    ...[p.bias ? p.bias + gradient : trash, p.gamma, p.gamma + gradient, p.beta + gradient],
    ...[0, 0, 0], // the kernel shares its other words with denseForward
    ...[m.mean, m.deviation, 1],
    ...dropoutWords(dense, true),
  ]);
}

export function denseInputGradient(
  { zeros, packs, packStep }: Layout,
  { d, m, p }: DenseLayer,
  out: number,
  outRow: number,
): KernelRecord {
  return record("denseInputGradient", 0, d.inFlat / 8, [
    ...[m.gradient, d.columns, p.kernel, zeros, out, outRow, rowBytes(d.columns)],
    ...[d.inFlat, packs, packStep],
  ]);
}

/** Weight gradient and optimizer step; `first` is its first item in the stage. */
export function denseUpdate(
  { packs, packStep, table, moments, gradient, penalties, norms, panels }: Layout,
  { b, d, m }: DenseLayer,
  first: number,
): KernelRecord {
  const item = panels.get(b)!;
  return record("denseUpdate", first, d.columns / 8, [
    ...[m.x, d.inFlat, m.gradient, rowBytes(d.inFlat), rowBytes(d.columns), packs, packStep],
    ...[table + item * 32, ...moments, gradient, penalties.address + item * 8],
    norms && norms + item * 8,
  ]);
}

/** Loss, metric and outputs; in training also the gradient of the last layer's sums. None of the caller's. */
export function loss(layout: Layout, training: boolean): KernelRecord[] {
  const { network, head, outColumns, labels, outputs, headLosses } = layout;
  const { activated, gradient } = head.m, row = rowBytes(head.d.columns) / 4;
  const places = { activated, row, labels, outputs, headLosses, gradient: training ? gradient : 0 };
  return lossRecords(network.loss, outColumns, places);
}

/** Addresses of the last layer's values, `row` floats per image, and of all that a loss computes. */
interface LossPlaces {
  readonly activated: number;
  readonly row: number;
  readonly labels: number;
  readonly outputs: number;
  /** 0: not wanted. */
  readonly gradient: number;
  readonly headLosses: number;
}

/** Kernel records of a loss. */
export function lossRecords(
  loss: Loss,
  outColumns: number,
  { activated, row, labels, outputs, gradient, headLosses }: LossPlaces,
): KernelRecord[] {
  if (typeof loss === "function") return [];
  if (typeof loss === "string") {
    return [record(lossKernel(loss), 0, 1, [
      ...[activated, row, outColumns, labels, outputs, gradient],
    ])];
  }
  return loss.map((head, n) => {
    const at = loss.slice(0, n).reduce((sum, { columns }) => sum + columns, 0) * 4;
    return record(headKernel(head.loss), 0, 1, [
      ...[activated + at, row, head.columns, labels + at, outputs + at, gradient && gradient + at],
      ...[outColumns, [head.weight] as const, headLosses + n * 8],
    ]);
  });
}

function lossKernel(loss: Loss & string): "crossEntropy" | "absoluteError" {
  return loss === "categoricalCrossentropy" ? "crossEntropy" : "absoluteError";
}

function headKernel(loss: Head["loss"]): "softCrossEntropy" | "headAbsoluteError" {
  return loss === "categoricalCrossentropy" ? "softCrossEntropy" : "headAbsoluteError";
}
