/** Dense layers: small ones as convolutions, large ones and those of sequences a panel of weights at a time. */
import type { GraphBuilder } from "../graph_builder.ts";
import { Buffer } from "../operations.ts";
import { record } from "../program.ts";
import { product, rowBytes, upTo8 } from "../shapes.ts";
import { denseOfPositions } from "./convolution_layer.ts";
import { declareNorm } from "./normalizations.ts";
import { dropoutWords } from "./pointwise.ts";
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
    isLarge(layer, x.shape)
      ? denseOfBatch(
        graph,
        { ...layer, kind: "denseBlock", linear: layer, dropout: 0, frozen: false },
        x,
        weights,
        value,
        true,
      )
      : denseOfPositions(graph, layer, x, weights, value),
};

/** With normalization and dropout, which need nothing of other panels; it reads images as they are. */
export const denseBlock: LayerDeclaration<"denseBlock"> = {
  unpadded: true,
  shape: ({ linear }) => [linear.units],
  weights({ linear: { name, units, bias, l2 }, norm, inputs: [from] }, shape, declare) {
    const channels = shape.at(-1)!, positions = product(shape.slice(0, -1));
    const stride = from < 0 ? channels : upTo8(channels);
    const kernel = declare.parameter(
      `${name}/kernel`,
      [positions * channels, units],
      [positions, channels, stride, units],
      l2?.kernel,
    );
    const index = declare.panels(positions * stride);
    const own = { kernel, index, bias: bias ? declare.vector(`${name}/bias`, units, l2?.bias) : 0 };
    return norm ? declareNorm(own, norm, units, declare) : own;
  },
  operations: (graph, layer, [x], weights, value) => denseOfBatch(graph, layer, x, weights, value),
};

/**
 * Adds a dense layer whose items are panels of weights, for the whole batch.
 * @param shares true if any layers may read its output, and its gradient
 */
function denseOfBatch(
  graph: GraphBuilder,
  layer: LayerOf<"denseBlock">,
  x: GraphTensor,
  { kernel, index, bias, gamma, beta, moving_mean, moving_variance }: Weights,
  value?: Buffer,
  shares = false,
): GraphTensor {
  const { linear: { units }, norm, dropout, salt = 0 } = layer, columns = upTo8(units);
  const inner = x.positions * x.step / 4, { training, zeros } = graph;
  const { kind, alpha } = layer.activation ?? linear, { batch } = graph.sizes, step = columns * 4;
  // Other layers may need the rows one behind the other.
  const y = graph.tensor([units], true, value ?? new Buffer(shares ? step : rowBytes(columns)));
  const activated = norm || dropout > 0 ? new Buffer(rowBytes(columns)) : y.value;
  const m = graph.allocateOnce(layer, { mean: step, deviation: step, trash: bias ? 0 : step });
  graph.reserve({ pack: Math.max((batch + inner + 3) * 32, columns * 32) });
  graph.schedule.add({
    reads: [x.value],
    writes: [activated, y.value],
    items: (first) => [record("denseForward", first, columns / 8, [
      ...[x.value.address, inner, kernel, bias || zeros, activated.address, y.value.image],
      ...[kind, [alpha] as const, y.value.address, gamma ?? 0, beta, moving_mean, moving_variance],
      ...[[norm?.momentum ?? 0] as const, [norm?.epsilon ?? 0] as const, m.mean, m.deviation],
      ...[Number(training), ...dropoutWords(training ? dropout : 0, salt), x.value.image],
    ])],
  });
  graph.onBackward(() => {
    const d = shares ? graph.before(y.slot.gradient!, y, layer.activation) : y.slot.gradient!;
    const own = shares
      ? { reads: [d], writes: [], from: d, before: linear }
      : { reads: [d, activated], writes: [d], from: activated, before: { kind, alpha } };
    if (bias || !shares) {
      // In place: to the gradient before dropout, normalization and activation.
      graph.schedule.add({
        ...own,
        items: (first) => {
          const { gradientOffset: to } = graph, { from, before } = own;
          return [record("denseBackward", first, columns / 8, [
            ...[0, 0, d.address, 0, from.address, d.image, before.kind, [before.alpha] as const],
            ...[bias ? bias + to : m.trash, gamma ?? 0, gamma + to, beta + to, 0, 0, 0],
            ...[m.mean, m.deviation, 1, ...dropoutWords(dropout, salt), x.value.image],
          ])];
        },
      });
    }
    const result = x.slot.gradient && graph.resultFor(x, x.value.image);
    if (result) {
      graph.schedule.add({
        reads: [d],
        writes: [result],
        items: (first) => [record("denseInputGradient", first, inner / 8, [
          ...[d.address, columns, kernel, zeros, result.address, result.image, d.image, inner],
          ...[graph.shared.packs, graph.shared.packStep],
        ])],
      });
      graph.addResult(x, result);
    }
    // The optimizer's step, once the old weights are no longer needed.
    graph.schedule.add({
      reads: [x.value, d, ...(result ? [result] : [])],
      writes: [],
      items: (first) => {
        const { table, moments, penalties, norms, panels } = graph.optimizer;
        const item = panels.get(index)!;
        return [record("denseUpdate", first, columns / 8, [
          ...[x.value.address, inner, d.address, x.value.image, d.image],
          ...[graph.shared.packs, graph.shared.packStep, table + item * 32, ...moments],
          ...[graph.gradientOffset, penalties.address + item * 8, norms && norms + item * 8],
        ])];
      },
    });
  });
  return y;
}
