/** The engine's numbers, against those of TensorFlow.js and against finite differences. */
import { ok } from "node:assert/strict";
import { Engine, type Layer, type Network, type Tensors } from "../../../packages/engine/engine.ts";
import { close, difference } from "./close.ts";
import { compareDrawnNetwork, compareNetwork, dividedBy255 } from "./drawn_network.ts";
import { drawBatch, drawNetwork, drawWeights, random } from "./networks.ts";
import { pass } from "./reference.ts";

for (const relaxed of [true, false]) {
  Deno.test(`Engine computes what tfjs does, drawn networks, ${relaxed ? "relaxed" : "plain"} SIMD`, async () => {
    for (let n = 0; n < 10; n++) await compareDrawnNetwork(n, relaxed);
  });
}

Deno.test("Engine normalises wide dense layers as tfjs does", async () => {
  const dense = (name: string, units: number): Layer => ({
    kind: "dense",
    name,
    units,
    bias: true,
  });
  const norm = (name: string): Layer => ({ kind: "batchNorm", name, momentum: 0.9, epsilon: 1e-3 });
  for (const [n, units] of [300, 129].entries()) {
    const network: Network = {
      input: [9, 7, 3],
      loss: "meanAbsoluteError",
      layers: [
        ...[{ kind: "flatten" } as const, dense("wide", units), norm("first")],
        ...[dense("second", 65), { kind: "relu" } as const, norm("third"), dense("last", 2)],
      ],
    };
    const rng = random(5, "wide", units);
    await compareNetwork(network, { n, rng, batch: 37, rows: 33, relaxed: true });
  }
});

Deno.test("Engine convolves as tfjs does where Winograd's algorithm saves products", async () => {
  for (const size of [2, 3]) {
    // Tiles of 4×4 and of 2×2, several images at once and bands of one; odd images and other windows
    // are among the drawn networks. The first convolution, of RGB, has the other size.
    for (
      const [height, width, channels, filters, rows] of [
        ...[[8, 8, 16, 32, 5], [2, 6, 5, 9, 7], [28, 32, 5, 9, 3], [6, 26, 9, 5, 3]],
      ]
    ) {
      const conv = (name: string, filters: number, size: number) => ({
        kind: "conv2d",
        name,
        filters,
        kernelSize: [size, size],
        strides: [1, 1],
        padding: "same",
        bias: true,
      });
      const network = {
        input: [height, width, 3],
        loss: "meanAbsoluteError",
        layers: [
          ...[conv("first", channels, 5 - size), { kind: "relu" }, conv("second", filters, size)],
          ...[{ kind: "leakyRelu", alpha: 0.3 }, { kind: "flatten" }],
          { kind: "dense", name: "last", units: 2, bias: true },
        ],
      } as Network;
      const rng = random(5, "winograd", size, height);
      const engine = await Engine.compile(network, {
        batch: rows,
        threads: 2,
        keepGradients: true,
      });
      try {
        const weights = drawWeights(engine.weights(), rng);
        engine.setWeights(weights);
        const { images, labels } = drawBatch(network, rows, rng);
        const expected = pass(network, weights, dividedBy255(images), labels, { key: [1, 2] });
        const what = `${size}x${size} over ${height}x${width}`;
        close(`${what}: predict`, await engine.predict(images), expected.outputs);
        await engine.step(images, labels, [1, 2]);
        for (const [name, { data }] of engine.gradients()) {
          close(`${what}: ${name}`, data, expected.gradients.get(name)!);
        }
      } finally {
        await engine.close();
      }
    }
  }
});

Deno.test("Engine computes the gradient before a convolution that skips pixels as tfjs does", async () => {
  // With so many filters, the sums have room for the gradient of their input.
  for (const [n, strides] of ([[2, 2], [2, 1], [1, 3]] as const).entries()) {
    const conv = { kind: "conv2d", padding: "same", bias: true } as const;
    const network: Network = {
      input: [7, 8, 3],
      loss: "meanAbsoluteError",
      layers: [
        { ...conv, name: "first", filters: 8, kernelSize: [3, 3], strides: [1, 1] },
        { kind: "relu" },
        { ...conv, name: "second", filters: 33, kernelSize: [1, 1], strides },
        { kind: "leakyRelu", alpha: 0.3 },
        ...(n === 1
          ? []
          : [{ kind: "batchNorm", name: "norm", momentum: 0.9, epsilon: 1 }] as const),
        { kind: "flatten" },
        { kind: "dense", name: "last", units: 2, bias: true },
      ],
    };
    const rng = random(5, "skips", n);
    await compareNetwork(network, { n, rng, batch: 6, rows: 5, relaxed: true });
  }
});

