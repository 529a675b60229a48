/** Convolutions, and dense layers of each position as convolutions of one pixel. */
import type { GraphBuilder } from "../graph_builder.ts";
import type { Buffer } from "../operations.ts";
import { record, type Word } from "../program.ts";
import { tileSides, upTo8 } from "../shapes.ts";
import {
  EACH,
  filledView,
  offerView,
  outputOf,
  sizesOf,
  type View,
  viewOf,
  type WindowSizes,
} from "./windows.ts";
import {
  type GradientView,
  type GraphTensor,
  type LayerDeclaration,
  type LayerOf,
  linear,
  type Weights,
} from "../graph_layer.ts";

/** Tiles that pass at once, but for a row that has more; equal to the constant in winograd.ts. */
const WINOGRAD_TILES = 32;
/** Bytes of packed windows at once, but for a row that has more; CACHE in conv.ts. */
const WINDOW_BYTES = 27 * 1024;

export const conv2d: LayerDeclaration<"conv2d"> = {
  unpadded: true,
  shape: (layer, [shape]) => outputOf(layer, layer.kernelSize, shape, layer.filters),
  weights(layer, shape, { parameter, vector }) {
    const { name, kernelSize: [kh, kw], filters, kernel = "kernel", bias, l2 } = layer;
    // Of the image, convolutions read the channels as they are.
    const channels = shape.at(-1)!, stride = layer.inputs[0] < 0 ? channels : upTo8(channels);
    return {
      kernel: parameter(
        `${name}/${kernel}`,
        [kh, kw, channels, filters],
        [kh * kw, channels, stride, filters],
        l2?.kernel,
      ),
      bias: bias ? vector(`${name}/bias`, filters, l2?.bias) : 0,
    };
  },
  normalizes: () => true,
  operations: (graph, layer, [x], weights, value) =>
    convolution(
      graph,
      layer,
      sizesOf(layer, layer.kernelSize, x.shape),
      x,
      conv2d.shape!(layer, [x.shape]),
      weights,
      { value },
    ),
};

/** Adds a dense layer of each position. */
export function denseOfPositions(
  graph: GraphBuilder,
  layer: LayerOf<"dense">,
  x: GraphTensor,
  weights: Weights,
  value?: Buffer,
): GraphTensor {
  const c = sizesOf(EACH, [1, 1], [1, x.positions]);
  const shape = [...x.shape.slice(0, -1), layer.units];
  return convolution(graph, layer, c, x, shape, weights, { value });
}

/**
 * Adds a convolution.
 * @param options.tiles false: without Winograd's algorithm
 * @param options.packs true if it reads the gradient of its outputs in panels of eight channels.
 * Default: where windows of few channels are packed
 * @param options.gradient adds and returns the gradient of its outputs
 */
