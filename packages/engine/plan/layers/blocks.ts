/** Convolutions with the pooling and normalization behind them: fewer passes, and less memory. */
import { record, type Word } from "../program.ts";
import { type LayerDeclaration, linear as none } from "../graph_layer.ts";
import { Buffer } from "../operations.ts";
import { conv2d, convolution } from "./convolution_layer.ts";
import { rowBytes } from "../shapes.ts";
import { declareNorm, gradientSums, normalized, normMemory, statistics } from "./normalizations.ts";
import { EACH, outputOf, sizesOf, viewOfGradient } from "./windows.ts";

/**
 * A normalization keeps or reverses the order of a channel's values, so pooling comes first, and only
 * maxima are normalized: where they are read.
 */
export const convolutionBlock: LayerDeclaration<"convolutionBlock"> = {
  unpadded: true,
  normalizes: () => true,
  shape({ linear, pool }, [shape]) {
    const sums = outputOf(linear, linear.kernelSize, shape, linear.filters);
    return pool ? outputOf(pool, pool.poolSize, sums, linear.filters) : sums;
  },
  weights({ linear, norm, inputs }, shape, declare) {
    const own = conv2d.weights!({ ...linear, inputs }, shape, declare);
    return norm ? declareNorm(own, norm, linear.filters, declare) : own;
  },
  operations(graph, block, [x], w) {
    const { linear, norm, pool, activation, inputs } = block;
    const c = sizesOf(linear, linear.kernelSize, x.shape);
    const sums = [c.outHeight, c.outWidth, linear.filters];
    const p = sizesOf(pool ?? EACH, pool?.poolSize ?? [1, 1], sums);
    const pooled = p.kh * p.kw * p.sy * p.sx > 1, layer = { ...linear, inputs, activation };
    const z = convolution(graph, layer, c, x, sums, w, {
      // Winograd's algorithm pays where it also computes the gradient of the input.
      tiles: x.trained && c.sy * c.sx === 1 && linear.padding === "same",
      packs: !x.trained,
      gradient: () => gradientOfSums(),
    });
    const { step } = z, channels = step / 4, { kind, alpha } = activation ?? none;
    const shape = [p.outHeight, p.outWidth, linear.filters];
    const positions = p.outHeight * p.outWidth;
    const m = normMemory(graph, block, step);
    const scale = norm ? m.scale : graph.ones, shift = norm ? m.shift : graph.zeros;
    const places = new Buffer(graph.training && pooled ? positions * channels : 0);
    const best = pooled ? { ...z, shape, positions, value: new Buffer(positions * step) } : z;
    const windows: Word[] = [p.kh, p.kw, p.sy, p.sx, p.top, p.left, p.outHeight, p.outWidth];
    const reads = [best.value, ...(norm ? statistics(graph, norm, z, w, m) : [])];
    if (pooled) {
      graph.add([z.value], [best.value, places], () => [record("pool", 0, 0, [
        ...[z.value.address, c.outHeight, c.outWidth, channels, w.gamma ?? graph.ones, ...windows],
        ...[best.value.address, places.address, z.value.step, best.value.step],
      ])]);
    }
    const y = graph.tensor(shape, true, new Buffer(rowBytes(positions * channels)));
    const gradientOfSums = () => {
      const d = y.slot.gradient!, view = viewOfGradient(z, c), [first, ...apart] = view.places;
      const sums = norm ? gradientSums(graph, d, best, w, m, z.positions) : [];
      graph.add([d, z.value, places, ...sums], [view.buffer], () => [
        record("preActivationGradient", 0, 0, [
          ...[d.address, z.value.address, c.outHeight, c.outWidth, channels, places.address],
          ...[...windows, scale, norm ? m.slope : 0, m.offset, kind, [alpha] as const],
          ...[view.buffer.address + first, view.buffer.step, view.buffer.image, apart[0], apart[1]],
          ...[m.mean, d.image, apart[2], d.step],
        ]),
      ]);
      // The convolution's sums are dead behind it, but cached: there goes the gradient of its input,
      // but for those that skip pixels, which would add to the sums.
      const dx = x.slot.gradient, skips = c.kh * c.kw === 1 && c.sy * c.sx > 1;
      if (dx && !skips && z.value.image >= x.positions * x.step) x.slot.gradient = z.value;
      return view;
    };
    return normalized(graph, best, y, reads, [scale, shift, none.kind, [0]]);
  },
};