Deno.test("Engine keeps sums of Winograd's algorithm while a chunk has several ranges of images", async () => {
  // 8×8 positions have large tiles forward and small ones for the weights' gradients.
  const conv = (name: string) => ({
    kind: "conv2d",
    name,
    filters: 96,
    kernelSize: [3, 3],
    strides: [1, 1],
    padding: "same",
    bias: true,
  });
  const network = {
    input: [8, 8, 3],
    loss: "meanAbsoluteError",
    layers: [
      ...[conv("first"), conv("second"), { kind: "flatten" }],
      { kind: "dense", name: "last", units: 1, bias: true },
    ],
  } as Network;
  const rng = random(5, "ranges"), rows = 48, part = 8; // chunks of six images, and of one
  const { images, labels } = drawBatch(network, rows, rng);
  const engine = await Engine.compile(network, {
    batch: rows,
    threads: 1,
    learningRate: 0,
    keepGradients: true,
  });
  try {
    engine.setWeights(drawWeights(engine.weights(), rng));
    const mean = new Float64Array(9 * 96 * 96), size = 8 * 8 * 3;
    for (let n = 0; n < rows; n += part) {
      await engine.step(images.subarray(n * size, (n + part) * size), labels.slice(n, n + part));
      const { data } = engine.gradients().get("second/kernel")!;
      for (const [i, g] of data.entries()) mean[i] += g * part / rows;
    }
    await engine.step(images, labels);
    close("gradient of the whole", engine.gradients().get("second/kernel")!.data, mean);
  } finally {
    await engine.close();
  }
});

Deno.test("Engine pools before it normalises as tfjs does after, whatever the sign of gamma", async () => {
  const momenta = { momentum: 0.9, epsilon: 1e-3 };
  // Halves, which have a kernel of their own; the same with a rest; windows that overlap.
  for (const [height, width, window] of [[8, 12, 2], [7, 5, 2], [8, 8, 3]]) {
    const network = {
      input: [height, width, 3],
      loss: "meanAbsoluteError",
      layers: [
        {
          kind: "conv2d",
          name: "conv",
          filters: 12,
          kernelSize: [2, 2],
          strides: [1, 1],
          padding: "same",
          bias: true,
        },
        ...[{ kind: "leakyRelu", alpha: 0.2 }, { kind: "batchNorm", name: "norm", ...momenta }],
        { kind: "maxPool", poolSize: [window, window], strides: [2, 2], padding: "same" },
        ...[{ kind: "flatten" }, { kind: "dense", name: "last", units: 2, bias: true }],
      ],
    } as Network;
    for (const gammas of [[1, -1, -0.5, 2], [1, -1, 0, -0.5]]) {
      const rng = random(5, "gamma", height, gammas.length);
      const engine = await Engine.compile(network, { batch: 5, threads: 2, keepGradients: true });
      try {
        const weights = drawWeights(engine.weights(), rng);
        const gamma = weights.get("norm/gamma")!.data;
        for (let i = 0; i < gamma.length; i++) gamma[i] = gammas[i % gammas.length];
        engine.setWeights(weights);
        const { images, labels } = drawBatch(network, 5, rng);
        const x = dividedBy255(images), what = `gammas ${gammas}, ${height}x${width}`;
        close(
          `${what}: predict`,
          await engine.predict(images),
          pass(network, weights, x, labels, undefined).outputs,
        );
        await engine.step(images, labels, [1, 2]);
        const expected = pass(network, weights, x, labels, { key: [1, 2] });
        for (const [name, { data }] of engine.gradients()) {
          close(`${what}: ${name}`, data, expected.gradients.get(name)!, 1e-3);
        }
      } finally {
        await engine.close();
      }
    }
  }
});

