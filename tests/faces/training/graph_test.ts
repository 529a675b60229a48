/** Networks of any layers on the engine, against TensorFlow.js on `cpu`. */
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-layers";
import type { SymbolicTensor } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { Engine, type Layer } from "../../../packages/engine/engine.ts";
import { Activation } from "../../../packages/engine/engine_network.ts";
import { random } from "../../../packages/random/random.ts";
import { chooseNetwork, singleHeadModel } from "../../../faces/training/build_network.ts";
import { toEngineNetwork } from "../../../faces/training/to_engine_network.ts";
import { initialize } from "../../../faces/training/initialize.ts";
import { networks } from "../../../models/mod.ts";
import { compare, compareDrawn, compile, KEY } from "./compare_networks.ts";
import { drawModel } from "./drawn_models.ts";

Deno.test("the engine trains beside frozen layers as TensorFlow.js does", async () => {
  await openBackend("cpu");
  const network = chooseNetwork(
    { use: "mobile", stem: 5, filters: [9, 12], blocks: 1, squeezeExcitation: true } as never,
    networks,
    "mobile",
    { dropout: 0 },
  );
  for (const freeze of [/^stem|block1_1_pointwise/, /^block2/, /norm$|reduce$/]) {
    const model = singleHeadModel("mobile", network.trunk(12), 2, network.initializer, 1);
    for (const layer of model.layers) layer.trainable = !freeze.test(layer.name);
    assert.ok(toEngineNetwork(model, "categoricalCrossentropy").layers.some((one) => one.frozen));
    await compare(`all but ${freeze}`, model, { batch: 6, threads: 2, keepGradients: true }, 2);
  }
});

Deno.test("average pooling has the engine's gradient at padded borders on TensorFlow.js, too", async () => {
  await openBackend("cpu");
  for (const [side, poolSize, strides] of [[9, 2, 2], [7, 3, 2], [5, [4, 1], [3, 2]]] as const) {
    const name = "first", pool = { poolSize: poolSize as 2, strides: strides as 2 };
    const network = tf.sequential({
      layers: [
        tf.layers.conv2d({ name, inputShape: [side, side, 3], filters: 5, kernelSize: 2 }),
        tf.layers.averagePooling2d({ ...pool, padding: "same" }),
        tf.layers.flatten(),
        tf.layers.dense({ name: "logits", units: 2 }),
        tf.layers.softmax(),
      ],
    });
    initialize(network, 3);
    await compare(`${side}`, network, { batch: 5, threads: 1, keepGradients: true }, 2);
    network.dispose();
  }
});

Deno.test("large dense layers of a graph train as on TensorFlow.js", async () => {
  await openBackend("cpu");
  const { layers } = tf;
  for (const [depth, frozen, threads] of [[1, false, 0], [2, false, 2], [2, true, 1]] as const) {
    const image = tf.input({ shape: [24, 24, 3] }), window = { poolSize: 2 };
    const first = layers.conv2d({ filters: 4, kernelSize: 3, padding: "same", trainable: !frozen });
    const x = first.apply(image) as SymbolicTensor;
    const pools = [layers.maxPooling2d(window), layers.averagePooling2d(window)]
      .map((pool) => pool.apply(x) as SymbolicTensor);
    let y = layers.flatten().apply(layers.add().apply(pools)) as SymbolicTensor;
    const flat = y;
    for (let i = 0; i < depth; i++) {
      y = layers.dense({ units: 136, activation: "relu" }).apply(y) as SymbolicTensor;
    }
    // The flat values have a second reader.
    const small = layers.dense({ units: 5 }).apply(flat) as SymbolicTensor;
    y = layers.concatenate().apply([y, small]) as SymbolicTensor;
    y = layers.dense({ units: 2 }).apply(y) as SymbolicTensor;
    const outputs = layers.activation({ activation: "softmax" }).apply(y) as SymbolicTensor;
    const model = tf.model({ inputs: image, outputs });
    initialize(model, 1);
    const options = { batch: 11, threads, keepGradients: true };
    await compare(`${depth} large, frozen ${frozen}`, model, options, 3);
  }
});

Deno.test("graphs give the same bytes on any threads, and after a resume", async () => {
  await openBackend("cpu");
  const rng = random(4, "drawn"), model = drawModel(rng, "drawn");
  initialize(model, 1);
  const [, height, width, channels] = model.inputs[0].shape as number[];
  const train = async (threads: number, resume = false) => {
    const options = { batch: 21, threads, clipNorm: 0.5, learningRate: 0.01 };
    let engine = await compile(model, options);
    for (let step = 0; step < 4; step++) {
      const rows = step % 2 ? 13 : 21, rng = random(4, "batch", step);
      const images = Uint8Array.from(
        { length: rows * height * width * channels },
        () => rng.int(256),
      );
      await engine.step(images, Array.from({ length: rows }, () => rng.int(2)), [step, 3]);
      if (!resume || step !== 1) continue;
      const weights = engine.weights(), state = engine.optimizerState();
      await engine.close();
      engine = await compile(model, options);
      engine.setWeights(weights);
      engine.setOptimizerState(state);
    }
    const { m, v } = engine.optimizerState();
    const all = [engine.weights(), m, v].flatMap((tensors) =>
      [...tensors.values()].map(({ data }) => new Int32Array(data.buffer))
    );
    await engine.close();
    return all;
  };
  const expected = await train(1);
  for (const other of [train(2), train(3), train(0), train(2, true)]) {
    assert.deepEqual(await other, expected);
  }
});

