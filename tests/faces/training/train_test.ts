import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { layers, type LayersModel, regularizers, sequential } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { initialize, keepWeights } from "../../../faces/training/initialize.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import { classification } from "./plain_objectives.ts";
import { optimizers } from "../../../faces/training/optimizers.ts";
import { EngineTrainer } from "../../../faces/training/engine_trainer.ts";
import { TfjsTrainer } from "../../../faces/training/tfjs_trainer.ts";
import type { TrainerOptions } from "../../../faces/training/trainer.ts";
import type { EpochRecord } from "../../../faces/training/training_record.ts";
import {
  epochLine,
  train,
  type TrainingResult,
  type TrainOptions,
} from "../../../faces/training/train.ts";
import { batchSize, cases, drawCase, epochs, rows, seed } from "./keras_case.ts";
import reference from "./keras_reference.json" with { type: "json" };

/** A network with every kind of layer that the report's have, small. */
function small(): LayersModel {
  const model = sequential({
    name: "small",
    layers: [
      layers.conv2d({
        name: "conv",
        inputShape: [8, 8, 3],
        filters: 4,
        kernelSize: 2,
        activation: "relu",
        kernelInitializer: "heNormal",
        kernelRegularizer: regularizers.l2({ l2: 0.01 }),
      }),
      layers.batchNormalization({ name: "norm", momentum: 0.9 }),
      layers.maxPooling2d({ name: "pool", poolSize: 2 }),
      layers.flatten({ name: "flatten" }),
      layers.dropout({ name: "dropout", rate: 0.25 }),
      layers.dense({ name: "logits", units: 2, kernelInitializer: "glorotUniform" }),
      layers.activation({ name: "probabilities", activation: "softmax" }),
    ],
  });
  initialize(model, 1);
  return model;
}

/** Images of which class 1 is brighter in one half. */
const targets = Array.from({ length: 50 }, (_, i) => random(1, "class", i).int(2));
const images = imagesInMemory(
  Uint8Array.from({ length: 50 * 192 }, (_, i) => {
    const bright = targets[Math.floor(i / 192)] === 1 && i % 192 < 96;
    return random(1, "pixel", i).int(bright ? 255 : 160);
  }),
  8,
);

interface Run extends TrainingResult {
  model: LayersModel;
  weights: number[][];
  notes: string[];
}

