import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { layers } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { extractHead, multiHeadModel } from "../../../faces/training/build_network.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { z } from "zod";
import {
  augment,
  augmentations,
  reduceResolution,
  sample,
} from "../../../faces/training/augment.ts";
import { EngineTrainer } from "../../../faces/training/engine_trainer.ts";
import {
  classHead,
  distributionHead,
  quantityHead,
  readOutput,
} from "../../../faces/training/losses.ts";
import { jointHead, type JointOptions } from "../../../faces/training/objective.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import { predict } from "../../predict.ts";
import { defineAugmentation } from "../../../faces/training/training_definitions.ts";
import { cosine } from "../../../faces/training/schedule.ts";
import { train, type TrainOptions } from "../../../faces/training/train.ts";

const size = 8;
const count = 60;
const trunk = () => [
  layers.conv2d({
    name: "conv",
    inputShape: [size, size, 3],
    filters: 6,
    kernelSize: 3,
    padding: "same",
    activation: "relu",
    kernelInitializer: "heNormal",
  }),
  layers.batchNormalization({ name: "norm", momentum: 0.9 }),
  layers.maxPooling2d({ name: "pool", poolSize: 2 }),
  layers.flatten({ name: "flatten" }),
];
const people = Array.from({ length: count }, (_, i) => {
  const rng = random(1, "person", i);
  return { gender: rng.int(2), age: rng.int(90) };
});
/** Brighter at the top for men, and everywhere the older somebody is. */
const bytes = Uint8Array.from({ length: count * size * size * 3 }, (_, i) => {
  const { gender, age } = people[Math.floor(i / (size * size * 3))];
  const top = i % (size * size * 3) < size * size;
  return random(1, "pixel", i).int(80) + age + (top && gender === 1 ? 60 : 0);
});

