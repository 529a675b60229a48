import { Buffer } from "../operations.ts";
import { record, type Word } from "../program.ts";
import { clearedBy } from "./pointwise.ts";
import { kernel, type LayerDeclaration, type Lazy, linear, shifted } from "../graph_layer.ts";

export const layerNorm: LayerDeclaration<"layerNorm"> = {
  weights: ({ name }, shape, { vector }) => ({
    gamma: vector(`${name}/gamma`, shape.at(-1)!),
    beta: vector(`${name}/beta`, shape.at(-1)!),
  }),
  operations(graph, layer, [x], { gamma, beta }, value) {
    const words: Word[] = [x.positions, x.step, x.channels, gamma];
    const parts = graph.gradientParts([[gamma, x.step], [beta, x.step]]);
    return graph.unary(
      ...[x, graph.tensor(x.shape, x.trained || !layer.frozen, value)] as const,
      ["layerNorm", [...words, beta, [layer.epsilon]]],
      ["layerNormGradient", [...words, [layer.epsilon], ...parts], [x.value]],
      { learns: true },
    );
  },
};

/** Its values are stored only where a reader does not compute them from its input. */
export const batchNorm: LayerDeclaration<"batchNorm"> = {
  weights({ name }, shape, { vector, moving }) {
    const channels = shape.at(-1)!;
    const own = {
      gamma: vector(`${name}/gamma`, channels),
      beta: vector(`${name}/beta`, channels),
    };
    moving(own, name, ["moving_mean", "moving_variance"], channels);
    return own;
  },
  operations(graph, layer, [x], w, value) {
    const y = graph.tensor(x.shape, x.trained || !layer.frozen, value);
    const { positions, step } = x, channels = step / 4, { batch } = graph.sizes;
    const { kind, alpha } = layer.activation ?? linear;
    const m = graph.allocateOnce(layer, {
      ...{ scale: step, shift: step, mean: step, deviation: step, slope: step, offset: step },
      partial: batch * step * 2,
    });
    const affine: Word[] = [positions, step, kind, [alpha], m.scale, m.shift];
    const cleared = clearedBy(kind, x.channels), learns = graph.training && !layer.frozen;
    const statistics = new Buffer(0), sums = new Buffer(0);
    if (learns) {
      graph.schedule.add({
        ...{ reads: [x.value], writes: [statistics] },
        kernels:
          () => [record("statistics", 0, 0, [x.value.address, positions, channels, m.partial])],
        endings: () => [record("finishStatistics", 0, channels / 8, [
          ...[m.partial, positions, channels, w.gamma, w.beta, w.moving_mean, w.moving_variance],
          ...[[layer.momentum] as const, [layer.epsilon] as const],
          ...[m.scale, m.shift, m.mean, m.deviation],
        ])],
      });
    } else {
      graph.prepare("forward", "movingScale", channels / 8, [
        ...[w.gamma, w.beta, w.moving_mean, w.moving_variance],
        ...[[layer.epsilon] as const, m.scale, m.shift],
      ]);
    }
    const reads = [x.value, ...(learns ? [statistics] : [])];
    const lazy: Lazy = { x, reads, words: [m.scale, m.shift, kind, [alpha]] };
    lazy.store = () => {
      lazy.store = undefined;
      graph.add(reads, [y.value], () => [kernel("map", [x.value, y.value], [...affine, cleared])]);
    };
    if (value || cleared > 0) lazy.store();
    graph.onBackward(() => {
      const dx = x.slot.gradient;
      if (!dx && !learns) return;
      const d = graph.before(y.slot.gradient!, x, layer.activation, m.scale, m.shift);
      const reads = [d, x.value, ...(learns ? [sums] : [])];
      if (learns) {
        graph.schedule.add({
          ...{ reads: [d, x.value], writes: [sums] },
          kernels: () => [record("gradientSums", 0, 0, [
            ...[d.address, x.value.address, positions, channels, m.mean, m.partial, d.image],
          ])],
          endings: () => [record("finishGradient", 0, channels / 8, [
            ...[m.partial, positions, channels, m.deviation, m.scale],
            ...[w.gamma + graph.gradientOffset, w.beta + graph.gradientOffset, m.slope, m.offset],
          ])],
        });
      }
      // What another level reads is in memory of the whole batch, as the sums need it.
      if (!dx) return void graph.add(reads, [], () => []);
      const write = (to: Word[], height: number, width: number, places: number[], add: number) => {
        const { zeros } = graph.shared;
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
    return { ...y, lazy };
  },
};
