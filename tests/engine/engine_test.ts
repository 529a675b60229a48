import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { dropoutMask, Engine, type Network, type Tensors } from "../../engine/engine.ts";
import { plan } from "../../engine/plan.ts";
import { drawBatch, drawNetwork, drawWeights, random, reportNetwork } from "./networks.ts";
import { pass } from "./reference.ts";

/** Largest difference, as a share of the largest expected number (or of `floor`). */
function difference(got: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  equal(got.length, expected.length);
  let far = 0, scale = floor;
  for (let i = 0; i < got.length; i++) {
    far = Math.max(far, Math.abs(got[i] - expected[i]));
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return far / (scale || 1);
}

function close(what: string, got: ArrayLike<number>, expected: ArrayLike<number>, floor = 0) {
  const far = difference(got, expected, floor);
  ok(far <= 1e-4, `${what} differs by ${far.toExponential(1)}`);
}

/** The same weights but for their last bit. */
function nudged(weights: Tensors): Tensors {
  return new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((w, i) => w * (1 + (i % 2 ? 1 : -1) * 2 ** -23)) },
    ]),
  );
}

const dividedBy255 = (images: Uint8Array) => Float32Array.from(images, (x) => Math.fround(x / 255));
const one = (x: number) => new Float32Array([x]);

/** Every number of an engine's state, as bits. */
function bits(engine: Engine): number[] {
  const { m, v } = engine.optimizerState();
  return [engine.weights(), m, v].flatMap((tensors) =>
    [...tensors.values()].flatMap(({ data }) => [...new Int32Array(data.buffer)])
  );
}

