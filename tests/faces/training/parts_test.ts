import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import {
  input,
  layers,
  type LayersModel,
  model as functional,
  sequential,
  type SymbolicTensor,
} from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import {
  type ChosenOptimizer,
  defaultOptimizer,
  Optimizer,
} from "../../../faces/training/optimizer.ts";
import { batchNormTraining } from "../../../faces/training/forward.ts";
import { RunningMean } from "../../../faces/training/trainer.ts";
import { readCheckpoint, writeCheckpoint } from "../../../faces/training/checkpoint.ts";
import { EarlyStopping } from "../../../faces/training/train.ts";
import { optimizers } from "../../../faces/training/optimizers.ts";
import { schedules } from "../../../faces/training/schedule.ts";
import { batchNormWarmupWarning } from "../../../faces/training/training_choices.ts";
import { checkTrainable, forward } from "../../../faces/training/forward.ts";
import { NpyFile, writeNpy } from "../../../packages/formats/npy.ts";
import { imagesInMemory, readBytes, toTensor } from "../../../faces/training/image_source.ts";
import { classification, regression } from "./plain_objectives.ts";
import { ageClasses, genderClasses, labelOf } from "../../../faces/training/targets.ts";

function closeTo(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i] - expected[i]) <= tolerance, `${i}: ${actual[i]} ${expected[i]}`);
  }
}

function normal(shape: number[], ...labels: string[]): tf.Tensor {
  const rng = random(1, ...labels);
  const size = shape.reduce((product, n) => product * n, 1);
  return tf.tensor(Float32Array.from({ length: size }, () => rng.normal()), shape);
}

Deno.test("batchNormTraining() equals the formula, forward and backward, on both backends", async () => {
  for (const backend of ["wasm", "cpu"] as const) {
    await openBackend(backend);
    for (const shape of [[7, 5], [3, 4, 5, 6], [1, 3, 3, 2]]) {
      tf.tidy(() => {
        const channels = shape.at(-1)!;
        const axes = shape.slice(0, -1).map((_, axis) => axis);
        const x = tf.add(normal(shape, "x"), 3);
        const gamma = normal([channels], "gamma") as tf.Tensor1D;
        const beta = normal([channels], "beta") as tf.Tensor1D;
        const weights = normal(shape, "weights");
        const plain = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => {
          const { mean, variance } = tf.moments(x, axes);
          const y = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-3)));
          return tf.add(tf.mul(y, gamma), beta);
        };
        let reported: number[][] = [];
        const ours = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) =>
          batchNormTraining(x, gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-3, (statistics) => {
            reported = [[...statistics.mean.dataSync()], [...statistics.variance.dataSync()]];

            kept.push(statistics.mean, statistics.variance);
          });
        const kept: tf.Tensor[] = [];
        closeTo(ours(x, gamma, beta).dataSync(), plain(x, gamma, beta).dataSync(), 1e-4);
        const { mean, variance } = tf.moments(x, axes);
        closeTo(reported[0], mean.dataSync(), 1e-5);
        closeTo(reported[1], variance.dataSync(), 1e-5);
        const gradients = (f: typeof plain) =>
          tf.grads((x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) =>
            tf.sum(tf.mul(f(x, gamma, beta), weights))
          )([x, gamma, beta]);
        const expected = gradients(plain);
        for (const [i, gradient] of gradients(ours).entries()) {
          closeTo(gradient.dataSync(), expected[i].dataSync(), 2e-4);
        }
        tf.dispose(kept);
      });
    }
  }
});

Deno.test("Adam steps as Keras does", async () => {
  await openBackend("wasm");
  const variable = tf.variable(tf.tensor1d([1, -2, 3]));
  const adam = new Optimizer([variable], 0.01);
  // The formula in double precision; Keras adds epsilon after correcting the rate for the bias.
  const expected = [1, -2, 3], m = [0, 0, 0], v = [0, 0, 0];
  for (let step = 1; step <= 5; step++) {
    const gradient = [0.5 * step, -1e-6, Math.sin(step)];
    for (const [i, g] of gradient.entries()) {
      m[i] += (g - m[i]) * (1 - 0.9);
      v[i] += (g * g - v[i]) * (1 - 0.999);
      const rate = 0.01 * Math.sqrt(1 - 0.999 ** step) / (1 - 0.9 ** step);
      expected[i] -= rate * m[i] / (Math.sqrt(v[i]) + 1e-7);
    }
    tf.tidy(() => adam.step([tf.tensor1d(gradient)]));
    closeTo(variable.dataSync(), expected, 1e-5);
  }
  adam.dispose();
  variable.dispose();
});