Deno.test("each kernel has the gradient that finite differences have", async () => {
  const name = "own", window = { strides: [2, 1], padding: "same" } as const;
  const kinds: Layer[] = [
    ...Object.keys(Activation).filter((name) => isNaN(Number(name))).map((name): Layer => ({
      kind: "activation",
      function: name as keyof typeof Activation,
      alpha: 0.3,
    })),
    { kind: "conv2d", name, filters: 3, kernelSize: [3, 2], bias: true, ...window },
    {
      kind: "depthwiseConv2d",
      name,
      kernelSize: [4, 3],
      depthMultiplier: 2,
      bias: true,
      ...window,
    },
    { kind: "dense", name, units: 5, bias: true },
    { kind: "prelu", name, shape: [5, 7, 3] },
    { kind: "prelu", name, shape: [1, 1, 3] },
    { kind: "batchNorm", name, momentum: 0.9, epsilon: 0.01 },
    { kind: "layerNorm", name, epsilon: 0.01 },
    { kind: "maxPool", poolSize: [3, 2], ...window },
    { kind: "averagePool", poolSize: [3, 2], ...window },
    ...[{ kind: "globalAveragePool" }, { kind: "globalMaxPool" }] as const,
    ...[{ kind: "softmax" }, { kind: "reshape", shape: [7, 15] }] as const,
    ...[{ kind: "dropout", rate: 0.5, noiseShape: [null, 5, 1, 3] }] as const,
    ...[{ kind: "add", inputs: [0, 0, 1] }, { kind: "multiply", inputs: [0, 1] }] as const,
    { kind: "concatenate", inputs: [0, 1] },
  ];
  for (const kind of kinds) {
    const first = { strides: [1, 1], padding: "same", bias: true, kernelSize: [2, 2] } as const;
    const engine = await Engine.compile({
      input: [5, 7, 3],
      layers: [
        { kind: "conv2d", name: "first", filters: 3, ...first },
        { kind: "conv2d", name: "other", filters: 3, ...first, inputs: [-1] },
        { ...kind, inputs: kind.inputs ?? [0] },
        { kind: "flatten" },
        ...[{ kind: "activation", function: "tanh" }, {
          kind: "dense",
          name: "last",
          units: 2,
          bias: true,
        }] as const,
        { kind: "softmax" },
      ],
      loss: "categoricalCrossentropy",
    }, { batch: 6, threads: 0, learningRate: 0, keepGradients: true });
    const rng = random(6, JSON.stringify(kind)), all = engine.weights();
    for (const [name, { data }] of all) {
      for (let i = 0; i < data.length; i++) {
        data[i] = /gamma|variance/.test(name) ? 0.5 + rng.next() : rng.next() - 0.5;
      }
    }
    const images = Uint8Array.from({ length: 6 * 105 }, () => rng.int(256));
    const lossAt = async (change: number) => {
      engine.setWeights(
        new Map([...all].map(([name, { shape, data }]) => {
          const way = random(7, name);
          return [name, { shape, data: data.map((w) => w + change * (way.next() - 0.5)) }];
        })),
      );
      return (await engine.step(images, [0, 1, 1, 0, 1, 0], KEY)).loss / 6;
    };
    // A step may cross a kink, but hardly each of three.
    const slopes: number[] = [];
    for (const h of [2e-3, 5e-4, 1e-4]) slopes.push((await lossAt(h) - await lossAt(-h)) / (2 * h));
    await lossAt(0);
    let along = 0;
    for (const [name, { data }] of engine.gradients()) {
      const way = random(7, name);
      for (const g of data) along += g * (way.next() - 0.5);
    }
    const far = Math.min(...slopes.map((slope) => Math.abs(slope - along)));
    assert.ok(
      far < 2e-3 * Math.max(0.2, Math.abs(along)),
      `${JSON.stringify(kind)}: ${along}, ${slopes}`,
    );
    await engine.close();
  }
});

Deno.test("the engine trains drawn networks as TensorFlow.js does", () => compareDrawn(0, 30));

Deno.test("the engine computes residual and mobile networks as TensorFlow.js does", async () => {
  await openBackend("cpu");
  const small = { filters: [5, 12], blocks: 2 }, se = { squeezeExcitation: true };
  for (
    const [use, size, options] of [
      ["residual", 16, { ...small, ...se, activation: "swish" }],
      ["residual", 13, { ...small, kernelSize: 5, activation: "leakyRelu" }],
      ["mobile", 16, { ...small, ...se, activation: "gelu" }],
      ["mobile", 11, { ...small, kernelSize: 4 }],
    ] as const
  ) {
    const network = chooseNetwork({ use, ...options } as never, networks, use, { dropout: 0 });
    const model = singleHeadModel(use, network.trunk(size), 2, network.initializer, 1);
    const relaxed = use === "residual";
    await compare(`${use} ${JSON.stringify(options)}`, model, {
      batch: 6,
      threads: 2,
      keepGradients: true,
      relaxed,
    });
  }
});
