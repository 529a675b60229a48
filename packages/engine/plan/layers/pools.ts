/** Layers without weights over windows or positions. */
import { Pool } from "../../assembly/abi.ts";
import { record, type Word } from "../program.ts";
import { product } from "../shapes.ts";
import { EACH, outputOf, sizesOf } from "./windows.ts";
import { copy, type LayerDeclaration, refuse } from "../graph_layer.ts";

export const pool: LayerDeclaration<"maxPool" | "averagePool" | "globalMaxPool"> = {
  shape: (layer, [shape]) =>
    layer.kind === "globalMaxPool"
      ? [shape.at(-1)!]
      : outputOf(layer, layer.poolSize, shape, shape.at(-1)!),
  operations(graph, layer, [x], _, value) {
    const [height, width] = x.shape;
    const c = layer.kind === "globalMaxPool"
      ? sizesOf(EACH, [height, width], x.shape)
      : sizesOf(layer, layer.poolSize, x.shape);
    const kinds = { maxPool: Pool.max, averagePool: Pool.average, globalMaxPool: Pool.everyMax };
    const words = [
      ...[height, width, x.step, c.kh, c.kw, c.sy, c.sx, c.top, c.left],
      ...[c.outHeight, c.outWidth, kinds[layer.kind]],
    ];
    const y = graph.tensor(pool.shape!(layer, [x.shape]), x.trained, value);
    return graph.unary(
      x,
      y,
      ["poolAny", words],
      ["poolAnyGradient", words, [x.value, y.value]],
    );
  },
};

export const globalAveragePool: LayerDeclaration<"globalAveragePool"> = {
  shape: (_, [shape]) => [shape.at(-1)!],
  operations(graph, _layer, [x], _, value) {
    const { positions, step } = x, mean: Word = [1 / positions];
    const y = graph.tensor([x.channels], x.trained, value);
    graph.add([x.value], [y.value], () => [record("reduce", 0, 0, [
      ...[...x.value.words, 0, 0, 0, ...y.value.words, positions, step, mean, 0],
    ])]);
    graph.onBackward(() => {
      const d = y.slot.gradient, dx = x.slot.gradient;
      if (!d || !dx) return;
      graph.toGradient(dx, [d], (add) => [copy(d, dx, positions, step, 0, 1 / positions, add)]);
    });
    return y;
  },
};

export const reshape: LayerDeclaration<"flatten" | "reshape"> = {
  shape(layer, [shape]) {
    if (layer.kind === "flatten") return [product(shape)];
    if (product(layer.shape) === product(shape)) return layer.shape;
    return refuse(layer, `makes ${layer.shape.join(" x ")} of ${shape.join(" x ")}`);
  },
  operations: (graph, layer, [x], _, value) =>
    graph.repack(x, reshape.shape!(layer, [x.shape]), value),
};