Deno.test("Adam lets what decays shrink by its share of each step, as AdamW does in Keras", async () => {
  await openBackend("wasm");
  const variables = [tf.variable(tf.tensor1d([1, -2])), tf.variable(tf.tensor1d([1, -2]))];
  const adam = new Optimizer(variables, 0.01, defaultOptimizer, 0.1, [true, false]);
  adam.learningRate = 0.02;
  tf.tidy(() => adam.step([tf.tensor1d([0.5, 1]), tf.tensor1d([0.5, 1])]));
  // keras.optimizers.AdamW(0.02, weight_decay=0.1), one step: 1 - 0.002 - 0.02, -2 + 0.004 - 0.02.
  closeTo(variables[0].dataSync(), [0.978, -2.016], 1e-5);
  closeTo(variables[1].dataSync(), [0.98, -2.02], 1e-5);
  adam.dispose();
  tf.dispose(variables);
});

Deno.test("classification() is categorical cross-entropy, finite for any logits", async () => {
  await openBackend("wasm");
  const { lossOf, scoresOf } = classification(3);
  const logits = tf.tensor2d([[1, 2, 3], [0, 0, 0], [5, -5, 0]]);
  assert.equal((await scoresOf(logits, [2, 0, 1])).metric, 2 / 3);
  tf.tidy(() => {
    const probabilities = tf.softmax(logits).arraySync() as number[][];
    const expected = -(Math.log(probabilities[0][2]) + Math.log(probabilities[1][0]) +
      Math.log(probabilities[2][1])) / 3;
    closeTo(lossOf(logits, [2, 0, 1]).dataSync(), [expected], 1e-5);
    closeTo(lossOf(tf.tensor2d([[1000, -1000, 0]]), [1]).dataSync(), [2000], 1e-2);
    const gradient = tf.grad((x: tf.Tensor) => lossOf(x, [1]))(tf.tensor2d([[1000, -1000, 0]]));
    closeTo(gradient.dataSync(), [1, -1, 0], 1e-6);
  });
  logits.dispose();
});

Deno.test("regression() is the mean absolute error", async () => {
  await openBackend("wasm");
  const { lossOf, scoresOf } = regression();
  const output = tf.tensor2d([[10], [20], [35]]);
  tf.tidy(() => closeTo(lossOf(output, [12, 20, 30]).dataSync(), [7 / 3], 1e-6));
  assert.equal((await scoresOf(output, [12, 20, 30])).metric, 7 / 3);
  output.dispose();
});

Deno.test("EarlyStopping stops as Keras does", () => {
  const run = (
    values: number[],
    patience: number,
    monitor: "val_loss" | "val_metric" = "val_loss",
  ) => {
    const stopping = new EarlyStopping({ monitor, patience, restoreBest: false }, true);
    for (const [i, value] of values.entries()) {
      stopping.update({ epoch: i + 1, loss: 0, metric: 0, val_loss: value, val_metric: value });
      if (stopping.state.stopped) return [i + 1, stopping.state.bestEpoch];
    }
    return ["never", stopping.state.bestEpoch];
  };
  assert.deepEqual(run([5, 4, 4.5, 4.2, 4.1, 1], 3), [5, 2]);
  assert.deepEqual(run([5, 4, 4.5, 3, 4.1, 4], 3), ["never", 4]);
  assert.deepEqual(run([5, 5, 5], 1), [2, 1]); // as good is not better
  assert.deepEqual(run([0.5, 0.6, 0.4, 0.4], 2, "val_metric"), [4, 2]);
  assert.deepEqual(run([NaN, 5, 4], 3), ["never", 3]); // such as an epoch without a label
});

