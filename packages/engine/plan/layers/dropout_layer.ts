import { dropoutSalt } from "../dense_layers.ts";
import type { Word } from "../program.ts";
import { type LayerDeclaration, refuse } from "./graph_layer.ts";

export const dropout: LayerDeclaration<"dropout"> = {
  operations(graph, layer, [x], _, value) {
    if (!graph.training || layer.rate === 0) return graph.repack(x, x.shape, value);
    const noise = [null, ...x.shape].map((size, axis) => layer.noiseShape?.[axis] ?? size);
    const steps: number[] = [];
    let all = 1;
    for (let axis = noise.length - 1; axis >= 0; axis--) {
      const size = noise[axis];
      if (axis > 0 && size !== 1 && size !== x.shape[axis - 1]) {
        refuse(layer, `has the noise shape ${noise.map((size) => size ?? "batch").join(" x ")}`);
      }
      steps.unshift(size === 1 ? 0 : all);
      all *= size ?? 1;
    }
    const [image, ...rest] = steps, channel = rest.pop()!;
    const [row, column] = [0, 0, ...rest].slice(-2);
    const [height, width] = [1, 1, ...x.shape.slice(0, -1)].slice(-2);
    const words: Word[] = [
      ...[height, width, x.step, Math.min(Math.round(layer.rate * 2 ** 32), 2 ** 32 - 1)],
      ...[[1 / (1 - layer.rate)] as const, dropoutSalt(layer.salt!), image, row, column, channel],
    ];
    const y = graph.tensor(x.shape, x.trained, value);
    return graph.unary(x, y, ["dropout", [...words, 0]], ["dropout", words]);
  },
};
