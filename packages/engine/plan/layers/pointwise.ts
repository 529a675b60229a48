/** Functions of single numbers, with and without weights. */
import { Activation } from "../../assembly/abi.ts";
import type { Layer } from "../../engine_network.ts";
import type { Word } from "../program.ts";
import { product } from "../shapes.ts";
import { type GraphLayer, type LayerDeclaration, refuse } from "../graph_layer.ts";

export function activationOf(
  layer: GraphLayer | Layer,
): { kind: Activation; alpha: number } | undefined {
  if (layer.kind === "relu") return { kind: Activation.relu, alpha: 0 };
  if (layer.kind === "leakyRelu") return { kind: Activation.leakyRelu, alpha: layer.alpha };
  if (layer.kind !== "activation") return undefined;
  return { kind: Activation[layer.function], alpha: layer.alpha ?? 6 };
}

/** Channels after which an activation's output is cleared: where it does not keep the padding zero. */
export function clearedBy(kind: Activation, channels: number): number {
  const { sigmoid, hardSigmoid, softplus } = Activation;
  return channels % 8 > 0 && [sigmoid, hardSigmoid, softplus].includes(kind) ? channels : 0;
}

export const activation: LayerDeclaration<"relu" | "leakyRelu" | "activation"> = {
  operations(graph, layer, [x], _, value) {
    const { kind, alpha } = activationOf(layer)!;
    const words: Word[] = [x.positions, x.step, kind, [alpha], 0, 0];
    return graph.unary(
      x,
      graph.tensor(x.shape, x.trained, value),
      ["map", [...words, clearedBy(kind, x.channels)]],
      ["mapGradient", words, [x.value]],
    );
  },
};

export const prelu: LayerDeclaration<"prelu"> = {
  weights(layer, shape, { parameter }) {
    const { name, shape: own } = layer, channels = shape.at(-1)!;
    const positions = product(own.slice(0, -1));
    if (own.at(-1) !== channels || ![1, product(shape.slice(0, -1))].includes(positions)) {
      refuse(layer, `has slopes of ${own.join(" x ")} for ${shape.join(" x ")}`);
    }
    return {
      alpha: parameter(`${name}/alpha`, [...own], [positions, 1, 1, channels]),
      apart: positions > 1 ? 32 : 0,
    };
  },
  operations(graph, layer, [x], { alpha, apart }, value) {
    const words = [x.positions, x.step, alpha, apart];
    const parts = graph.gradientParts([[alpha, apart ? x.positions * x.step : x.step]]);
    return graph.unary(
      x,
      graph.tensor(x.shape, x.trained || !layer.frozen, value),
      ["prelu", words],
      ["preluGradient", [...words, ...parts], [x.value]],
      { learns: true },
    );
  },
};

export const softmax: LayerDeclaration<"softmax"> = {
  operations(graph, _layer, [x], _, value) {
    const y = graph.tensor(x.shape, x.trained, value), words = [x.positions, x.step, x.channels];
    return graph.unary(x, y, ["softmax", words], ["softmaxGradient", words, [y.value]]);
  },
};

/** Returns the salt of the dropout mask of a layer of a graph, or of a block of a sequence. */
export function dropoutSalt(index: number): number {
  return Math.imul(index + 1, 0x632BE5AB);
}

/** Dropout's threshold, factor and salt. */
export const dropoutWords = (rate: number, index: number): Word[] => [
  ...[Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1), [1 / (1 - rate)] as const],
  dropoutSalt(index),
];

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
      ...[height, width, x.step, ...dropoutWords(layer.rate, layer.salt!)],
      ...[image, row, column, channel],
    ];
    const y = graph.tensor(x.shape, x.trained, value);
    return graph.unary(x, y, ["dropout", [...words, 0]], ["dropout", words]);
  },
};
