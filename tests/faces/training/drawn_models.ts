/** Small networks of layers drawn from all that the engine supports. */
import { layers, type LayersModel, model, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import * as tfjs from "@tensorflow/tfjs-layers";
import type { Rng } from "../../../packages/random/random.ts";

export const activations = [
  ...["linear", "relu", "relu6", "elu", "selu", "swish", "gelu", "mish", "tanh", "sigmoid"],
  ...["hardSigmoid", "softplus", "softsign", "softmax"],
];

/** Draws a network from images of an odd size to two logits and a softmax. */
export function drawModel(
  rng: Rng,
  name: string,
  shape = [7 + rng.int(6), 7 + rng.int(6), rng.pick([1, 3, 3, 8])],
): LayersModel {
  let count = 0;
  const named = () => ({ name: `layer${++count}` });
  const pair = (most: number) => [1 + rng.int(most), 1 + rng.int(most)] as [number, number];
  const padding = () => rng.pick(["same", "valid"] as const);
  const image = tfjs.input({ shape });
  const values: SymbolicTensor[] = [image];
  const unread = new Set<SymbolicTensor>();
  const put = (layer: layers.Layer, ...from: SymbolicTensor[]): SymbolicTensor => {
    const value = layer.apply(from.length > 1 ? from : from[0]) as SymbolicTensor;
    for (const x of from) unread.delete(x);
    values.push(value);
    unread.add(value);
    return value;
  };
  const activation = () => rng.pick(activations) as "relu";
  const useBias = () => rng.int(2) > 0;
  /** A layer for any shape. */
  const anywhere = (shape: number[]): layers.Layer => {
    const { name } = named(), rate = 0.3;
    return rng.pick<() => layers.Layer>([
      () => layers.activation({ name, activation: activation() }),
      () => layers.reLU({ name, maxValue: rng.pick([0.7, undefined]) }),
      () => layers.leakyReLU({ name, alpha: rng.pick([0, 0.2]) }),
      () => layers.elu({ name }),
      () => layers.softmax({ name, axis: -1 }),
      () => layers.batchNormalization({ name, momentum: 0.9, epsilon: 0.01 }),
      () => layers.layerNormalization({ name, epsilon: 0.01 }),
      () => layers.dense({ name, units: 1 + rng.int(11), activation: activation() }),
      () => {
        const noiseShape = [null, ...shape].map((size) => rng.int(2) ? 1 : size) as number[];
        return layers.dropout({ name, rate, ...(rng.int(2) ? { noiseShape } : {}) });
      },
      () => {
        const sharedAxes = rng.int(2) ? shape.slice(1).map((_, axis) => axis + 1) : undefined;
        return layers.prelu({ name, ...(shape.length > 1 && { sharedAxes }) } as object);
      },
    ])();
  };
  const step = (x: SymbolicTensor) => {
    const shape = x.shape.slice(1) as number[], [height, width, channels] = shape;
    if (shape.length !== 3 || rng.int(3) === 0) return put(anywhere(shape), x);
    const { name } = named(), strides = pair(2), most = Math.min(7, height, width);
    const kernelSize = pair(most);
    // TensorFlow.js itself fails to predict where a layer takes one value twice.
    const joins = values.filter((y) =>
      y !== x && `${y.shape.slice(0, 3)}` === `${x.shape.slice(0, 3)}`
    );
    if (joins.length === 0) joins.push(put(anywhere(shape), x));
    const same = (y: SymbolicTensor) =>
      y.shape[3] === channels
        ? y
        : put(layers.conv2d({ ...named(), filters: channels, kernelSize: 1 }), y);
    return rng.pick<() => unknown>([
      () =>
        put(
          layers.conv2d({
            name,
            kernelSize,
            strides,
            padding: padding(),
            useBias: useBias(),
            filters: 1 + rng.int(20),
            activation: activation(),
          }),
          x,
        ),
      () =>
        put(layers.conv2d({ name, kernelSize: 3, padding: "same", filters: 8, useBias: false }), x),
      () =>
        put(
          layers.depthwiseConv2d({
            name,
            kernelSize,
            strides: [strides[0], strides[0]],
            padding: padding(),
            depthMultiplier: 1 + rng.int(2),
            useBias: useBias(),
            activation: activation(),
          }),
          x,
        ),
      () =>
        put(
          layers.separableConv2d({
            name,
            kernelSize,
            padding: padding(),
            filters: 1 + rng.int(12),
            depthMultiplier: 1 + rng.int(2),
            useBias: useBias(),
            activation: activation(),
          }),
          x,
        ),
      () =>
        put(
          layers.maxPooling2d({
            name,
            poolSize: pair(Math.min(3, most)),
            strides,
            padding: padding(),
          }),
          x,
        ),
      // TensorFlow.js divides the gradient by the whole window at borders that "same" pads.
      () => put(layers.averagePooling2d({ name, poolSize: pair(Math.min(3, most)), strides }), x),
      () => put(layers.add({ name }), x, ...joins.slice(-2).map(same)),
      () => put(layers.multiply({ name }), x, same(rng.pick(joins))),
      () => put(layers.concatenate({ name }), x, rng.pick(joins)),
      () => put(layers.reshape({ name, targetShape: [width, height, channels] }), x),
      () => put(layers.reshape({ name, targetShape: [height * width, channels] }), x),
      () => {
        const pool = rng.int(2)
          ? layers.globalAveragePooling2d({ name })
          : layers.globalMaxPooling2d({ name });
        const weights = put(
          layers.dense({ ...named(), units: channels, activation: "sigmoid" }),
          put(pool, x),
        );
        const wide = put(layers.reshape({ ...named(), targetShape: [1, 1, channels] }), weights);
        put(layers.multiply(named()), x, wide);
      },
    ])();
  };
  for (let n = 5 + rng.int(6); n > 0; n--) {
    const recent = values.slice(-3);
    step(rng.pick(recent));
  }
  const ends = [...unread].map((x) => {
    const pooled = x.rank === 4 && rng.int(2) > 0
      ? put(layers.globalAveragePooling2d(named()), x)
      : x;
    return pooled.rank > 2 ? put(layers.flatten(named()), pooled) : pooled;
  });
  const all = ends.length > 1 ? put(layers.concatenate(named()), ...ends) : ends[0];
  const logits = put(layers.dense({ name: "logits", units: 2 }), all);
  const outputs = put(layers.activation({ name: "soft", activation: "softmax" }), logits);
  return model({ name, inputs: image, outputs });
}
