/** What holds for the engine whatever it computes: threads, going on, bad numbers, bad calls. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import {
  Engine,
  type EngineOptions,
  type Layer,
  type Network,
  type Tensors,
} from "../../../packages/engine/engine.ts";
import { dropoutMask } from "./dropout_mask.ts";
import { plan } from "../../../packages/engine/engine_plan.ts";
import { close } from "./close.ts";
import { drawBatch, drawWeights, random, reportNetwork } from "./networks.ts";

/** Every number of an engine's state, as bits. */
function bits(engine: Engine): number[] {
  const { m, v } = engine.optimizerState();
  return [engine.weights(), m, v].flatMap((tensors) =>
    [...tensors.values()].flatMap(({ data }) => [...new Int32Array(data.buffer)])
  );
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

Deno.test("Engine averages weights as numbers of double precision do", async () => {
  const sequence = reportNetwork("age");
  for (const network of [sequence, { ...sequence, outputs: [sequence.layers.length - 1] }]) {
    const engine = await Engine.compile(network, { batch: 4, threads: 2, averaging: 0.3 });
    engine.setWeights(drawWeights(engine.weights(), random(11, "weights")));
    engine.setAverages(engine.weights());
    const expected = engine.weights();
    for (let step = 1; step <= 4; step++) {
      const { images, labels } = drawBatch(network, 4, random(11, "batch", step));
      await engine.step(images, labels);
      const share = 1 - Math.min(0.3, (1 + step) / (10 + step));
      for (const [name, { data }] of engine.weights()) {
        const average = expected.get(name)!.data;
        for (let i = 0; i < data.length; i++) average[i] += share * (data[i] - average[i]);
      }
    }
    deepEqual(engine.averages(), expected);
    await engine.close();
  }
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

Deno.test("Engine shares a dropout mask along axes where noiseShape is 1, behind dense layers too", async () => {
  const dense = (units: number) =>
    ({ kind: "dense", name: `d${units}`, units, bias: false }) as const;
  const engine = await Engine.compile({
    input: [1, 1, 1],
    layers: [
      ...[{ kind: "flatten" }, dense(16)] as const,
      ...[{ kind: "dropout", rate: 0.5, noiseShape: [null, 1] }, dense(1)] as const,
    ],
    loss: "meanAbsoluteError",
  }, { batch: 32, threads: 0, divisor: 1, learningRate: 0 });
  engine.setWeights(
    new Map(
      ["d16/kernel", "d1/kernel"].map((
        name,
      ) => [name, { shape: [16], data: new Float32Array(16).fill(1) }]),
    ),
  );
  await engine.step(new Uint8Array(32).fill(1), new Float32Array(32));
  deepEqual([...new Set(engine.outputs())].sort(), [0, 32]);
  await engine.close();
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

Deno.test("Engine reports invalid calls", async () => {
  const network = reportNetwork("age");
  await rejects(
    Engine.compile(network, { batch: 0 }),
    /Cannot compile for a batch of 0 on \d+ threads: both must be integers, the batch at least 1 and the threads at least 0/,
  );
  await rejects(Engine.compile(network, { batch: 1_000_000 }), {
    name: "Error", // no mistake of the program, which would be shown with its stack
    message:
      /^Cannot compile for a batch of 1000000: it takes \d+\.\d GiB, .* smaller batch or network$/,
  });
  const engine = await Engine.compile(network, { batch: 4, threads: 1 });
  await rejects(
    engine.step(new Uint8Array(5 * 3072), []),
    /15360 numbers as images: expected 1 to 4 times 32 x 32 x 3/,
  );
  await rejects(engine.step(new Uint8Array(3072), [1, 2]), /Cannot read 2 labels: expected 1/);
  await rejects(engine.predict(new Uint8Array(1.5 * 3072)), /Cannot read 4608 numbers as images/);
  throws(
    () => engine.setWeights(new Map([["conv9/kernel", { shape: [1], data: new Float32Array(1) }]])),
    /Cannot set "conv9\/kernel": the network has only conv1\/kernel/,
  );
  const running = engine.step(new Uint8Array(3072), [1]);
  await rejects(engine.step(new Uint8Array(3072), [1]), /is running: await its last call/);
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
  const conv = (side: number): Layer => ({
    kind: "conv2d",
    name: "c",
    filters: 2,
    kernelSize: [side, side],
    strides: [1, 1],
    padding: "valid",
    bias: true,
  });
  const options = { batch: 1, threads: 1, divisor: 255 };
  throws(() => plan(network([dense]), options), /its end has the shape 8 x 8 x 1, not one axis/);
  throws(
    () => plan(network([conv(9)]), options),
    /Cannot compile "c": nothing is left of its 8x8 input/,
  );
  throws(
    () => plan(network([{ kind: "flatten" }, conv(1)]), options),
    /layer "c" \(conv2d\): it needs images, not the shape 192/,
  );
  throws(
    () => plan(network([{ kind: "reshape", shape: [7, 7] }, { kind: "flatten" }, dense]), options),
    /layer reshape: it makes 7 x 7 of 8 x 8 x 3/,
  );
  const flat = { kind: "flatten" } as const;
  const impossible: [Layer, RegExp][] = [
    [
      { ...dense, units: 0 },
      /Cannot compile "d": its units is 0/,
    ],
    [{ ...dense, units: 1.5 }, /Cannot compile "d": its units is 1\.5/],
    [{ kind: "dropout", rate: 1 }, /Cannot compile "dropout": its rate is 1/],
    [
      { kind: "activation", function: "swash" as never },
      /Cannot compile "activation": its function is swash/,
    ],
  ];
  for (const [layer, message] of impossible) {
    throws(() => plan(network([flat, layer, dense]), options), message);
    throws(() => plan(network([flat, { ...layer, inputs: [0] }, dense]), options), message);
  }
  const strides = { ...conv(2), strides: [1, 0] } as Layer;
  throws(() => plan(network([strides, flat, dense]), options), /"c": its strides is 1,0/);
  throws(
    () => plan({ ...network([flat, dense]), input: [8, 0, 3] }, options),
    /"input": its shape is 8,0,3/,
  );
  const add = { kind: "add", inputs: [-1, 0] } as const;
  throws(
    () => plan(network([conv(2), add, { kind: "flatten" }, dense]), options),
    /layer add: it joins 8 x 8 x 3 and 7 x 7 x 2/,
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

Deno.test("Engine.close() ends a call of several programs with an error", async () => {
  const network = reportNetwork("age");
  const { images, labels } = drawBatch(network, 2, random(2, "batch"));
  const calls: ((engine: Engine) => Promise<unknown>)[] = [
    (engine) => engine.predict(images), // two batches
    (engine) => engine.evaluate(images.subarray(0, images.length / 2), labels.slice(0, 1)),
  ];
  for (const call of calls) {
    const engine = await Engine.compile(network, { batch: 1, threads: 2 });
    const called = rejects(call(engine), /The engine is closed/);
    await engine.close();
    await called;
  }
});

Deno.test("Engine takes defaults for options that are undefined, and refuses weights of one name", async () => {
  const dense = { kind: "dense", name: "a", units: 2, bias: true } as const;
  const network: Network = {
    input: [1, 2, 1],
    layers: [{ kind: "flatten" }, dense, { kind: "softmax" }],
    loss: "categoricalCrossentropy",
  };
  const bias = async (options: Partial<EngineOptions>) => {
    const engine = await Engine.compile(network, { batch: 1, threads: 0, ...options });
    for (const label of [2, -1, 0.5, NaN]) {
      await rejects(
        engine.step(Uint8Array.of(1, 2), [label]),
        /read the label .*: expected a class, 0 to 1/,
      );
    }
    await engine.step(Uint8Array.of(1, 2), [1]);
    return [...engine.weights().get("a/bias")!.data];
  };
  const undefinedOnes = { learningRate: undefined, beta1: undefined, divisor: undefined };
  deepEqual(await bias(undefinedOnes as Partial<EngineOptions>), await bias({}));
  const twice = { ...network, layers: [network.layers[0], dense, ...network.layers.slice(1)] };
  await rejects(() => Engine.compile(twice, { batch: 1, threads: 0 }), /two "a\/kernel"/);
});
