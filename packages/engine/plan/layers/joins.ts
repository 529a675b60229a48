/** Layers of several inputs. */
import { Combine } from "../../assembly/abi.ts";
import type { GraphBuilder } from "../graph_builder.ts";
import type { Buffer } from "../operations.ts";
import { record } from "../program.ts";
import { product } from "../shapes.ts";
import {
  copy,
  type GraphTensor,
  kernel,
  type LayerDeclaration,
  type LayerOf,
  refuse,
} from "../graph_layer.ts";

export const combine: LayerDeclaration<"add" | "multiply"> = {
  shape: (_, inputs) => inputs.reduce((most, one) => product(one) > product(most) ? one : most),
  operations: (graph, layer, [first, ...others], _, value) =>
    others.reduce((a, b, n) => {
      if (n > 0) a.slot.readers++;
      return binary(graph, layer, a, b, n === others.length - 1 ? value : undefined);
    }, first),
};

function binary(
  graph: GraphBuilder,
  layer: LayerOf<"add" | "multiply">,
  left: GraphTensor,
  right: GraphTensor,
  value?: Buffer,
): GraphTensor {
  const [a, b] = left.positions >= right.positions ? [left, right] : [right, left];
  const wide = a.positions === b.positions, { positions, step } = a;
  if (a.channels !== b.channels || !wide && b.positions !== 1) {
    refuse(layer, `joins ${left.shape.join(" x ")} and ${right.shape.join(" x ")}`);
  }
  const y = graph.tensor(a.shape, a.trained || b.trained, value);
  const kind = Combine[layer.kind], bStep = wide ? step : 0;
  graph.add([a.value, b.value], [y.value], () => [
    kernel("combine", [a.value, b.value, y.value], [positions, step, kind, bStep, [1], 0]),
  ]);
  graph.onBackward(() => {
    const d = y.slot.gradient;
    if (!d) return;
    const to = (x: GraphTensor, other: GraphTensor | undefined, own: boolean) => {
      const dx = x.slot.gradient;
      if (!dx) return;
      const z = other?.value, reads = z ? [d, z] : [d];
      if (!own) {
        graph.toGradient(dx, reads, (add) => [
          record("reduce", 0, 0, [
            ...[...d.words, ...(z?.words ?? [0, 0, 0]), ...dx.words, positions, step],
            ...[[1] as const, add],
          ]),
        ]);
      } else if (z) {
        const zStep = other === b ? bStep : step;
        graph.toGradient(dx, reads, (add) => [
          kernel("combine", [d, z, dx], [positions, step, Combine.multiply, zStep, [1], add]),
        ]);
      } else if (x.slot.readers === 1 && dx.lasting === undefined) {
        x.slot.gradient = d; // the same numbers
      } else {
        graph.toGradient(dx, reads, (add) => [copy(d, dx, positions, step, step, 1, add)]);
      }
    };
    const multiplies = layer.kind === "multiply";
    to(a, multiplies ? b : undefined, true);
    to(b, multiplies ? a : undefined, wide);
  });
  return y;
}

export const concatenate: LayerDeclaration<"concatenate"> = {
  shape(layer, inputs) {
    const [first] = inputs, positions = first.slice(0, -1);
    if (inputs.some((one) => `${one.slice(0, -1)}` !== `${positions}`)) {
      refuse(layer, `joins ${inputs.map((one) => one.join(" x ")).join(" and ")}`);
    }
    return [...positions, inputs.reduce((sum, one) => sum + one.at(-1)!, 0)];
  },
  operations(graph, layer, inputs, _, value) {
    const shape = concatenate.shape!(layer, inputs.map(({ shape }) => shape));
    const y = graph.tensor(shape, inputs.some(({ trained }) => trained), value);
    let offset = 0;
    for (const [n, x] of inputs.entries()) {
      const bytes = x.channels * 4, end = n === inputs.length - 1 ? y.step : 0;
      graph.unary(
        x,
        y,
        ["copyChannels", [x.positions, x.step, y.step, 0, offset, bytes, end, 0]],
        ["copyChannels", [x.positions, y.step, x.step, offset, 0, bytes, x.step]],
      );
      offset += bytes;
    }
    return y;
  },
};