async function run(
  heads: Parameters<typeof jointHead>[0],
  options: Partial<TrainOptions> = {},
  teachers: JointOptions["teachers"] = undefined,
) {
  const folder = await Deno.makeTempDir({ prefix: "joint-" });
  const objective = jointHead(heads, { teachers });
  const model = multiHeadModel("test", trunk, objective.outputs, "glorotUniform", 1);
  try {
    const result = await train({
      model,
      objective,
      batchSize: 16,
      epochs: 4,
      learningRate: 0.01,
      weightDecay: 0.05,
      images: imagesInMemory(bytes, size),
      targets: people.flatMap(({ gender, age }) => [
        ...[gender, age],
        ...(teachers ? [gender ? 0.3 : 0.6, gender ? 0.7 : 0.4, age + 3] : []),
      ]),
      rows: {
        train: Int32Array.from({ length: 40 }, (_, i) => i),
        validation: Int32Array.from({ length: 20 }, (_, i) => 40 + i),
      },
      schedule: cosine(0.2),
      augment: (batch, rng) => augment(batch, size, moderate, rng),
      earlyStopping: { monitor: "val_loss", patience: 4, restoreBest: false },
      seed: 1,
      checkpoint: join(folder, "checkpoint.safetensors"),
      signal: new AbortController().signal,
      progress: { start: () => {}, advance: () => {} },
      ...options,
    });
    return { ...result, model, weights: model.getWeights().map((w) => [...w.dataSync()]) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const none = {
  flip: false,
  shift: 0,
  light: 0,
  contrast: 0,
  saturation: 0,
  erase: 0,
  zoom: 0,
  rotate: 0,
  lowResolution: 0,
  grayscale: 0,
  noise: 0,
};
const moderate = {
  ...none,
  flip: true,
  shift: 0.1,
  light: 0.1,
  contrast: 0.2,
  saturation: 0.2,
  erase: 0.2,
};
const both = {
  distribution: [classHead(2, 1), distributionHead(4, 0.7)],
  years: [classHead(2, 1), quantityHead(0.05)],
};

const taught = [
  { weight: 0.5, temperature: 2, values: 2 },
  { weight: 0.3, temperature: 2, values: 1 },
];
const cases = [
  ...Object.entries(both).map(([name, heads]) => ({ name, heads, teachers: undefined })),
  { name: "with teachers", heads: both.distribution, teachers: taught },
];

for (const { name, heads, teachers } of cases) {
  Deno.test(`train() with heads (${name}) is the same on TensorFlow.js and on the engine`, async () => {
    await openBackend("wasm");
    const theirs = await run(heads, {}, teachers);
    const ours = await run(heads, { trainer: EngineTrainer.open }, teachers);
    for (const [i, expected] of theirs.history.entries()) {
      const got = ours.history[i];
      for (
        const [a, b] of [[got, expected], ...got.heads!.map((h, n) => [h, expected.heads![n]])]
      ) {
        for (const key of ["loss", "val_loss", "metric", "val_metric"] as const) {
          assert.ok(
            Math.abs(a[key] / b[key] - 1) < 5e-3,
            `epoch ${i + 1}, ${key}: ${a[key]} ${b[key]}`,
          );
        }
      }
      const [gender, age] = expected.heads!;
      const sum = heads[0].weight * gender.val_loss + heads[1].weight * age.val_loss;
      assert.ok(Math.abs(expected.val_loss / sum - 1) < 1e-5);
    }
    const [first, last] = [theirs.history[0], theirs.history.at(-1)!];
    assert.ok(last.loss < first.loss * 0.95, "it learns");
    theirs.model.dispose();
    ours.model.dispose();
  });
}

Deno.test("train() with augmentation and a schedule, interrupted, ends bit for bit where it would have", async () => {
  await openBackend("wasm");
  for (const trainer of [undefined, EngineTrainer.open]) {
    const whole = await run(both.distribution, { trainer });
    const folder = await Deno.makeTempDir({ prefix: "resume-" });
    const checkpoint = join(folder, "checkpoint.safetensors");
    const abort = new AbortController();
    let done = 0;
    const progress = {
      start: () => {},
      advance: (items = 1) => {
        if ((done += items) === 8) abort.abort(new Error("killed")); // 3 steps an epoch
      },
    };
    const options = { trainer, checkpoint };
    await assert.rejects(
      run(both.distribution, { ...options, progress, signal: abort.signal }),
      /killed/,
    );
    const resumed = await run(both.distribution, options);
    assert.deepEqual(resumed.history, whole.history);
    assert.deepEqual(resumed.weights, whole.weights);
    await Deno.remove(folder, { recursive: true });
    whole.model.dispose();
    resumed.model.dispose();
  }
});

Deno.test("headOf() says what the head says in the network that learnt it", async () => {
  await openBackend("wasm");
  const model = multiHeadModel("test", trunk, 2 + ageBins.length, "glorotUniform", 3);
  const images = bytes.subarray(0, 5 * size * size * 3);
  const logits = await predict(model, images);
  const columns = 2 + ageBins.length;
  const gender = extractHead(model, trunk, {
    name: "gender",
    start: 0,
    columns: 2,
    reading: "classes",
  });
  const age = extractHead(model, trunk, {
    name: "age",
    start: 2,
    columns: ageBins.length,
    reading: "mean",
  });
  const middle = extractHead(model, trunk, {
    name: "age",
    start: 2,
    columns: ageBins.length,
    reading: "median",
  });
  const plain = extractHead(model, trunk, {
    name: "age",
    start: 1,
    columns: 1,
    reading: "quantity",
  });
  const said = { gender: await predict(gender, images), age: await predict(age, images) };
  // Columns whose names TensorFlow.js refuses, or a layer has.
  for (const name of ["größe", "hair color", "probabilities", model.layers[1].name]) {
    const named = extractHead(model, trunk, { name, start: 0, columns: 2, reading: "classes" });
    assert.deepEqual(await predict(named, images), said.gender, name);
    named.dispose();
  }
  const median = await predict(middle, images);
  const second = await predict(plain, images);
  for (let i = 0; i < 5; i++) {
    const row = Array.from(logits.subarray(i * columns, (i + 1) * columns));
    const softmax = (values: number[]) => {
      const sum = values.reduce((sum, z) => sum + Math.exp(z), 0);
      return values.map((z) => Math.exp(z) / sum);
    };
    const [female, male] = softmax(row.slice(0, 2));
    assert.ok(Math.abs(said.gender[2 * i] - female) < 1e-5);
    assert.ok(Math.abs(said.gender[2 * i + 1] - male) < 1e-5);
    const mean = softmax(row.slice(2)).reduce((sum, p, bin) => sum + p * ageBins[bin], 0);
    assert.ok(Math.abs(said.age[i] - mean) < 1e-3, `${said.age[i]} ${mean}`);
    const fifth = middleFifth(softmax(row.slice(2)));
    assert.ok(Math.abs(median[i] - fifth) < 0.01, `${median[i]} ${fifth}`);
    assert.ok(Math.abs(median[i] - mean) > 0.01, "it is another number than the mean");
    assert.equal(second[i], logits[i * columns + 1]);
  }
  for (const each of [model, gender, age, middle, plain]) each.dispose();
});

/** The mean of the ages at which 40 to 60 % of people are as old or younger. */
function middleFifth(probabilities: readonly number[]): number {
  const steps = 20_000;
  let sum = 0, bin = 0, younger = probabilities[0];
  for (let step = 0; step < steps; step++) {
    const share = 0.4 + 0.2 * (step + 0.5) / steps;
    while (younger < share) younger += probabilities[++bin];
    sum += ageBins[bin];
  }
  return sum / steps;
}

Deno.test("distributionHead() reads what the layers of headOf() read, which is the median if asked", () => {
  const rng = random(4, "ages");
  for (let i = 0; i < 20; i++) {
    // Two humps, the lower one far older, so that mean and median differ.
    const young = 15 + 20 * rng.next(), old = 60 + 30 * rng.next(), share = 0.3 * rng.next();
    const hump = (age: number, at: number) => Math.exp(-(((age - at) / 5) ** 2) / 2);
    const raw = ageBins.map((age) => (1 - share) * hump(age, young) + share * hump(age, old));
    const sum = raw.reduce((a, b) => a + b);
    const bins = raw.map((p) => p / sum);
    const row = Float32Array.from([0.5, 0.5, ...bins]);
    const mean = readOutput(distributionHead(4, 1, "mean"), row, 2);
    assert.ok(Math.abs(mean - bins.reduce((sum, p, bin) => sum + p * ageBins[bin], 0)) < 1e-3);
    const median = readOutput(distributionHead(4, 1, "median"), row, 2);
    assert.ok(Math.abs(median - middleFifth(bins)) < 0.01);
    assert.ok(share < 0.05 || median < mean - 1);
  }
});

for (const reading of ["mean", "median"] as const) {
  Deno.test(`distributionHead() gives every age that there is by its ${reading}, with the spread that is asked for`, () => {
    const head = distributionHead(4, 1, reading);
    for (let age = 0; age <= 100; age++) {
      const row = new Float32Array(head.columns + 3);
      head.write(age, row, 3);
      const bins = [...row.subarray(3)];
      assert.ok(Math.abs(bins.reduce((a, b) => a + b) - 1) < 1e-5);
      assert.ok(
        Math.abs(readOutput(head, row, 3) - age) < 0.05,
        `${age}: ${readOutput(head, row, 3)}`,
      );
      const spread = Math.sqrt(bins.reduce((sum, p, i) => sum + p * (ageBins[i] - age) ** 2, 0));
      assert.ok(Math.abs(spread - 4) < 0.1, `${age}: ${spread}`);
      assert.deepEqual([...row.subarray(0, 3)], [0, 0, 0]);
    }
  });
}

Deno.test("distributionHead() of a large spread leans to the middle as the parameter states", () => {
  const read = (spread: number, age: number) => {
    const head = distributionHead(spread, 1, "median"), row = new Float32Array(head.columns);
    head.write(age, row, 0);
    return Number(readOutput(head, row, 0).toFixed(1));
  };
  assert.deepEqual([read(8, 0), read(20, 0)], [0.5, 6.6]);
  for (let age = 0; age <= 100; age++) assert.ok(Math.abs(read(6, age) - age) <= 0.5, `${age}`);
});

Deno.test("cosine() rises, then falls to nothing", () => {
  const schedule = cosine(0.1);
  const all = Array.from({ length: 100 }, (_, step) => schedule(step, 100));
  assert.deepEqual(all.slice(0, 3), [0.1, 0.2, 0.3]);
  assert.equal(all[9], 1);
  assert.equal(all[10], 1);
  assert.ok(Math.abs(all[55] - 0.5) < 1e-9);
  assert.ok(all[99] > 0 && all[99] < 0.001);
  for (let i = 11; i < 100; i++) assert.ok(all[i] < all[i - 1]);
  assert.equal(cosine(0)(0, 10), 1);
});

const colours = Uint8Array.from(
  { length: 6 * 4 * 4 * 3 },
  (_, i) => random(2, "colour", i).int(256),
);
const changed = (limits: Partial<typeof none>, seed = 1, images = colours) => {
  const copy = images.slice();
  augment(copy, 4, { ...none, ...limits }, random(seed, "augment"));
  return copy;
};
const image = (images: Uint8Array, i: number) => [...images.subarray(i * 48, (i + 1) * 48)];

Deno.test("augment() changes nothing unless told to, and the same for the same numbers", () => {
  assert.deepEqual(changed({}), colours);
  assert.deepEqual(changed(moderate), changed(moderate));
  assert.notDeepEqual(changed(moderate), changed(moderate, 2));
});

Deno.test("augment() mirrors and moves whole pixels", () => {
  const rows = (images: Uint8Array, i: number) =>
    Array.from(
      { length: 4 },
      (_, y) =>
        Array.from({ length: 4 }, (_, x) =>
          image(images, i).slice((y * 4 + x) * 3, (y * 4 + x) * 3 + 3)),
    );
  const mirrored = changed({ flip: true });
  const kinds = Array.from({ length: 6 }, (_, i) => {
    const straight = rows(colours, i), got = rows(mirrored, i);
    assert.ok([straight, straight.map((row) => row.toReversed())].some((as) => equal(as, got)));
    return equal(straight, got);
  });
  assert.equal(new Set(kinds).size, 2, "some are, some are not");
  const moved = changed({ shift: 0.25 });
  for (let i = 0; i < 6; i++) {
    const straight = rows(colours, i), got = rows(moved, i);
    const clamp = (n: number) => Math.min(3, Math.max(0, n));
    const by = [-1, 0, 1].flatMap((dx) => [-1, 0, 1].map((dy) => [dx, dy])).filter(([dx, dy]) =>
      equal(
        got,
        straight.map((row, y) => row.map((_, x) => straight[clamp(y - dy)][clamp(x - dx)])),
      )
    );
    assert.equal(by.length, 1, `image ${i}`);
  }
});

Deno.test("augment() changes light, contrast and saturation by their formulas, and stays in range", () => {
  const grey = new Uint8Array(48).fill(100);
  const light = changed({ light: 0.2 }, 3, grey);
  assert.equal(new Set(light).size, 1);
  assert.ok(light[0] !== 100 && Math.abs(light[0] - 100) <= 51);
  assert.deepEqual(changed({ saturation: 0.5 }, 3, grey), grey);
  // Mid-grey stays, and what is as far from it stays as far.
  const [dark, middle, bright] = [78, 128, 178].map((value) =>
    changed({ contrast: 0.5 }, 6, new Uint8Array(48).fill(value))[0]
  );
  assert.equal(middle, 128);
  assert.equal(bright - middle, middle - dark);
  assert.ok(bright !== 178 && bright > 150 && bright < 205, `${bright}`);
  assert.ok(changed({ light: 1 }, 5, new Uint8Array(48).fill(250)).every((byte) => byte <= 255));
  const blotted = changed({ erase: 0.5 }, 4);
  const different = colours.filter((byte, i) => byte !== blotted[i]).length;
  assert.ok(different > 0 && different <= 6 * 4 * 3, `${different}`);
});

Deno.test("augment() scales and rotates within its limits", () => {
  const size = 16;
  const ramp = Uint8Array.from(
    { length: 200 * size * size * 3 },
    (_, i) => [8 * (Math.floor(i / 3) % size), 8 * (Math.floor(i / 3 / size) % size), 0][i % 3],
  );
  const slopes = (limits: Partial<typeof none>) => {
    const images = ramp.slice();
    augment(images, size, { ...none, ...limits }, random(3, "augment"));
    return Array.from({ length: 200 }, (_, i) => {
      const at = (y: number, x: number) => images[((i * size + y) * size + x) * 3];
      return [at(8, 10) - at(8, 5), at(10, 8) - at(5, 8)].map((rise) => rise / 40);
    });
  };
  const lengths = slopes({ zoom: 0.25 }).map(([x, y]) => Math.hypot(x, y));
  assert.ok(lengths.every((length) => length > 0.76 && length < 1.37));
  assert.ok(Math.min(...lengths) < 0.84 && Math.max(...lengths) > 1.25);
  const turned = slopes({ rotate: 20 });
  assert.ok(turned.every(([x, y]) => Math.abs(Math.hypot(x, y) - 1) < 0.04));
  const angles = turned.map(([x, y]) => Math.atan2(y, x) * 180 / Math.PI);
  assert.ok(Math.min(...angles) < -17 && Math.min(...angles) > -22, `${Math.min(...angles)}`);
  assert.ok(Math.max(...angles) > 17 && Math.max(...angles) < 22, `${Math.max(...angles)}`);
});

Deno.test("sample() agrees with TensorFlow.js", async () => {
  await openBackend("cpu");
  const from = 9, to = 7;
  const source = Uint8Array.from({ length: from * from * 3 }, (_, i) => random(4, i).int(256));
  const near = (got: Uint8ClampedArray, expected: tf.Tensor) => {
    const wanted = expected.dataSync();
    assert.equal(got.length, wanted.length);
    got.forEach((byte, i) =>
      assert.ok(Math.abs(byte - wanted[i]) <= 0.501, `${byte} ${wanted[i]}`)
    );
  };
  tf.tidy(() => {
    const images = tf.tensor4d(Float32Array.from(source), [1, from, from, 3]);
    const map = [0.8, 0.3, -0.7, -0.4, 1.1, 1.9] as const;
    const turned = new Uint8ClampedArray(to * to * 3);
    sample(source, from, turned, to, map);
    const transform = tf.tensor2d([[...map, 0, 0]]);
    near(turned, tf.image.transform(images, transform, "bilinear", "nearest", 0, [to, to]));
    const reduced = new Uint8ClampedArray(source);
    reduceResolution(reduced, from, to);
    const small = tf.image.resizeBilinear(images, [to, to], false, true);
    near(reduced, tf.image.resizeBilinear(tf.round(small), [from, from], false, true));
  });
});

Deno.test("augment() applies further changes last, and gamma by its formula", () => {
  const [gamma] = augmentations, ramp = Uint8Array.from({ length: 48 }, (_, i) => i * 5);
  const changed = Uint8Array.from(ramp), options = { limit: 0.5 };
  augment(changed, 4, none, random(7), [{ definition: gamma, options }]);
  const exponents = [...changed].flatMap((value, i) =>
    i > 4 && i < 47 ? Math.log(value / 255) / Math.log(ramp[i] / 255) : []
  );
  const [mean] = [exponents.reduce((sum, one) => sum + one) / exponents.length];
  assert.ok(Math.abs(Math.log(mean)) < 0.5 && Math.abs(mean - 1) > 0.01, `${mean}`);
  for (const [i, value] of changed.entries()) {
    assert.ok(Math.abs(value - 255 * (ramp[i] / 255) ** mean) < 2, `${ramp[i]}: ${value}`);
  }
  const late = defineAugmentation({
    name: "late",
    summary: "Late",
    params: z.strictObject({}),
    apply: async () => {},
  });
  assert.throws(
    () => augment(changed, 4, none, random(7), [{ definition: late, options: {} }]),
    /apply\(\) of augmentation "late" has to change the image in place .* not even a promise/,
  );
});

Deno.test("augment() removes color and adds noise by their limits", () => {
  const gray = changed({ grayscale: 1 });
  for (let i = 0; i < gray.length; i += 3) {
    assert.ok(gray[i] === gray[i + 1] && gray[i] === gray[i + 2]);
    const luma = 0.299 * colours[i] + 0.587 * colours[i + 1] + 0.114 * colours[i + 2];
    assert.ok(Math.abs(gray[i] - luma) <= 0.501);
  }
  const noisy = changed({ noise: 0.2 }, 1, new Uint8Array(600 * 48).fill(128));
  const deviations = Array.from({ length: 600 }, (_, i) => {
    const squares = image(noisy, i).map((byte) => (byte - 128) ** 2);
    return Math.sqrt(squares.reduce((sum, square) => sum + square) / 48) / 255;
  });
  assert.ok(Math.max(...deviations) < 0.27 && Math.max(...deviations) > 0.15);
  const mean = deviations.reduce((sum, deviation) => sum + deviation) / 600;
  assert.ok(Math.abs(mean - 0.1) < 0.01, `${mean}`);
});

Deno.test("joint() leaks no tensors", async () => {
  await openBackend("wasm");
  const before = tf.memory().numTensors;
  (await run(both.years)).model.dispose();
  assert.equal(tf.memory().numTensors, before);
});

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