Deno.test("Engine lets kernels decay as AdamW does, and nothing else", async () => {
  const network = drawNetwork(random(11, "network", 2));
  const rng = random(8, "decay");
  const after: Tensors[] = [];
  let before: Tensors | undefined;
  const { images, labels } = drawBatch(network, 5, rng);
  for (const weightDecay of [0, 0.3]) {
    const engine = await Engine.compile(network, {
      batch: 5,
      threads: 1,
      learningRate: 0.01,
      weightDecay,
    });
    before ??= drawWeights(engine.weights(), rng);
    engine.setWeights(before);
    await engine.step(images, labels, [1, 2]);
    after.push(engine.weights());
    await engine.close();
  }
  const [plain, decayed] = after;
  for (const [name, { data }] of plain) {
    const old = before!.get(name)!.data;
    const expected = data.map((w, i) => name.endsWith("/kernel") ? w - 0.01 * 0.3 * old[i] : w);
    close(name, decayed.get(name)!.data, expected);
    if (name.endsWith("/kernel")) ok(difference(decayed.get(name)!.data, data) > 1e-3);
  }
});

for (const heads of [false, true]) {
  const name = heads ? "Engine, with heads, has" : "Engine has";
  Deno.test(`${name} the gradients that finite differences have`, () => slopes(heads));
}

async function slopes(heads: boolean): Promise<void> {
  // Piecewise smooth: where a step crosses a kink of ReLU or of a maximum, a few may differ.
  const network: Network = {
    input: [7, 5, 3],
    loss: heads
      ? [
        { loss: "categoricalCrossentropy", columns: 4, weight: 0.7 },
        { loss: "meanAbsoluteError", columns: 1, weight: 0.2 },
        { loss: "categoricalCrossentropy", columns: 2, weight: 1 },
      ]
      : "categoricalCrossentropy",
    layers: [
      {
        kind: "conv2d",
        name: "conv",
        filters: 5,
        kernelSize: [2, 2],
        strides: [1, 1],
        padding: "same",
        bias: true,
        l2: { kernel: 0.1 },
      },
      { kind: "leakyRelu", alpha: 0.3 },
      { kind: "batchNorm", name: "norm", momentum: 0.9, epsilon: 1e-3 },
      { kind: "maxPool", poolSize: [2, 2], strides: [2, 2], padding: "same" },
      { kind: "flatten" },
      { kind: "dense", name: "dense", units: 6, bias: true },
      { kind: "leakyRelu", alpha: 0.3 },
      { kind: "batchNorm", name: "denseNorm", momentum: 0.9, epsilon: 1e-3 },
      { kind: "dropout", rate: 0.3 },
      { kind: "dense", name: "last", units: heads ? 7 : 3, bias: true },
      ...(heads ? [] : [{ kind: "softmax" }]),
    ],
  } as Network;
  const rng = random(3, "finite");
  const engine = await Engine.compile(network, {
    batch: 6,
    threads: 1,
    learningRate: 0,
    keepGradients: true,
  });
  try {
    const weights = drawWeights(engine.weights(), rng);
    const { images, labels } = drawBatch(network, 6, rng);
    const lossWith = async (name: string, i: number, value: number): Promise<number> => {
      const data = weights.get(name)!.data, kept = data[i];
      data[i] = value;
      engine.setWeights(weights);
      data[i] = kept;
      const { loss, penalty } = await engine.step(images, labels, [1, 2]);
      return loss / 6 + penalty;
    };
    engine.setWeights(weights);
    await engine.step(images, labels, [1, 2]);
    const gradients = engine.gradients();
    let far = 0, count = 0;
    for (const [name, { data }] of gradients) {
      for (let i = 0; i < data.length; i += 3) {
        const at = weights.get(name)!.data[i], step = 2e-3;
        const slope = (await lossWith(name, i, at + step) - await lossWith(name, i, at - step)) /
          (2 * step);
        count++;
        if (Math.abs(slope - data[i]) > 2e-3 + 0.02 * Math.abs(data[i])) far++;
      }
    }
    ok(count > 60 && far <= count * 0.03, `${far} of ${count} slopes differ`);
  } finally {
    await engine.close();
  }
}