export function convolution(
  graph: GraphBuilder,
  layer: LayerOf<"conv2d" | "dense">,
  c: WindowSizes,
  x: GraphTensor,
  shape: readonly number[],
  { kernel: weights, bias }: Weights,
  { value, tiles = true, packs = (c.kw * x.step / 4 & 3) !== 0, gradient }: {
    value?: Buffer;
    tiles?: boolean;
    packs?: boolean;
    gradient?: () => GradientView;
  },
): GraphTensor {
  const { kh, kw, sy, sx } = c, stride = x.step / 4, columns = upTo8(shape.at(-1)!);
  const y = graph.tensor(shape, x.trained || !layer.frozen, value), view = viewOf(x, c);
  const square = tiles && kh === kw && stride % 8 === 0;
  const { winograd, winogradGradient } = tileSides(
    square && sy === 1 && sx === 1,
    kh,
    c.outHeight,
    c.outWidth,
  );
  // The gradient of the input is a convolution at stride 1, of a dilated image.
  const back = tileSides(square, kh, c.inHeight, c.inWidth).winograd;
  const { kind, alpha } = layer.activation ?? linear, { batch } = graph.sizes;
  const { transformed, turned, turnedTransformed } = graph.allocateOnce(layer, {
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
  for (const [side, width] of [[winograd, c.outWidth], [back, c.inWidth]]) {
    if (side === 0) continue;
    const tiles = Math.max(WINOGRAD_TILES, width / (side - kh + 1));
    graph.reserve({ planes: side ** 2, plane: tiles * Math.max(stride, columns) * 4 + 64 });
  }
  const packed = c.outWidth * (kh * kw * stride + 8) * 4;
  graph.reserve({ pack: Math.max(c.outHeight * c.outWidth * 32, WINDOW_BYTES, batch, packed) });
  if (winograd > 0) {
    graph.prepare("forward", "transformWeights", columns / 8, [
      ...[weights, stride, columns / 8, transformed, winograd],
    ]);
  }
  graph.add(view.reads, [...view.writes, y.value], () => [
    ...view.fill(),
    record(winograd > 0 ? "winograd" : "convolve", 0, 0, [
      ...[...windows(view), winograd > 0 ? transformed : weights],
      ...[bias || graph.zeros, bias ? 32 : 0, y.value.address, y.value.image],
      ...[c.outWidth * y.step, y.step, kind, [alpha] as const],
      ...[view.buffer.step, ...graph.scratchWords(winograd), y.value.step],
    ]),
  ]);
  const filterGradient = ({ buffer: d, places: [first, row, pixel, panel] }: GradientView) => {
    const bytes = kh * kw * stride * columns * 4;
    const [parts, partBytes] = graph.gradientParts([[weights, bytes], [bias, columns * 4]]);
    const again = viewOf(x, c, view), side = winogradGradient;
    const sums = side > 0 ? graph.sumsAt(side ** 2 * stride * columns * 4, [d, ...again.reads]) : 0;
    graph.add([...again.reads, d], again.writes, () => {
      const { packs, packStep, sums: places } = graph.shared;
      const gradient = [d.address + first, d.step, d.image, row, pixel];
      const common = [...windows(again), ...gradient, parts, partBytes, again.buffer.step];
      return [
        ...again.fill(),
        side > 0
          ? record("winogradGradient", 0, 0, [
            ...[...common, ...graph.scratchWords(0).slice(0, 3), side],
            ...[places[sums].address, places[sums].step],
          ])
          : record("filterGradient", 0, 0, [...common, packs, packStep, panel]),
      ];
    });
  };
  offerView(layer, c, x, y, packs);
  graph.onBackward(() => {
    if (!y.slot.gradient) return;
    const d = gradient?.() ?? filledView(graph, layer, y, c);
    if (!layer.frozen) filterGradient(d);
    if (!x.slot.gradient) return;
    graph.prepare("forward", "turn", stride / 8, [weights, kh * kw, stride, columns / 8, turned]);
    if (back > 0) {
      graph.prepare("backward", "transformWeights", stride / 8, [
        ...[turned, columns, stride / 8, turnedTransformed, back],
      ]);
    }
    inputGradient(graph, c, y, d, x, back > 0 ? turnedTransformed : turned, back);
  });
  return y;
}

/** Adds a convolution's gradient to that of its input. */
function inputGradient(
  graph: GraphBuilder,
  { kh, kw, sy, sx, ...c }: WindowSizes,
  y: GraphTensor,
  { buffer: d, places: [, down] }: GradientView,
  x: GraphTensor,
  weights: number,
  side: number,
): void {
  const dx = x.slot.gradient!, sparse = kh * kw === 1 && sy * sx > 1;
  // A window of one pixel needs no dilation: its gradients go to every stride-th pixel.
  const [height, width] = sparse ? [c.outHeight, c.outWidth] : [c.inHeight, c.inWidth];
  const result = graph.resultFor(x, height * width * x.step, !sparse);
  const row = kh * kw > 1 ? down / sy : down;
  graph.add([d], [result], () => [
    record(side > 0 ? "winograd" : "convolve", 0, 0, [
      ...[d.address, d.image, row, y.step, kh, kw * y.step / 4, row],
      ...[height, width, x.step / 32, weights, graph.zeros, 0],
      ...[result.address, result.image, width * x.step, x.step, 0, [0] as const],
      ...[d.step, ...graph.scratchWords(side), result.step],
    ]),
  ]);
  if (!sparse) return graph.addResult(x, result);
  graph.toGradient(dx, [result], (add) => [record("place", 0, 0, [
    ...[...result.words, ...dx.words, height, width, x.step, width * x.step],
    ...[c.inWidth * x.step * sy, x.step * sx, add, add ? 0 : dx.image],
  ])]);
}