/** Trains the small network: 30 images in batches of 8, 8, 8 and 6; 20 to validate. */
async function run(options: Partial<TrainOptions> = {}): Promise<Run> {
  const folder = await Deno.makeTempDir({ prefix: "train-" });
  const model = options.model ?? small();
  const notes: string[] = [];
  try {
    const result = await train({
      model,
      objective: classification(2),
      images,
      targets,
      rows: {
        train: Int32Array.from({ length: 30 }, (_, i) => i),
        validation: Int32Array.from({ length: 20 }, (_, i) => 30 + i),
      },
      batchSize: 8,
      epochs: 6,
      learningRate: 0.01,
      earlyStopping: { monitor: "val_loss", patience: 6, restoreBest: false },
      seed: 1,
      checkpoint: join(folder, "checkpoint.safetensors"),
      signal: new AbortController().signal,
      progress: { start: () => {}, advance: (_, note) => void (note && notes.push(note)) },
      ...options,
    });
    const weights = model.getWeights().map((weight) => [...weight.dataSync()]);
    return { ...result, model, weights, notes };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("train() gives the same weights and history for the same seed, others for another", async () => {
  await openBackend("wasm");
  const first = await run();
  const again = await run();
  assert.deepEqual(again.history, first.history);
  assert.deepEqual(again.weights, first.weights);
  const other = await run({ seed: 2 });
  assert.notDeepEqual(other.weights, first.weights);
  assert.match(first.notes[0], /^epoch 1\/6 loss \d\.\d+ val_loss \d\.\d+$/);
  assert.equal(first.weightsOfEpoch, 6);
  for (const { model } of [first, again, other]) model.dispose();
});

Deno.test("train() learns", async () => {
  await openBackend("wasm");
  const { history, model } = await run({ epochs: 15 });
  assert.ok(history.at(-1)!.val_metric >= 0.8, JSON.stringify(history.at(-1)));
  assert.ok(history.at(-1)!.loss < history[0].loss / 2);
  model.dispose();
});

Deno.test("train() interrupted in any epoch ends bit for bit where it would have", async () => {
  await openBackend("wasm");
  const whole = await run({
    earlyStopping: { monitor: "val_loss", patience: 2, restoreBest: true },
    epochs: 8,
  });
  const folder = await Deno.makeTempDir({ prefix: "resume-" });
  for (const steps of [2, 4, 7, 4 * whole.history.length]) {
    const checkpoint = join(folder, `${steps}.safetensors`);
    const options: Partial<TrainOptions> = {
      checkpoint,
      earlyStopping: { monitor: "val_loss", patience: 2, restoreBest: true },
      epochs: 8,
    };
    const abort = new AbortController();
    let done = 0;
    const progress = {
      start: () => {},
      advance: (items = 1) => {
        if ((done += items) === steps) abort.abort(new Error("killed"));
      },
    };
    if (steps < 4 * whole.history.length) {
      await assert.rejects(run({ ...options, progress, signal: abort.signal }), /killed/);
    } else {
      await run({ ...options, progress }); // finished, but killed before its result was taken
    }
    let started: unknown[] = [];
    const resumed = await run({
      ...options,
      progress: { start: (...work) => started = work, advance: () => {} },
    });
    assert.deepEqual(started, [32, "steps", Math.floor(steps / 4) * 4]);
    assert.deepEqual(resumed.history, whole.history);
    assert.deepEqual(resumed.weights, whole.weights);
    assert.equal(resumed.bestEpoch, whole.bestEpoch);
    assert.equal(resumed.stoppedEarly, whole.stoppedEarly);
    resumed.model.dispose();
  }
  await Deno.remove(folder, { recursive: true });
  whole.model.dispose();
});

Deno.test("train() validates and keeps the average of the weights, and resumes it", async () => {
  await openBackend("wasm");
  const learningRate = 0.01, averaging = 0.9;
  const plain = await run({ epochs: 1, learningRate });
  const averaged = await run({ epochs: 1, learningRate, averaging });
  assert.equal(averaged.history[0].loss, plain.history[0].loss, "steps are the same");
  assert.notEqual(averaged.history[0].val_loss, plain.history[0].val_loss);
  // By the definition, from the weights after each step.
  const start = small().getWeights().map((weight) => [...weight.dataSync()]);
  const seen: Float32Array[][] = [];
  class Spy extends TfjsTrainer {
    override async step(...given: Parameters<TfjsTrainer["step"]>) {
      const result = await super.step(...given);
      seen.push(await this.weights());
      return result;
    }
  }
  const trainer = (options: TrainerOptions) => Promise.resolve(new Spy(options));
  const spied = await run({ epochs: 1, learningRate, averaging, trainer });
  for (const [i, weights] of seen.entries()) {
    const share = 1 - Math.min(averaging, (2 + i) / (11 + i));
    for (const [w, values] of start.entries()) {
      for (const j of values.keys()) values[j] += share * (weights[w][j] - values[j]);
    }
  }
  for (const [w, values] of start.entries()) {
    for (const [j, value] of values.entries()) {
      assert.ok(Math.abs(spied.weights[w][j] - value) < 1e-5);
      assert.equal(averaged.weights[w][j], spied.weights[w][j]);
    }
  }
  for (const trainer of [undefined, EngineTrainer.open]) {
    const folder = await Deno.makeTempDir({ prefix: "resume-" });
    const checkpoint = join(folder, "checkpoint.safetensors");
    await run({ epochs: 1, averaging, checkpoint, trainer });
    const resumed = await run({ epochs: 2, averaging, checkpoint, trainer });
    assert.deepEqual(resumed.weights, (await run({ epochs: 2, averaging, trainer })).weights);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("train() stops early with the last weights, or with the best", async () => {
  await openBackend("wasm");
  // Labels of chance: validation gets worse.
  const chance = targets.map((_, i) => random(9, i).int(2));
  const options = { targets: chance, epochs: 40, learningRate: 0.02 };
  const last = await run({
    ...options,
    earlyStopping: { monitor: "val_loss", patience: 3, restoreBest: false },
  });
  const best = await run({
    ...options,
    earlyStopping: { monitor: "val_loss", patience: 3, restoreBest: true },
  });
  assert.ok(last.stoppedEarly && last.history.length < 40);
  assert.equal(last.history.length, last.bestEpoch + 3);
  assert.equal(last.weightsOfEpoch, last.history.length);
  assert.equal(best.weightsOfEpoch, best.bestEpoch);
  const losses = best.history.map(({ val_loss }) => val_loss);
  assert.equal(losses.indexOf(Math.min(...losses)) + 1, best.bestEpoch);
  assert.deepEqual(best.weights, (await run({ ...options, epochs: best.bestEpoch })).weights);
  assert.notDeepEqual(best.weights, last.weights);
});

Deno.test("train() counts L2 in loss and val_loss, as Keras does", async () => {
  await openBackend("wasm");
  const { history, model } = await run({ epochs: 1, learningRate: 1e-12 });
  const penalty = tf.tidy(() => model.getLayer("conv").calculateLosses()[0].dataSync()[0]);
  assert.ok(penalty > 0.05);
  // Weights that hardly move: the cross-entropy of two unlearnt classes is some 0.7 beside it.
  const { loss, val_loss } = history[0];
  const plain = tf.tidy(() => {
    const x = tf.tensor(Float32Array.from(images.read(30, 20), (byte) => byte / 255), [
      20,
      8,
      8,
      3,
    ]);
    const probabilities = (model.predict(x) as tf.Tensor).arraySync() as number[][];
    return probabilities.reduce((sum, row, i) => sum - Math.log(row[targets[30 + i]]), 0) / 20;
  });
  assert.ok(Math.abs(val_loss - plain - penalty) < 1e-5, `${val_loss} ${plain} ${penalty}`);
  assert.ok(loss > penalty);
  model.dispose();
});

Deno.test("train() leaks no tensors", async () => {
  await openBackend("wasm");
  const counts: number[] = [];
  const before = tf.memory().numTensors;
  const { model } = await run({
    progress: {
      start: () => {},
      advance: (_, note) => void (note && counts.push(tf.memory().numTensors)),
    },
  });
  assert.equal(new Set(counts).size, 1, `tensors after each epoch: ${counts}`);
  model.dispose();
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("train() says that the first loss is no number", async () => {
  await openBackend("wasm");
  const model = small();
  tf.tidy(() => model.getLayer("logits").setWeights([tf.fill([36, 2], NaN), tf.zeros([2])]));
  await assert.rejects(
    run({ model }),
    /Cannot train: the loss of the first batch is NaN, before any step. Check the loss, /,
  );
  model.dispose();
});

Deno.test("train() says what to change when the loss is no number any more", async () => {
  await openBackend("wasm");
  const sgd = optimizers.find(({ name }) => name === "sgd")!;
  const optimizer = { definition: sgd, options: { momentum: 0, nesterov: false } };
  const wayOut =
    "Training diverged: lower learningRate \\(now 1e\\+30\\), or raise batchSize \\(now";
  for (
    const [batchSize, place] of [
      [8, "the loss is (NaN|Infinity) in epoch 1, step [2-5]"],
      [50, "the validation loss is (NaN|Infinity) in epoch 1"],
    ] as const
  ) {
    const model = small();
    await assert.rejects(
      run({ model, batchSize, optimizer, learningRate: 1e30 }),
      new RegExp(`Cannot continue training: ${place}. ${wayOut} ${batchSize}`),
    );
    model.dispose();
  }
});

Deno.test("train() refuses what is no order of the training set, and a rate that is no number", async () => {
  await openBackend("wasm");
  const model = small();
  const fails = async (options: Partial<TrainOptions>, message: RegExp) =>
    await assert.rejects(run({ model, ...options }), message);
  const order = (of: (rows: Int32Array) => unknown) => ({ order: of as TrainOptions["order"] });
  await fails(
    order((rows) => rows.subarray(3)),
    /order\(\) of the sampling returns 27 rows. Return an Int32Array of 30 rows out of those/,
  );
  // Position 30 is the first row of the validation set.
  await fails(
    order((rows) => rows.map((_, i) => i + 1)),
    /returns row 30, which is not of the training set/,
  );
  await fails(order(() => [1, 2]), /returns \[1,2\]. Return an Int32Array of 30/);
  await fails(
    { schedule: (step) => step < 5 ? 1 : NaN },
    /Cannot train: the schedule returns NaN in epoch 2, step 2. Return a factor/,
  );
  await fails({ schedule: () => -1 }, /the schedule returns -1 in epoch 1, step 1. .* at least 0/);
  const sorted: number[][] = [];
  const reversing = (rows: Int32Array) => {
    sorted.push([...rows]);
    return rows.reverse();
  };
  await run({ model, epochs: 2, order: reversing });
  assert.deepEqual(sorted[1], sorted[0], "what an epoch sorts is not the next one's");
  model.dispose();
});

/** A network whose weights nobody drew: tfjs draws them by chance. */
function forgotten(options: object = {}): LayersModel {
  return sequential({
    name: "forgotten",
    layers: [
      layers.flatten({ name: "flatten", inputShape: [8, 8, 3] }),
      layers.dense({ name: "dense", units: 4, biasInitializer: "glorotUniform", ...options }),
      layers.dense({ name: "logits", units: 2 }),
      layers.activation({ name: "probabilities", activation: "softmax" }),
    ],
  });
}

Deno.test("train() draws weights that initialize() did not, unless they are declared as trained", async () => {
  await openBackend("wasm");
  const models = [forgotten(), forgotten(), forgotten(), keepWeights(forgotten())];
  initialize(models[1], 1);
  const start = models[3].getWeights().map((weight) => [...weight.dataSync()]);
  const still = { epochs: 1, learningRate: 1e-9 };
  const runs = [];
  for (const model of models) runs.push(await run({ model, ...still }));
  const [first, drawn, again, kept] = runs;
  assert.deepEqual(first.weights, again.weights);
  assert.deepEqual(first.weights, drawn.weights);
  assert.notDeepEqual(first.weights[1], [0, 0, 0, 0]);
  for (const [i, weights] of kept.weights.entries()) {
    for (const [n, weight] of weights.entries()) assert.ok(Math.abs(weight - start[i][n]) < 1e-6);
  }
  await assert.rejects(
    run({ model: forgotten({ kernelInitializer: "randomNormal" }) }),
    /weights of layer "dense": its kernelInitializer is RandomNormal. Use one of glorotUniform/,
  );
  for (const { model } of runs) model.dispose();
});

Deno.test("train() holds weights to their constraints", async () => {
  await openBackend("wasm");
  const model = forgotten({ kernelConstraint: "nonNeg" });
  const { weights } = await run({ model, epochs: 2 });
  assert.ok(weights[0].every((weight) => weight >= 0));
  assert.ok(weights[0].some((weight) => weight > 0));
  assert.ok(weights[2].some((weight) => weight < 0));
  model.dispose();
});

Deno.test("train() hands on each epoch, once, with its learning rate", async () => {
  await openBackend("wasm");
  const seen: [number, boolean, number | undefined][] = [];
  const lines: string[] = [];
  const { history, model, bestEpoch } = await run({
    epochs: 3,
    schedule: (step) => step < 4 ? 1 : 0.5,
    onEpoch: (history, best) => {
      seen.push([history.length, best, history.at(-1)!.learning_rate]);
      lines.push(epochLine(history.at(-1)!, { epochs: 3, metrics: ["accuracy"], best }));
      return Promise.resolve();
    },
  });
  assert.deepEqual(seen.map(([length, , rate]) => [length, rate]), [[1, 0.01], [2, 0.005], [
    3,
    0.005,
  ]]);
  assert.equal(seen.findLastIndex(([, best]) => best) + 1, bestEpoch);
  const { loss, val_loss } = history[0];
  assert.match(
    lines[0],
    /^epoch 1\/3 loss \S+ accuracy \S+ val_loss \S+ val_accuracy \S+ learning_rate 0.01 best$/,
  );
  assert.ok(lines[0].includes(` loss ${loss.toPrecision(3)} `));
  assert.ok(lines[0].includes(` val_loss ${val_loss.toPrecision(3)} `));
  model.dispose();
});

Deno.test("train() says that it needs images on both sides", async () => {
  await openBackend("wasm");
  const nothing = { train: new Int32Array([1, 2]), validation: new Int32Array() };
  await assert.rejects(run({ rows: nothing }), /Cannot train on 2 images and validate on 0/);
});

Deno.test("train() throws the error of an augmentation, after the step beside it", async () => {
  await openBackend("wasm");
  const done: string[] = [];
  const augment = () => {
    if (done.push("batch") > 1) throw new Error("no such color");
  };
  class Watched extends TfjsTrainer {
    override async step(...given: Parameters<TfjsTrainer["step"]>) {
      const result = await super.step(...given);
      done.push("step");
      return result;
    }
    override close() {
      done.push("close");
      return super.close();
    }
  }
  const trainer = (options: TrainerOptions) => Promise.resolve(new Watched(options));
  await assert.rejects(run({ augment, trainer }), /no such color/);
  assert.deepEqual(done, ["batch", "batch", "step", "close"]);
});

Deno.test("train() ends at once when it is told to", async () => {
  await openBackend("wasm");
  const abort = new AbortController();
  const running = run({ epochs: 1000, signal: abort.signal });
  setTimeout(() => abort.abort(new Error("Ctrl-C")), 20);
  await assert.rejects(running, /Ctrl-C/);
});

/** Relative differences of two histories, the largest of each epoch. */
function differences(ours: EpochRecord[], theirs: EpochRecord[]): number[] {
  return ours.map(({ loss, val_loss }, i) =>
    Math.max(
      Math.abs(loss / theirs[i].loss - 1),
      Math.abs(val_loss / theirs[i].val_loss - 1),
    )
  );
}

Deno.test("train() tracks Keras from the same weights, batch by batch", async () => {
  await openBackend("wasm");
  const { images, ...truth } = drawCase();
  for (const name of ["gender", "age"] as const) {
    const { build, objective } = cases[name];
    const { history, model } = await run({
      model: build(),
      objective,
      images: imagesInMemory(images, 32),
      targets: truth[name],
      rows,
      batchSize,
      epochs,
      learningRate: 0.001,
      seed,
    });
    model.dispose();
    const found = differences(history, reference[name].history);
    const text = `${name}: ${found.map((value) => value.toExponential(1))}`;
    if (name === "age") {
      assert.ok(found.every((difference) => difference < 1e-3), text);
    } else {
      // Adam turns the rounding of gradients near zero into whole steps, which batch normalisation
      // over 16 images spreads: Keras in single precision is as far from itself in double.
      assert.ok(found[0] < 0.005 && found.every((difference) => difference < 0.3), text);
    }
  }
});
