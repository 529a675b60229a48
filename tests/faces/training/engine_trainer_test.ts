import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { layers, type LayersModel, regularizers, sequential } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { initialize } from "../../../faces/training/initialize.ts";
import { EngineTrainer } from "../../../faces/training/engine_trainer.ts";
import { classHead, quantityHead } from "../../../faces/training/losses.ts";
import { jointHead } from "../../../faces/training/objective.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import { optimizers } from "../../../faces/training/optimizers.ts";
import { toEngineNetwork } from "../../../faces/training/to_engine_network.ts";
import type { Head } from "../../../faces/training/training_definitions.ts";
import { train, type TrainOptions } from "../../../faces/training/train.ts";
import { batchSize, cases, drawCase, epochs, rows, seed } from "./keras_case.ts";
import reference from "./keras_reference.json" with { type: "json" };

const drawn = drawCase();

async function run(name: "gender" | "age" | "both", options: Partial<TrainOptions> = {}) {
  const folder = await Deno.makeTempDir({ prefix: "engine-" });
  const { build, objective } = cases[name === "both" ? "age" : name];
  const model = options.model ?? build();
  try {
    const result = await train({
      model,
      objective,
      rows,
      batchSize,
      epochs,
      seed,
      trainer: EngineTrainer.open,
      images: imagesInMemory(drawn.images, 32),
      targets: name === "both"
        ? drawn.gender.flatMap((gender, i) => [gender, drawn.age[i]])
        : drawn[name],
      learningRate: 0.001,
      earlyStopping: { monitor: "val_loss", patience: epochs, restoreBest: false },
      checkpoint: join(folder, "checkpoint.safetensors"),
      signal: new AbortController().signal,
      progress: { start: () => {}, advance: () => {} },
      ...options,
    });
    const weights = model.getWeights().map((weight) => [...weight.dataSync()]);
    return { ...result, weights };
  } finally {
    model.dispose();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("EngineTrainer tracks Keras: same weights, same batches, same losses", async () => {
  await openBackend("wasm");
  const age = await run("age");
  for (const [i, expected] of reference.age.history.entries()) {
    for (const key of ["loss", "metric", "val_loss", "val_metric"] as const) {
      const far = Math.abs(age.history[i][key] / expected[key] - 1);
      assert.ok(far < 0.002, `age, epoch ${i + 1}: ${key} differs by ${far}`);
    }
  }
  // Batch normalisation over 8 and 16 rows, five layers deep, magnifies rounding: early epochs only.
  const gender = await run("gender");
  for (const [epoch, tolerance] of [[0, 0.005], [1, 0.15]]) {
    for (const key of ["loss", "val_loss"] as const) {
      const far = Math.abs(gender.history[epoch][key] / reference.gender.history[epoch][key] - 1);
      assert.ok(far < tolerance, `gender, epoch ${epoch + 1}: ${key} differs by ${far}`);
    }
  }
});

for (
  const [name, optimizer] of [
    ["adam", undefined],
    ["sgd", { momentum: 0.9, nesterov: true }],
    ["rmsprop", { momentum: 0.5, rho: 0.9 }],
  ] as const
) {
  Deno.test(`EngineTrainer, interrupted, ends bit for bit where it would have: ${name}`, async () => {
    await openBackend("wasm");
    const definition = optimizers.find((one) => one.name === name)!;
    const chosen = optimizer &&
      { optimizer: { definition, options: optimizer, clipNorm: 0.5 } };
    const whole = await run("gender", chosen);
    const folder = await Deno.makeTempDir({ prefix: "resume-" });
    try {
      const checkpoint = join(folder, "checkpoint.safetensors");
      const abort = new AbortController();
      let done = 0;
      const progress = {
        start: () => {},
        advance: (items = 1) => {
          if ((done += items) === 8) abort.abort(new Error("killed"));
        },
      };
      await assert.rejects(
        run("gender", { ...chosen, checkpoint, progress, signal: abort.signal }),
        /killed/,
      );
      const resumed = await run("gender", { ...chosen, checkpoint });
      assert.deepEqual(resumed.history, whole.history);
      assert.deepEqual(resumed.weights, whole.weights);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("networkOf() says which layer the engine lacks", () => {
  const refused = (
    message: RegExp,
    layer: layers.Layer,
    change = () => {},
    second: layers.Layer = layers.leakyReLU(),
  ) => {
    const flat = second.getClassName() === "Flatten" ? [] : [layers.flatten()];
    const model = sequential({ layers: [layer, second, ...flat, layers.dense({ units: 1 })] });
    change();
    assert.throws(() => toEngineNetwork(model, "meanAbsoluteError"), message);
  };
  const conv = (options: object) =>
    layers.conv2d({ name: "conv", inputShape: [8, 8, 3], filters: 2, kernelSize: 2, ...options });
  for (
    const [layer, message] of [
      [conv({ dilationRate: 2 }), /train layer "conv": it is dilated/],
      [conv({ kernelConstraint: "unitNorm" }), /"conv": it has a constraint/],
      [conv({ kernelRegularizer: "l1l2" }), /"conv": it has a penalty other than L2/],
      [conv({ biasConstraint: "nonNeg" }), /"conv": it has a constraint/],
      [conv({ dataFormat: "channelsFirst" }), /"conv": it has its channels first/],
    ] as const
  ) refused(message, layer);
  // Whatever is done to a layer beside its arguments.
  const kernelOnly = conv({}), costs = conv({}), patched = conv({});
  refused(
    /"conv": it is frozen in part/,
    kernelOnly,
    () => kernelOnly.weights[0].trainable = false,
  );
  refused(/"conv": it adds a loss/, costs, () => costs.addLoss(() => tf.scalar(1)));
  refused(/"conv": it computes otherwise than Conv2D/, patched, () => patched.call = (x) => x);
  const Flatten = layers.flatten().constructor as new (args: object) => layers.Layer;
  class Twice extends Flatten {}
  refused(
    /"twice": it computes otherwise than Flatten/,
    conv({}),
    () => {},
    new Twice({ name: "twice" }),
  );
  const cubes = regularizers.l2();
  Object.setPrototypeOf(
    cubes,
    Object.create(Object.getPrototypeOf(cubes), { constructor: { value: class {} } }),
  );
  refused(/penalty other than L2/, conv({ kernelRegularizer: cubes }));
  const first = { name: "second", dataFormat: "channelsFirst" as const };
  for (const layer of [layers.maxPooling2d({ poolSize: 2, ...first }), layers.flatten(first)]) {
    refused(/"second": it has its channels first/, conv({}), () => {}, layer);
  }
  for (
    const [options, message] of [
      [{ gammaConstraint: "nonNeg" }, /"second": it has a constraint/],
      [{ axis: 1 }, /"second": it normalizes another axis/],
    ] as const
  ) {
    const norm = layers.batchNormalization({ name: "second", ...options } as object);
    refused(message, conv({}), () => {}, norm);
  }
  const soft = layers.softmax({ name: "second", axis: 1 });
  refused(/"second": it normalizes another axis/, conv({}), () => {}, soft);
});

/** An objective of heads, the first with a loss of its own, and how often that was computed. */
function counted(plain: boolean, [head, ...others]: Head[], rowLosses: Head["rowLosses"]) {
  const calls = { loss: 0 };
  const own: Head = {
    ...head,
    loss: "own",
    builtIn: false,
    rowLosses: (...given) => (calls.loss++, rowLosses(...given)),
  };
  return { calls, objective: jointHead([own, ...others], { plain }) };
}

const logCosh: Head["rowLosses"] = (_, output, labels) => {
  const error = tf.sub(output, labels);
  return tf.mean(tf.sub(tf.add(error, tf.softplus(tf.mul(error, -2))), Math.LN2), -1);
};

/** Label smoothing, from logits. */
const smooth: Head["rowLosses"] = (_, logits, labels) => {
  const wanted = tf.add(tf.mul(labels, 0.8), 0.1);
  return tf.neg(tf.sum(tf.mul(wanted, tf.logSoftmax(logits)), -1));
};

/** No batch normalisation, which would magnify rounding. */
function plain(units: number): LayersModel {
  const model = sequential({
    name: "plain",
    layers: [
      layers.conv2d({
        name: "conv",
        inputShape: [32, 32, 3],
        filters: 4,
        kernelSize: 3,
        strides: 2,
        activation: "relu",
        kernelRegularizer: regularizers.l2({ l2: 0.01 }),
      }),
      layers.maxPooling2d({ name: "pool", poolSize: 2 }),
      layers.flatten({ name: "flatten" }),
      layers.dense({ name: "dense", units: 9, activation: "relu" }),
      layers.dense({ name: "last", units }),
      ...(units === 2 ? [layers.activation({ name: "soft", activation: "softmax" })] : []),
    ],
  });
  initialize(model, 3);
  return model;
}

const ownLosses = {
  "of a quantity": { name: "age", units: 1, ...counted(true, [quantityHead(1)], logCosh) },
  "of classes": { name: "gender", units: 2, ...counted(true, [classHead(2, 1)], smooth) },
  "of heads": {
    name: "both",
    units: 3,
    ...counted(false, [classHead(2, 1), quantityHead(0.05)], smooth),
  },
} as const;

for (const [name, { calls, objective, name: task, units }] of Object.entries(ownLosses)) {
  Deno.test(`EngineTrainer trains a loss of one's own ${name} as TensorFlow.js alone does`, async () => {
    await openBackend("wasm");
    const own = { objective, epochs: 3, model: plain(units), learningRate: 0.003 };
    const theirs = await run(task as "gender", { ...own, trainer: undefined });
    const before = calls.loss;
    const ours = await run(task as "gender", { ...own, model: plain(units) });
    // 5 steps and 2 batches of validation an epoch; the scores of several heads have losses, too.
    assert.equal(calls.loss - before, objective.plain ? 21 : 42);
    const by = 'loss "own" by TensorFlow.js (wasm)';
    assert.match(ours.computedBy, /^engine, \d+ threads?; /);
    assert.ok(ours.computedBy.endsWith(by), ours.computedBy);
    assert.equal(theirs.computedBy, "TensorFlow.js (wasm)");
    for (const [epoch, expected] of theirs.history.entries()) {
      const got = ours.history[epoch];
      for (
        const [a, b] of [
          [got, expected],
          ...(got.heads ?? []).map((h, i) => [h, expected.heads![i]]),
        ]
      ) {
        for (const key of ["loss", "metric", "val_loss", "val_metric"] as const) {
          const far = Math.abs(a[key] - b[key]) / Math.max(1, Math.abs(b[key]));
          assert.ok(far < 1e-4, `epoch ${epoch + 1}, ${key}: ${a[key]} and ${b[key]}`);
        }
      }
    }
    for (const [i, weights] of theirs.weights.entries()) {
      for (const [n, weight] of weights.entries()) {
        assert.ok(Math.abs(ours.weights[i][n] - weight) < 1e-4, `weight ${i}, ${n}`);
      }
    }
  });
}

Deno.test("EngineTrainer computes a built-in loss itself, and the same as TensorFlow.js would", async () => {
  await openBackend("wasm");
  const own = { epochs: 2, learningRate: 0.003 };
  const native = await run("age", { ...own, model: plain(1) });
  const { rowLosses } = quantityHead(1);
  const { objective } = counted(true, [quantityHead(1)], rowLosses);
  const outside = await run("age", { ...own, model: plain(1), objective });
  assert.match(native.computedBy, /^engine, \d+ threads?$/);
  for (const [epoch, { loss, val_metric }] of native.history.entries()) {
    assert.ok(Math.abs(outside.history[epoch].loss / loss - 1) < 1e-4);
    assert.ok(Math.abs(outside.history[epoch].val_metric / val_metric - 1) < 1e-4);
  }
});
