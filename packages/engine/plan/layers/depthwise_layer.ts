import type { GraphBuilder } from "../graph_builder.ts";
import { record, type Word } from "../program.ts";
import { filledView, offerView, outputOf, sizesOf, type View, viewOf } from "./windows.ts";
import { type GraphTensor, type LayerDeclaration, shifted } from "../graph_layer.ts";

export const depthwiseConv2d: LayerDeclaration<"depthwiseConv2d"> = {
  shape: (layer, [shape]) =>
    outputOf(layer, layer.kernelSize, shape, shape.at(-1)! * layer.depthMultiplier),
  weights({ name, kernelSize: [kh, kw], depthMultiplier, bias }, shape, { parameter, vector }) {
    const channels = shape.at(-1)!, columns = channels * depthMultiplier;
    return {
      kernel: parameter(
        `${name}/depthwise_kernel`,
        [kh, kw, channels, depthMultiplier],
        [kh * kw, 1, 1, columns],
      ),
      bias: bias ? vector(`${name}/bias`, columns) : 0,
    };
  },
  normalizes: ({ depthMultiplier }) => depthMultiplier === 1,
  operations(graph, layer, [input], { kernel: weights, bias }, value) {
    const x = layer.depthMultiplier > 1 ? repeat(graph, input, layer.depthMultiplier) : input;
    const c = sizesOf(layer, layer.kernelSize, x.shape), { kh, kw, sy, sx } = c, { step } = x;
    const trained = x.trained || !layer.frozen;
    const y = graph.tensor([c.outHeight, c.outWidth, x.channels], trained, value);
    const view = viewOf(x, c);
    const parts = graph.gradientParts([[weights, kh * kw * step], [bias, step]]);
    const windows = (view: View, y: Word[]): Word[] => [
      ...[...view.buffer.words, sy * view.row, sx * step, ...y, c.outHeight, c.outWidth, step],
      ...[kh, kw, view.row, step],
    ];
    graph.add(view.reads, [...view.writes, y.value], () => [
      ...view.fill(),
      record("depthwise", 0, 0, [
        ...[...windows(view, y.value.words), weights, 32, kw * 32, kh * kw],
        ...[bias || graph.zeros, bias ? 1 : 0, c.outWidth * step, step],
      ]),
    ]);
    offerView(layer, c, x, y, false);
    graph.onBackward(() => {
      if (!y.slot.gradient) return;
      const { buffer: d, places: [first, row, pixel] } = filledView(graph, layer, y, c);
      if (!layer.frozen) {
        const again = viewOf(x, c, view);
        graph.add([...again.reads, d], again.writes, () => [
          ...again.fill(),
          record("depthwiseGradient", 0, 0, [
            ...[...windows(again, shifted(d, first)), ...parts, row, pixel],
          ]),
        ]);
      }
      const dx = x.slot.gradient;
      if (!dx) return;
      const result = graph.resultFor(x, dx.image), line = row / sy;
      // Between the strides of the gradient are zeros: the inputs that meet the same taps pass together.
      const down = phases(sy, kh, c.top, c.inHeight), across = phases(sx, kw, c.left, c.inWidth);
      const kernels = () =>
        down.flatMap((y) =>
          across.map((x) =>
            record("depthwise", 0, 0, [
              ...shifted(d, (y.at + y.tap) * line + (x.at + x.tap) * step),
              ...[row, sx * step, ...shifted(result, (y.at * c.inWidth + x.at) * step)],
              ...[y.count, x.count, step, y.taps, x.taps, row, sx * step],
              ...[weights + (kh * kw - 1 - y.tap * kw - x.tap) * 32, -sx * 32, -sy * kw * 32],
              ...[kh * kw, graph.zeros, 0, sy * c.inWidth * step, sx * step],
            ])
          )
        );
      graph.add([d], [result], kernels);
      graph.addResult(x, result);
    });
    return y;
  },
};

/**
 * Returns the positions along an axis by the reversed taps that meet gradients there: the first position and
 * tap of each `stride`, and how many.
 */
function phases(stride: number, size: number, before: number, positions: number) {
  return Array.from({ length: Math.min(stride, positions) }, (_, at) => {
    const tap = (((size - 1 - before - at) % stride) + stride) % stride;
    const taps = Math.max(0, Math.ceil((size - tap) / stride));
    return { at, tap, taps, count: Math.ceil((positions - at) / stride) };
  });
}

/** Repeats each channel. */
function repeat(graph: GraphBuilder, x: GraphTensor, times: number): GraphTensor {
  const y = graph.tensor([...x.shape.slice(0, -1), x.channels * times], x.trained);
  y.slot.readers++;
  const words = [x.positions, x.channels, times];
  return graph.unary(
    x,
    y,
    ["repeat", [...words, x.step, y.step]],
    ["repeatGradient", [...words, y.step, x.step]],
  );
}