for (const relaxed of [true, false]) {
  Deno.test(`Engine computes what tfjs does, drawn networks, ${relaxed ? "relaxed" : "plain"} SIMD`, async () => {
    for (let n = 0; n < 40; n++) {
      const rng = random(11, "network", n);
      const network = drawNetwork(rng);
      const batch = 1 + rng.int(24), rows = Math.max(1, batch - rng.int(3));
      const engine = await Engine.compile(network, {
        ...{ batch, threads: 1 + n % 3, keepGradients: true, relaxed },
      });
      try {
        const weights = drawWeights(engine.weights(), rng);
        engine.setWeights(weights);
        const { images, labels } = drawBatch(network, rows, rng);
        const x = dividedBy255(images);
        const what = `network ${n}, ${rows} rows`;

        const used = pass(network, weights, x, labels, undefined);
        close(`${what}: predict`, await engine.predict(images), used.outputs);
        const judged = await engine.evaluate(images, labels);
        close(`${what}: evaluate`, one(judged.loss / rows), one(used.loss));
        close(`${what}: penalty`, one(judged.penalty), one(used.penalty));
        close(`${what}: heads`, judged.heads.map((loss) => loss / rows), used.heads);
        close(`${what}: outputs`, engine.outputs(), used.outputs);

        const key = [n, 5] as const;
        const expected = pass(network, weights, x, labels, { key });
        const got = await engine.step(images, labels, key);
        close(`${what}: loss`, one(got.loss / rows), one(expected.loss));
        // Batch normalisation can take a gradient away but for rounding. What the last bit of the
        // weights decides is not compared.
        const rounded = pass(network, nudged(weights), x, labels, { key });
        const gradients = engine.gradients();
        for (const [name, gradient] of expected.gradients) {
          const noise = rounded.gradients.get(name)!.reduce(
            (far, g, i) => Math.max(far, Math.abs(g - gradient[i])),
            0,
          );
          close(`${what}: ${name}`, gradients.get(name)!.data, gradient, noise * 3e5);
        }
        const after = engine.weights();
        for (const [name, statistic] of expected.moving) {
          close(`${what}: ${name}`, after.get(name)!.data, statistic);
        }
        // Adam's first step, from the engine's own gradients.
        for (const [name, { data }] of gradients) {
          const moved = data.map((g, i) => {
            const m = g * 0.1, v = g * g * 0.001;
            const rate = 0.001 * Math.sqrt(0.001) / 0.1;
            return weights.get(name)!.data[i] - rate * m / (Math.sqrt(v) + 1e-7);
          });
          close(`${what}: Adam on ${name}`, after.get(name)!.data, moved);
        }
      } finally {
        await engine.close();
      }
    }
  });
}

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
        ...{ kind: "conv2d", name, filters, kernelSize: [size, size], strides: [1, 1] },
        ...{ padding: "same", bias: true },
      });
      const network = {
        ...{ input: [height, width, 3], loss: "meanAbsoluteError" },
        layers: [
          ...[conv("first", channels, 5 - size), { kind: "relu" }, conv("second", filters, size)],
          ...[{ kind: "leakyRelu", alpha: 0.3 }, { kind: "flatten" }],
          { kind: "dense", name: "last", units: 2, bias: true },
        ],
      } as Network;
      const rng = random(5, "winograd", size, height);
      const engine = await Engine.compile(network, {
        ...{ batch: rows, threads: 2, keepGradients: true },
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

Deno.test("Engine pools before it normalises as tfjs does after, whatever the sign of gamma", async () => {
  const momenta = { momentum: 0.9, epsilon: 1e-3 };
  // Halves, which have a kernel of their own; the same with a rest; windows that overlap.
  for (const [height, width, window] of [[8, 12, 2], [7, 5, 2], [8, 8, 3]]) {
    const network = {
      ...{ input: [height, width, 3], loss: "meanAbsoluteError" },
      layers: [
        {
          ...{ kind: "conv2d", name: "conv", filters: 12, kernelSize: [2, 2], strides: [1, 1] },
          ...{ padding: "same", bias: true },
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
      ...{ batch: 5, threads: 1, learningRate: 0.01, weightDecay },
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
        ...{ kind: "conv2d", name: "conv", filters: 5, kernelSize: [2, 2], strides: [1, 1] },
        ...{ padding: "same", bias: true, l2: { kernel: 0.1 } },
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
    ...{ batch: 6, threads: 1, learningRate: 0, keepGradients: true },
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

/** Some steps of the report's network, with a short last batch. */
async function train(
  threads: number,
  steps: number,
  from?: { weights: Tensors; state: ReturnType<Engine["optimizerState"]> },
) {
  const network = reportNetwork("gender");
  const engine = await Engine.compile(network, { batch: 20, threads });
  const rng = random(11, "weights");
  engine.setWeights(from?.weights ?? drawWeights(engine.weights(), rng));
  if (from) engine.setOptimizerState(from.state);
  for (let step = engine.steps; step < steps; step++) {
    const { images, labels } = drawBatch(network, step % 2 ? 13 : 20, random(11, "batch", step));
    await engine.step(images, labels, [step, 1]);
  }
  return engine;
}

Deno.test("Engine gives the same bytes for any number of threads", async () => {
  const all: number[][] = [];
  for (const threads of [1, 0, 2, 3, 5]) {
    const engine = await train(threads, 4);
    all.push(bits(engine));
    await engine.close();
  }
  for (const other of all.slice(1)) ok(other.every((bit, i) => bit === all[0][i]));
});

Deno.test("Engine goes on from weights and optimiser state as if it had never stopped", async () => {
  const whole = await train(2, 5), half = await train(2, 3);
  const rest = await train(2, 5, { weights: half.weights(), state: half.optimizerState() });
  const expected = bits(whole), got = bits(rest);
  ok(got.every((bit, i) => bit === expected[i]));
  equal(rest.steps, 5);
  for (const engine of [whole, half, rest]) await engine.close();
});

Deno.test("Engine lets NaN and infinity through to the loss", async () => {
  for (const bad of [NaN, Infinity]) {
    const network = reportNetwork("age", 0);
    const engine = await Engine.compile(network, { batch: 4, threads: 2, divisor: null });
    try {
      engine.setWeights(drawWeights(engine.weights(), random(1, "weights")));
      const images = new Float32Array(4 * 32 * 32 * 3).fill(0.5);
      images[32 * 32 * 3 + 777] = bad;
      const outputs = await engine.predict(images);
      deepEqual([...outputs].map(Number.isFinite), [true, false, true, true]);
      ok(Number.isNaN((await engine.step(images, [1, 2, 3, 4])).loss));
      ok(engine.weights().get("conv1/kernel")!.data.some(Number.isNaN));
    } finally {
      await engine.close();
    }
  }
});

Deno.test("Engine predicts more images than a batch holds", async () => {
  const network = reportNetwork("age");
  const engine = await Engine.compile(network, { batch: 8, threads: 2 });
  try {
    engine.setWeights(drawWeights(engine.weights(), random(2, "weights")));
    const { images } = drawBatch(network, 21, random(2, "batch"));
    const all = await engine.predict(images);
    const size = 32 * 32 * 3;
    const few = await engine.predict(images.subarray(9 * size, 12 * size));
    deepEqual(all.length, 21);
    close("the rows", few, all.subarray(9, 12));
  } finally {
    await engine.close();
  }
});

Deno.test("dropoutMask() drops the given share, differently for each key and layer", () => {
  const masks = [[1, 2, 0], [1, 3, 0], [2, 2, 0], [1, 2, 1]].map(([a, b, block]) =>
    dropoutMask([a, b], block, 0.25, 200, 500)
  );
  for (const [i, mask] of masks.entries()) {
    const kept = mask.reduce((sum, keep) => sum + keep, 0) / mask.length;
    ok(Math.abs(kept - 0.75) < 0.006, `kept ${kept}`);
    for (const other of masks.slice(i + 1)) {
      const both = mask.reduce((sum, keep, j) => sum + keep * other[j], 0) / mask.length;
      ok(Math.abs(both - 0.75 ** 2) < 0.008, `both kept ${both}`);
    }
  }
});

Deno.test("Engine says what a call got wrong", async () => {
  const network = reportNetwork("age");
  await rejects(
    Engine.compile(network, { batch: 0 }),
    /Cannot compile for a batch of 0 on \d+ threads: both must be whole, the batch above 0 and the threads not below/,
  );
  const engine = await Engine.compile(network, { batch: 4, threads: 1 });
  await rejects(
    engine.step(new Uint8Array(5 * 3072), []),
    /15360 numbers as images: expected 1 to 4 times 32 x 32 x 3/,
  );
  await rejects(engine.step(new Uint8Array(3072), [1, 2]), /Cannot take 2 labels: expected 1/);
  throws(
    () => engine.setWeights(new Map([["conv9/kernel", { shape: [1], data: new Float32Array(1) }]])),
    /Cannot set "conv9\/kernel": the network has only conv1\/kernel/,
  );
  const running = engine.step(new Uint8Array(3072), [1]);
  await rejects(engine.step(new Uint8Array(3072), [1]), /at work: await its last call/);
  await running;
  await engine.close();
  await rejects(engine.step(new Uint8Array(3072), [1]), /The engine is closed/);
});

Deno.test("plan() refuses what the kernels lack, and says what", () => {
  const network = (layers: Network["layers"]): Network => ({
    input: [8, 8, 3],
    layers,
    loss: "meanAbsoluteError",
  });
  const dense = { kind: "dense", name: "d", units: 1, bias: true } as const;
  const options = { batch: 1, threads: 1, divisor: 255 };
  throws(() => plan(network([dense]), options), /layer 1 \(dense\) is dense but nothing before it/);
  throws(
    () => plan(network([{ kind: "flatten" }, { kind: "relu" }, dense]), options),
    /layer 2 \(relu\) does not follow/,
  );
  throws(
    () => plan(network([{ kind: "flatten" }, dense, { kind: "softmax" }]), options),
    /its end is a softmax, with which meanAbsoluteError is not computed/,
  );
  const heads = [{ loss: "meanAbsoluteError", columns: 2, weight: 1 }] as const;
  throws(
    () => plan({ ...network([{ kind: "flatten" }, dense]), loss: heads }, options),
    /its end has 1 units for heads of 2 columns/,
  );
});
