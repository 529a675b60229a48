import type { GraphBuilder } from "../graph_builder.ts";
import { Buffer } from "../operations.ts";
import { record, type Word } from "../program.ts";
import { clearedBy } from "./pointwise.ts";
import {
  type GraphLayer,
  type GraphTensor,
  kernel,
  type LayerDeclaration,
  type LayerOf,
  type Lazy,
  linear,
  shifted,
  type WeightDeclarer,
  type Weights,
} from "../graph_layer.ts";

export const layerNorm: LayerDeclaration<"layerNorm"> = {
  weights: ({ name }, shape, { vector }) => ({
    gamma: vector(`${name}/gamma`, shape.at(-1)!),
    beta: vector(`${name}/beta`, shape.at(-1)!),
  }),
  operations(graph, layer, [x], { gamma, beta }, value) {
    const words: Word[] = [x.positions, x.step, x.channels, gamma];
    const parts = graph.gradientParts([[gamma, x.step], [beta, x.step]]);
    return graph.unary(
      x,
      graph.tensor(x.shape, x.trained || !layer.frozen, value),
      ["layerNorm", [...words, beta, [layer.epsilon]]],
      ["layerNormGradient", [...words, [layer.epsilon], ...parts], [x.value]],
      { learns: true },
    );
  },
};

/** Declares the weights of a normalization and its moving statistics, beside other weights. */
export function declareNorm(
  weights: Weights,
  { name }: { name: string },
  channels: number,
  { vector, moving }: WeightDeclarer,
): Weights {
  weights.gamma = vector(`${name}/gamma`, channels);
  weights.beta = vector(`${name}/beta`, channels);
  moving(weights, name, ["moving_mean", "moving_variance"], channels);
  return weights;
}

/** Allocates the coefficients of a normalization and of its gradient, and sums per image. */
export const normMemory = (graph: GraphBuilder, layer: GraphLayer, step: number) =>
  graph.allocateOnce(layer, {
    scale: step,
    shift: step,
    mean: step,
    deviation: step,
    slope: step,
    offset: step,
    partial: graph.sizes.batch * step * 2,
  });

type NormMemory = ReturnType<typeof normMemory>;

/** Adds the computation of scale and shift. Returns what their readers read. */
export function statistics(
  graph: GraphBuilder,
  { momentum, epsilon, frozen }: Pick<LayerOf<"batchNorm">, "momentum" | "epsilon" | "frozen">,
  { value, positions, step }: GraphTensor,
  { gamma, beta, moving_mean, moving_variance }: Weights,
  m: NormMemory,
): Buffer[] {
  const channels = step / 4, weights = [gamma, beta, moving_mean, moving_variance];
  if (!graph.training || frozen) {
    graph.prepare("forward", "movingScale", channels / 8, [
      ...[...weights, [epsilon] as const, m.scale, m.shift],
    ]);
    return [];
  }
  const done = new Buffer(0);
  graph.schedule.add({
    reads: [value],
    writes: [done],
    kernels: () => [record("statistics", 0, 0, [value.address, positions, channels, m.partial])],
    endings: () => [record("finishStatistics", 0, channels / 8, [
      ...[m.partial, positions, channels, ...weights, [momentum] as const, [epsilon] as const],
      ...[m.scale, m.shift, m.mean, m.deviation],
    ])],
  });
  return [done];
}

/**
 * Adds the coefficients of the gradient before a normalization, from the gradient `d` after it; where
 * maxima alone have one, `x` are those. Returns what their readers read.
 * @param all positions of the normalized values
 */
export function gradientSums(
  graph: GraphBuilder,
  d: Buffer,
  { value, positions, step }: GraphTensor,
  { gamma, beta }: Weights,
  m: NormMemory,
  all = positions,
): Buffer[] {
  const channels = step / 4, { gradientOffset } = graph, done = new Buffer(0);
  graph.schedule.add({
    reads: [d, value],
    writes: [done],
    kernels: () => [record("gradientSums", 0, 0, [
      ...[d.address, value.address, positions, channels, m.mean, m.partial, d.image],
    ])],
    endings: () => [record("finishGradient", 0, channels / 8, [
      ...[m.partial, all, channels, m.deviation, m.scale],
      ...[gamma + gradientOffset, beta + gradientOffset, m.slope, m.offset],
    ])],
  });
  return [done];
}

/** Returns `y`, whose values are stored only where a reader does not compute them from `x`. */
export function normalized(
  graph: GraphBuilder,
  x: GraphTensor,
  y: GraphTensor,
  reads: readonly Buffer[],
  [scale, shift, kind, alpha, cleared = 0]: Word[],
): GraphTensor & { lazy: Lazy } {
  const { positions, step } = x;
  const lazy: Lazy = {
    reads,
    compute: (to, { inHeight, inWidth }, row) =>
      record("place", 0, 0, [
        ...[...x.value.words, ...to, inHeight, inWidth, step, inWidth * step, row, step, 0, 0],
        ...[scale, shift, kind, alpha],
      ]),
    store() {
      lazy.store = undefined;
      const words = [positions, step, kind, alpha, scale, shift, cleared];
      graph.add(reads, [y.value], () => [kernel("map", [x.value, y.value], words)]);
    },
  };
  return { ...y, lazy };
}

export const batchNorm: LayerDeclaration<"batchNorm"> = {
  weights: (layer, shape, declare) => declareNorm({}, layer, shape.at(-1)!, declare),
  operations(graph, layer, [x], w, value) {
    const y = graph.tensor(x.shape, x.trained || !layer.frozen, value), { positions, step } = x;
    const { kind, alpha } = layer.activation ?? linear, m = normMemory(graph, layer, step);
    const cleared = clearedBy(kind, x.channels), learns = graph.training && !layer.frozen;
    const reads = [x.value, ...statistics(graph, layer, x, w, m)];
    const words: Word[] = [m.scale, m.shift, kind, [alpha], cleared];
    const output = normalized(graph, x, y, reads, words);
    if (value || cleared > 0) output.lazy.store!();
    graph.onBackward(() => {
      const dx = x.slot.gradient;
      if (!dx && !learns) return;
      const d = graph.before(y.slot.gradient!, x, layer.activation, m.scale, m.shift);
      const reads = [d, x.value, ...(learns ? gradientSums(graph, d, x, w, m) : [])];
      // What another level reads is in memory of the whole batch, as the sums need it.
      if (!dx) return void graph.add(reads, [], () => []);
      const write = (to: Word[], height: number, width: number, places: number[], add: number) => {
        const { zeros } = graph;
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
        graph.add(reads, [buffer], () => write(shifted(buffer, first), height, width, places, 0));
        return;
      }
      graph.toGradient(dx, reads, (add) => write(dx.words, 1, positions, [0, step, 32], add));
    });
    return output;
  },
};