Deno.test("RunningMean counts each labelled image the same, in batches of any number of them", () => {
  const mean = new RunningMean([{ weight: 1 }, { weight: 2 }]), penalty = 0.5;
  // Of the second head, the first batch has one label and an interval, the second one none.
  const batches = [
    { losses: [3, 6], count: 4, second: { count: 1, learned: 2 } },
    { losses: [1, 0], count: 2, second: { count: 0, learned: 0 } },
    { losses: [2, 3], count: 2, second: { count: 2, learned: 2 } },
  ];
  for (const { losses: [a, b], count, second } of batches) {
    mean.add({
      loss: a + 2 * b + penalty,
      metric: a + 2 * b,
      heads: [{ loss: a, metric: 1 }, { loss: b, metric: 7, ...second }],
    }, count);
  }
  const { loss, metric, heads } = mean.result;
  assert.deepEqual(heads, [{ loss: 18 / 8, metric: 1 }, { loss: 18 / 4, metric: 7 }]);
  assert.ok(Math.abs(loss - (18 / 8 + 2 * 18 / 4 + penalty)) < 1e-9, `${loss}`);
  assert.ok(Math.abs(metric - (18 / 8 + 2 * 18 / 4)) < 1e-9, `${metric}`);
});

Deno.test("RunningMean has a loss also where no image has a label of a head", () => {
  const mean = new RunningMean([{ weight: 1 }, { weight: 2 }]);
  const none = { loss: 0, metric: 0, count: 0, learned: 0 };
  mean.add({ loss: 3, metric: 3, heads: [{ loss: 3, metric: 1 }, none] }, 4);
  const { loss, metric, heads } = mean.result;
  assert.deepEqual([loss, metric, heads![1]], [3, 3, { loss: NaN, metric: NaN }]);
});

Deno.test("writeCheckpoint(), readCheckpoint() give back what was written, whole or not at all", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "checkpoint.safetensors");
  assert.equal(await readCheckpoint(path), undefined);
  const arrays = { "a/kernel": Float32Array.of(1.5, -0, Infinity), empty: new Float32Array(0) };
  const state = { epoch: 3, name: "Zoë", loss: 0.1 };
  await writeCheckpoint(path, { state, arrays });
  await Deno.writeFile(`${path}.part`, new Uint8Array(3)); // a later one, killed half-way
  assert.deepEqual(await readCheckpoint(path), { state, arrays });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("labelOf() puts people into the report's classes", () => {
  const age = (variant: keyof typeof ageClasses, age: number) =>
    ageClasses[variant][labelOf({ task: "age", classes: ageClasses[variant] }, { age, gender: 0 })]
      .label;
  assert.deepEqual(
    [0, 1, 20, 21, 32, 44, 56, 68, 80, 81, 92, 93, 120].map((years) => age("multiclass", years)),
    ["1 to 20", "1 to 20", "1 to 20", "21 to 32", "21 to 32", "33 to 44", "45 to 56", "57 to 68"]
      .concat(["69 to 80", "81 to 92", "81 to 92", "above 92", "above 92"]),
  );
  assert.deepEqual([0, 60, 61, 99].map((years) => age("binary", years)), [
    "up to 60",
    "up to 60",
    "above 60",
    "above 60",
  ]);
  const man = { age: 50, gender: 1 };
  assert.equal(
    genderClasses[labelOf({ task: "gender", classes: genderClasses }, man)].label,
    "male",
  );
  assert.equal(labelOf({ task: "age", classes: null }, man), 50);
  assert.ok(Number.isNaN(labelOf({ task: "age", classes: null }, { age: -1, gender: 0 })));
  assert.throws(
    () =>
      labelOf({ task: "age", classes: [{ label: "up to 60", maxAge: 60 }] }, { ...man, age: 61 }),
    /Cannot find the class of age 61: the classes are up to 60/,
  );
});

Deno.test("readBytes() and toTensor() give the rows asked for, from 0 to 1", async () => {
  await openBackend("wasm");
  const bytes = Uint8Array.from({ length: 3 * 2 * 2 * 3 }, (_, i) => i);
  bytes[12] = 255;
  const images = imagesInMemory(bytes, 2);
  tf.tidy(() => {
    const batch = toTensor(readBytes(images, [2, 1]), images.shape);
    assert.deepEqual(batch.shape, [2, 2, 2, 3]);
    closeTo(batch.dataSync().slice(0, 2), [24 / 255, 25 / 255], 1e-7);
    closeTo(batch.dataSync().slice(12, 14), [1, 13 / 255], 1e-7);
  });
  assert.throws(() => imagesInMemory(bytes, 5), /36 bytes as RGB images of 5×5 pixels/);
});

