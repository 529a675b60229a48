/** Networks for the engine's tests: drawn ones, and their weights. */
import { random, type Rng } from "../../../packages/random/random.ts";
import type { Head, Layer, Network, Tensors } from "../../../packages/engine/engine.ts";

/** A small network of random layers and odd sizes. */
export function drawNetwork(rng: Rng): Network {
  const layers: Layer[] = [];
  const input = [5 + rng.int(9), 5 + rng.int(9), 1 + rng.int(4)] as const;
  const norm = (name: string): Layer => ({
    kind: "batchNorm",
    name,
    momentum: rng.pick([0.9, 0.99]),
    epsilon: 1e-3,
  });
  const activation = (): Layer[] =>
    rng.pick<Layer[]>([[], [{ kind: "relu" }], [{ kind: "leakyRelu", alpha: 0.2 }]]);
  const penalty = () => rng.int(3) === 0 ? { kernel: 0.01, bias: rng.int(2) * 0.02 } : undefined;
  const pair = (a: number, b: number) => [a, b] as const;
  const convolutions = rng.int(4);
  for (let i = 0; i < convolutions; i++) {
    layers.push({
      kind: "conv2d",
      name: `conv${i}`,
      filters: 1 + rng.int(20),
      kernelSize: pair(1 + rng.int(3), 1 + rng.int(3)),
      // What shrinks the image does so once, in the first layer.
      strides: i === 0 ? pair(1 + rng.int(2), 1 + rng.int(2)) : pair(1, 1),
      padding: i === 0 ? rng.pick(["same", "valid"] as const) : "same",
      bias: rng.int(4) > 0,
      l2: penalty(),
    }, ...activation());
    if (rng.int(3) > 0) layers.push(norm(`convNorm${i}`));
    const pool = rng.pick([undefined, [2, 2], [2, 2], [3, 2], [2, 1], [1, 2]]);
    if (pool !== undefined) {
      layers.push({
        kind: "maxPool",
        poolSize: pair(pool[0], pool[0]),
        strides: pair(pool[1], pool[1]),
        padding: "same",
      });
    }
  }
  layers.push({ kind: "flatten" });
  const hidden = rng.int(4);
  for (let i = 0; i < hidden; i++) {
    layers.push(
      { kind: "dense", name: `dense${i}`, units: 1 + rng.int(40), bias: true, l2: penalty() },
      ...activation(),
    );
    if (rng.int(2) > 0) layers.push(norm(`denseNorm${i}`));
    if (rng.int(2) > 0) layers.push({ kind: "dropout", rate: 0.25 });
  }
  const last = (units: number) => layers.push({ kind: "dense", name: "last", units, bias: true });
  switch (rng.int(3)) {
    case 0:
      last(2 + rng.int(9));
      layers.push({ kind: "softmax" });
      return { input, layers, loss: "categoricalCrossentropy" };
    case 1:
      last(1 + rng.int(2));
      return { input, layers, loss: "meanAbsoluteError" };
    default: {
      const heads = Array.from({ length: 1 + rng.int(3) }, (): Head => ({
        ...rng.pick<Pick<Head, "loss" | "columns">>([
          { loss: "categoricalCrossentropy", columns: 2 + rng.int(9) },
          { loss: "meanAbsoluteError", columns: 1 + rng.int(2) },
        ]),
        weight: 0.5 + rng.next(),
      }));
      last(heads.reduce((sum, { columns }) => sum + columns, 0));
      return { input, layers, loss: heads };
    }
  }
}

/** Random values for every weight, none of them special. */
export function drawWeights(weights: Tensors, rng: Rng): Tensors {
  for (const [name, { shape, data }] of weights) {
    if (name.endsWith("kernel")) {
      const spread = 2 / Math.sqrt(data.length / shape.at(-1)!);
      for (let i = 0; i < data.length; i++) data[i] = (rng.next() - 0.5) * spread;
    } else {
      const centre = name.endsWith("gamma") || name.endsWith("variance") ? 1 : 0;
      for (let i = 0; i < data.length; i++) data[i] = centre + (rng.next() - 0.5);
    }
  }
  return weights;
}

/** `rows` random images as bytes, and labels that fit the loss. */
export function drawBatch(network: Network, rows: number, rng: Rng) {
  const size = network.input.reduce((a, b) => a * b);
  const images = Uint8Array.from({ length: rows * size }, () => rng.int(256));
  const last = network.layers.findLast((layer) => layer.kind === "dense")!;
  const { loss } = network;
  const labels = typeof loss === "object"
    ? Array.from({ length: rows }, () => loss.flatMap((head) => drawTarget(head, rng))).flat()
    : loss === "categoricalCrossentropy"
    ? Array.from({ length: rows }, () => rng.int(last.units))
    : Array.from({ length: rows * last.units }, () => rng.next() * 10);
  return { images, labels };
}

/** Values, or probabilities: all on one column, or some on each. */
function drawTarget({ loss, columns }: Head, rng: Rng): number[] {
  const values = Array.from({ length: columns }, () => rng.next());
  if (loss === "meanAbsoluteError") return values.map((value) => value * 10);
  const one = rng.int(2) > 0 ? rng.int(columns) : undefined;
  const all = values.reduce((sum, value) => sum + value, 0);
  return values.map((value, i) => one === undefined ? value / all : Number(i === one));
}

/** The report's network for gender, or that for age, as a description. */
export function reportNetwork(task: "gender" | "age", dropout = 0.25): Network {
  const layers: Layer[] = [];
  const norm = (name: string): Layer => ({
    kind: "batchNorm",
    name,
    momentum: 0.99,
    epsilon: 1e-3,
  });
  for (const [i, filters] of [16, 32, 64, 128].entries()) {
    layers.push(
      {
        kind: "conv2d",
        name: `conv${i + 1}`,
        filters,
        kernelSize: [2, 2],
        strides: [1, 1],
        padding: "same",
        bias: true,
        l2: task === "age" ? { kernel: 0.001 } : undefined,
      },
      { kind: "relu" },
      norm(`convNorm${i + 1}`),
    );
    layers.push({ kind: "maxPool", poolSize: [2, 2], strides: [2, 2], padding: "same" });
  }
  layers.push({ kind: "flatten" });
  if (task === "gender") {
    for (const units of [512, 256, 128, 64, 16]) {
      layers.push({ kind: "dense", name: `dense${units}`, units, bias: true }, { kind: "relu" });
      if (units > 16) layers.push(norm(`norm${units}`));
      if (units > 64) layers.push({ kind: "dropout", rate: dropout });
    }
    layers.push({ kind: "dense", name: "logits", units: 2, bias: true }, { kind: "softmax" });
    return { input: [32, 32, 3], layers, loss: "categoricalCrossentropy" };
  }
  for (const units of [256, 64, 32]) {
    const l2 = { kernel: 0.1, bias: 0.1 };
    layers.push({ kind: "dense", name: `dense${units}`, units, bias: true, l2 });
    layers.push({ kind: "leakyRelu", alpha: 0.2 });
    if (units === 256) layers.push({ kind: "dropout", rate: dropout });
  }
  layers.push({ kind: "dense", name: "age", units: 1, bias: true });
  return { input: [32, 32, 3], layers, loss: "meanAbsoluteError" };
}

export { random };
