import type { GraphBuilder } from "../graph_builder.ts";
import type { Buffer } from "../operations.ts";
import { type KernelRecord, record } from "../program.ts";
import { upTo8 } from "../shapes.ts";
import { denseOfPositions } from "./convolution_layer.ts";
import {
  type GraphTensor,
  type LayerDeclaration,
  type LayerOf,
  linear,
  type Shape,
  type Weights,
} from "../graph_layer.ts";

/** Numbers of a kernel from which on an item is a panel of weights, not an image. */
const LARGE = 16384;

/** A dense layer whose items are panels of weights, for the whole batch, and its gradient. */
export interface LargeDense {
  readonly index: number;
  readonly x: Buffer;
  readonly d: Buffer;
  readonly inner: number;
  readonly columns: number;
}

function isLarge({ units, frozen }: LayerOf<"dense">, shape: Shape): boolean {
  return !frozen && shape.length === 1 && shape[0] * units >= LARGE;
}

export const dense: LayerDeclaration<"dense"> = {
  shape: ({ units }, [shape]) => [...shape.slice(0, -1), units],
  weights(layer, shape, { parameter, panels, vector }) {
    const { name, units, bias, l2 } = layer, channels = shape.at(-1)!, padded = upTo8(channels);
    const kernel = parameter(
      `${name}/kernel`,
      [channels, units],
      [1, channels, padded, units],
      l2?.kernel,
    );
    const index = isLarge(layer, shape) ? panels(padded) : 0;
    return { kernel, index, bias: bias ? vector(`${name}/bias`, units, l2?.bias) : 0 };
  },
  operations: (graph, layer, [x], weights, value) =>
    (isLarge(layer, x.shape) ? denseOfBatch : denseOfPositions)(graph, layer, x, weights, value),
};

/** Adds a dense layer whose items are panels of weights. */
function denseOfBatch(
  graph: GraphBuilder,
  layer: LayerOf<"dense">,
  x: GraphTensor,
  { kernel: weights, bias, index }: Weights,
  value?: Buffer,
): GraphTensor {
  const y = graph.tensor([layer.units], true, value), inner = x.step / 4, columns = y.step / 4;
  const { kind, alpha } = layer.activation ?? linear, { batch } = graph.sizes;
  graph.reserve({ pack: Math.max((batch + inner + 3) * 32, columns * 32) });
  graph.schedule.add({
    ...{ reads: [x.value], writes: [y.value] },
    items: (first) => [record("denseForward", first, columns / 8, [
      ...[x.value.address, inner, weights, bias || graph.shared.zeros, y.value.address],
      ...[y.step, kind, [alpha] as const, y.value.address, ...Array(12).fill(0), x.step],
    ])],
  });
  graph.onBackward(() => {
    const d = graph.before(y.slot.gradient!, y, layer.activation);
    graph.denses.push({ index, x: x.value, d, inner, columns });
    if (bias) {
      graph.schedule.add({
        ...{ reads: [d], writes: [] },
        items: (first) => [record("denseBackward", first, columns / 8, [
          ...[0, 0, d.address, 0, d.address, y.step, 0, [0] as const, bias + graph.gradientOffset],
        ])],
      });
    }
    if (!x.slot.gradient) return;
    const result = graph.resultFor(x, x.step);
    graph.schedule.add({
      ...{ reads: [d], writes: [result] },
      items: (first) => [record("denseInputGradient", first, inner / 8, [
        ...[d.address, columns, weights, graph.shared.zeros, result.address, x.step, y.step],
        ...[inner, graph.shared.packs, graph.shared.packStep],
      ])],
    });
    graph.addResult(x, result);
  });
  return y;
}

/** Weight gradients and optimizer steps of the large dense layers. */
export function denseUpdates(
  graph: GraphBuilder,
  first: number,
  { table, moments, penalties, norms, panels }: {
    table: number;
    moments: readonly [number, number];
    penalties: number;
    norms: number;
    panels: ReadonlyMap<number, number>;
  },
): KernelRecord[] {
  const { packs, packStep } = graph.shared;
  return graph.denses.map(({ index, x, d, inner, columns }) => {
    const item = panels.get(index)!;
    const kernel = record("denseUpdate", first, columns / 8, [
      ...[x.address, inner, d.address, inner * 4, columns * 4, packs, packStep],
      ...[table + item * 32, ...moments, graph.gradientOffset, penalties + item * 8],
      norms && norms + item * 8,
    ]);
    first += columns / 8;
    return kernel;
  });
}