Deno.test("readBytes() reads the rows asked for and no others, neighbours at once", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "images.npy");
    writeNpy(path, Uint8Array.from({ length: 9 * 12 }, (_, i) => Math.floor(i / 12)), [9, 2, 2, 3]);
    using file = new NpyFile(path, "uint8");
    const reads: [number, number][] = [];
    const images = {
      shape: file.shape,
      read(start: number, count: number) {
        reads.push([start, count]);
        return file.read(start, count);
      },
    };
    const bytes = readBytes(images, Int32Array.of(7, 2, 3, 4, 0, 8));
    assert.deepEqual([...bytes].filter((_, i) => i % 12 === 5), [7, 2, 3, 4, 0, 8]);
    assert.deepEqual(reads, [[7, 1], [2, 3], [0, 1], [8, 1]]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A training pass whose random numbers and statistics are not looked at. */
function pass(statistics: tf.Tensor[] = []): Parameters<typeof forward>[2] {
  return {
    random: (layer) => random(1, layer),
    report: (_, { mean, variance }) => void statistics.push(mean, variance),
  };
}

Deno.test("forward() gives the logits of what model.predict gives", async () => {
  await openBackend("wasm");
  const a = input({ shape: [4, 4, 3] });
  const b = layers.conv2d({ filters: 3, kernelSize: 1, activation: "relu" }).apply(a);
  const c = layers.add().apply([a, b as SymbolicTensor]); // a shortcut: not a sequence
  const d = layers.batchNormalization().apply(c);
  const e = layers.dense({ units: 5 }).apply(layers.flatten().apply(d));
  const output = layers.softmax().apply(e) as SymbolicTensor;
  const network: LayersModel = functional({ inputs: a, outputs: output });
  tf.tidy(() => {
    const x = normal([2, 4, 4, 3], "x");
    const predicted = (network.predict(x) as tf.Tensor).dataSync();
    closeTo(tf.softmax(forward(network, x)).dataSync(), predicted, 1e-6);
    const statistics: tf.Tensor[] = [];
    assert.deepEqual(forward(network, x, pass(statistics)).shape, [2, 5]);
    assert.deepEqual(statistics.map(({ shape }) => shape), [[3], [3]]);
    tf.dispose(statistics);
  });
  network.dispose();
});

Deno.test("forward() drops as the given random numbers say, and keeps the mean", async () => {
  await openBackend("wasm");
  const model = sequential({
    layers: [layers.dropout({ name: "drop", rate: 0.25, inputShape: [10_000] })],
  });
  tf.tidy(() => {
    const x = tf.ones([1, 10_000]);
    const dropped = [...forward(model, x, pass()).dataSync()];
    assert.deepEqual([...forward(model, x, pass()).dataSync()], dropped);
    assert.deepEqual(new Set(dropped), new Set([0, Math.fround(4 / 3)]));
    const mean = dropped.reduce((sum, value) => sum + value, 0) / dropped.length;
    assert.ok(Math.abs(mean - 1) < 0.03, `mean ${mean}`);
    assert.deepEqual(forward(model, x).dataSync(), x.dataSync());
  });
  model.dispose();
});

Deno.test("forward() in training: layer normalization and its gradient are those of tfjs", async () => {
  await openBackend("cpu");
  for (const shape of [[5], [3, 2, 4]]) {
    const norm = layers.layerNormalization({ name: "norm", inputShape: shape });
    const model = sequential({ layers: [norm] });
    tf.tidy(() => {
      norm.setWeights([normal([shape.at(-1)!], "gamma"), normal([shape.at(-1)!], "beta")]);
      const x = normal([3, ...shape], "x"), weights = normal([3, ...shape], "weights");
      const gradients = (f: (x: tf.Tensor) => tf.Tensor) =>
        tf.grads((x: tf.Tensor) => tf.sum(tf.mul(f(x), weights)))([x]).concat(
          Object.values(tf.variableGrads(() => tf.sum(tf.mul(f(x), weights)) as tf.Scalar).grads),
        ).map((gradient) => gradient.dataSync());
      const ours = (x: tf.Tensor) => forward(model, x, pass());
      closeTo(ours(x).dataSync(), (model.apply(x) as tf.Tensor).dataSync(), 1e-5);
      const expected = gradients((x) => model.apply(x) as tf.Tensor);
      for (const [i, gradient] of gradients(ours).entries()) closeTo(gradient, expected[i], 1e-4);
    });
    model.dispose();
  }
  // Of two axes, the first of which is the last.
  const norm = layers.layerNormalization({ name: "norm", axis: [3, 2], inputShape: [3, 2, 4] });
  const model = sequential({ layers: [norm] });
  tf.tidy(() => {
    const x = normal([3, 3, 2, 4], "x"), whole = model.apply(x) as tf.Tensor;
    closeTo(forward(model, x, pass()).dataSync(), whole.dataSync(), 1e-5);
  });
  model.dispose();
});

Deno.test("forward() reports layers that it cannot train", async () => {
  await openBackend("wasm");
  const fails = (message: RegExp, ...stack: layers.Layer[]) => {
    const model = sequential({ layers: stack });
    tf.tidy(() => assert.throws(() => forward(model, tf.ones([2, 3]), pass()), message));
    model.dispose();
  };
  fails(
    /the softmax of its last layer, "last", must be a separate layer/,
    layers.dense({ name: "last", units: 2, inputShape: [3], activation: "softmax" }),
  );
  fails(
    /layer "norm": batch normalization supports only the last axis, with center and scale/,
    layers.batchNormalization({ name: "norm", scale: false, inputShape: [3] }),
  );
});

Deno.test("checkTrainable() reports what training would ignore", () => {
  const dense = (units = 2) => layers.dense({ name: "dense", units, inputShape: [3] });
  const recurrent = {
    name: "recurrent",
    units: 2,
    inputShape: [3, 3],
    recurrentInitializer: "zeros" as const,
  };
  const fails = (message: RegExp, model: LayersModel) => {
    assert.throws(() => checkTrainable(model), message);
    model.dispose();
  };
  for (
    const [message, ...stack] of [
      [
        /layer "noise": the random numbers of GaussianNoise cannot be seeded. Use Dropout/,
        ...[dense(), layers.gaussianNoise({ name: "noise", stddev: 1 })],
      ],
      [
        /layer "drop": its seed is ignored/,
        ...[dense(), layers.dropout({ name: "drop", rate: 0.5, seed: 1 })],
      ],
      [
        /layer "dense_Dense\d+": its name is generated and depends on the networks built before/,
        layers.dense({ units: 1, inputShape: [3] }),
      ],
      [
        /layer "recurrent": the random numbers of its dropout/,
        layers.gru({ ...recurrent, dropout: 0.5 }),
      ],
      [
        /layer "recurrent": it is stateful/,
        layers.gru({ ...recurrent, stateful: true, batchInputShape: [2, 3, 3] }),
      ],
      [
        /layer "norm": nested in another layer, it would have no effect in training/,
        sequential({
          name: "inner",
          layers: [dense(), layers.batchNormalization({ name: "norm" })],
        }),
      ],
      [
        /all its weights are frozen\. Name fewer layers in init\.freeze/,
        layers.dense({ units: 1, inputShape: [3], trainable: false }),
      ],
    ] as [RegExp, ...layers.Layer[]][]
  ) fails(message, sequential({ layers: stack }));
  const compiled = sequential({ layers: [dense()] });
  compiled.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  fails(/it is compiled, but training ignores the optimizer and loss of compile/, compiled);
  const x = input({ shape: [3] }), one = dense().apply(x) as SymbolicTensor;
  fails(/it has 1 inputs and 2 outputs/, functional({ inputs: x, outputs: [one, one] }));
});

Deno.test("forward() in training: a frozen layer uses its moving averages, dropout keeps its noise shape", async () => {
  await openBackend("wasm");
  const frozen = sequential({
    layers: [layers.batchNormalization({ name: "norm", inputShape: [3], trainable: false })],
  });
  const drops = sequential({
    layers: [
      layers.dropout({ name: "drop", rate: 0.5, inputShape: [40, 3], noiseShape: [2, 40, 1] }),
    ],
  });
  tf.tidy(() => {
    const x = tf.randomUniform([4, 3], 0, 9, "float32", 1);
    assert.deepEqual(forward(frozen, x, pass()).dataSync(), forward(frozen, x).dataSync());
    const rows = tf.reshape(forward(drops, tf.ones([2, 40, 3]), pass()), [80, 3])
      .arraySync() as number[][];
    assert.ok(rows.every(([a, b, c]) => a === b && b === c), "all channels or none");
    assert.equal(new Set(rows.map(([a]) => a)).size, 2);
  });
  frozen.dispose();
  drops.dispose();
});

Deno.test("coldValidation() warns of batch normalisation that early stopping does not wait for", () => {
  const params = {
    batchSize: 64,
    epochs: 20,
    learningRate: 0.001,
    batchNormMomentum: 0.99,
    earlyStopping: { monitor: "val_loss" as const, patience: 3, restoreBest: false },
  };
  assert.equal(batchNormWarmupWarning(params, 24_000), undefined);
  assert.match(
    batchNormWarmupWarning(params, 300) ?? "",
    /needs about 230 steps .* An epoch has 5 steps, /,
  );
  assert.match(batchNormWarmupWarning(params, 64) ?? "", /An epoch has 1 step, /);
  assert.match(
    batchNormWarmupWarning({ ...params, batchNormMomentum: 0.9 }, 64) ?? "",
    /patience is 3. Lower batchSize \(now 64\), or raise/,
  );
  assert.equal(
    batchNormWarmupWarning({ ...params, batchNormMomentum: 0.9, batchSize: 16 }, 300),
    undefined,
  );
});

Deno.test("Optimizer steps as the optimizers of TensorFlow.js do", async () => {
  await openBackend("cpu");
  const named = (name: string, options: object): ChosenOptimizer => {
    const definition = optimizers.find((one) => one.name === name)!;
    return { definition, options: definition.params.parse(options) };
  };
  const pairs: [ChosenOptimizer, tf.Optimizer][] = [
    [named("sgd", {}), tf.train.sgd(0.1)],
    [named("sgd", { momentum: 0.9 }), tf.train.momentum(0.1, 0.9)],
    [named("sgd", { momentum: 0.9, nesterov: true }), tf.train.momentum(0.1, 0.9, true)],
    [named("rmsprop", {}), tf.train.rmsprop(0.1, 0.9, 0, 1e-7)],
    [named("rmsprop", { momentum: 0.5, rho: 0.8 }), tf.train.rmsprop(0.1, 0.8, 0.5, 1e-7)],
  ];
  for (const [chosen, theirs] of pairs) {
    const [a, b] = [tf.variable(tf.tensor1d([1, -2, 3])), tf.variable(tf.tensor1d([1, -2, 3]))];
    const ours = new Optimizer([a], 0.1, chosen);
    for (let step = 1; step <= 5; step++) {
      const gradient = tf.tensor1d([0.5 * step, -0.01, Math.sin(step)]);
      ours.step([gradient]);
      (theirs as tf.SGDOptimizer).applyGradients({ [b.name]: gradient });
      gradient.dispose();
    }
    closeTo(a.dataSync(), b.dataSync(), 1e-5);
    ours.dispose();
    theirs.dispose();
    tf.dispose([a, b]);
  }
});

Deno.test("Optimizer scales gradients down to clipNorm together", async () => {
  await openBackend("cpu");
  const variables = [tf.variable(tf.tensor1d([0, 0])), tf.variable(tf.tensor1d([0]))];
  const sgd = optimizers.find(({ name }) => name === "sgd")!;
  const chosen = { definition: sgd, options: sgd.params.parse({}), clipNorm: 1 };
  const optimizer = new Optimizer(variables, 1, chosen);
  tf.tidy(() => optimizer.step([tf.tensor1d([3, 0]), tf.tensor1d([4])]));
  closeTo(variables[0].dataSync(), [-0.6, 0], 1e-6);
  closeTo(variables[1].dataSync(), [-0.8], 1e-6);
  tf.tidy(() => optimizer.step([tf.tensor1d([0.3, 0]), tf.tensor1d([0.4])]));
  closeTo(variables[1].dataSync(), [-1.2], 1e-6);
  optimizer.dispose();
  tf.dispose(variables);
});

Deno.test("schedules follow their formulas", () => {
  const factor = (name: string, options: object) => {
    const definition = schedules.find((one) => one.name === name)!;
    const schedule = definition.factor(definition.params?.parse(options) ?? {});
    return Array.from({ length: 40 }, (_, step) => schedule(step, 40, 10));
  };
  assert.ok(factor("constant", {}).every((value) => value === 1));
  const linear = factor("linear", { warmup: 0.1 });
  closeTo(linear.slice(0, 5), [0.25, 0.5, 0.75, 1, 1], 1e-9);
  closeTo([linear[22], linear[39]], [0.5, 1 / 36], 1e-9);
  closeTo(factor("step", { every: 2, factor: 0.1 }).filter((_, i) => i % 10 === 0), [
    1,
    1,
    0.1,
    0.1,
  ], 1e-9);
  closeTo(factor("exponential", { factor: 0.5 }).filter((_, i) => i % 5 === 0).slice(0, 3), [
    ...[1, Math.SQRT1_2, 0.5],
  ], 1e-9);
});
