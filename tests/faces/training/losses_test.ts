/** Losses against their formulas, finite differences and scikit-learn's class weights. */
import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { loadModel } from "../../../faces/training/model_files.ts";
import { predictRows } from "../../../faces/training/predict_rows.ts";
import { headOf, losses, quantityHead, readOutput } from "../../../faces/training/losses.ts";
import { samplings } from "../../../faces/training/sampling.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { jointHead } from "../../../faces/training/objective.ts";
import {
  defineLoss,
  type Head,
  type LossDefinition,
} from "../../../faces/training/training_definitions.ts";
import { NpyFile } from "../../../packages/formats/npy.ts";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { type Choice, chosen } from "../../../packages/pipeline/define.ts";
import { random } from "../../../packages/random/random.ts";
import trainAge from "../../../stages/trainAge.ts";
import trainGender from "../../../stages/trainGender.ts";
import trainJoint from "../../../stages/trainJoint.ts";
import { testContext } from "../../context.ts";
import { type Person, writeDataset, writeSplits } from "../../stages/training_data.ts";

function head(use: string, options: object = {}, targets: number[] = [], classes = 3): Head {
  const { definition, options: own } = chosen({ use, ...options }, losses, "");
  const of = definition.of[0] === "classes" ? classes : null;
  return definition.head({ ...own, weight: 1, classes: of, targets } as never);
}

function heightHead(loss: Choice, plugins: LossDefinition[] = []): Head {
  return headOf({ loss, weight: 1 }, { task: "height", classes: null }, [160, 180], plugins);
}

const softmax = (z: number[]) => {
  const sum = z.reduce((sum, x) => sum + Math.exp(x), 0);
  return z.map((x) => Math.exp(x) / sum);
};
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const logits = [[1, 2, -1], [0.5, 0, 0.2], [-2, 1, 3]], classes = [1, 0, 0];
const years = [[23.5], [60], [41]], ages = [30, 58, 41];

/** Loss of each case by its formula, in double precision. */
const cases: [Head, number[][], number[], number][] = [
  [
    head("crossEntropy"),
    ...[logits, classes, mean(logits.map((z, i) => -Math.log(softmax(z)[classes[i]])))] as const,
  ],
  [
    head("crossEntropy", { labelSmoothing: 0.1 }),
    ...[logits, classes] as const,
    mean(
      logits.map((z, i) =>
        -softmax(z).reduce(
          (sum, p, c) => sum + ((c === classes[i] ? 0.9 : 0) + 0.1 / 3) * Math.log(p),
          0,
        )
      ),
    ),
  ],
  [
    head("focal", { gamma: 1.5 }),
    ...[logits, classes] as const,
    mean(logits.map((z, i) => {
      const p = softmax(z)[classes[i]];
      return -((1 - p) ** 1.5) * Math.log(p);
    })),
  ],
  [
    head("crossEntropy", { classWeights: [1, 3, 2] }),
    ...[logits, classes] as const,
    mean(logits.map((z, i) => -[1, 3, 2][classes[i]] * Math.log(softmax(z)[classes[i]]))),
  ],
  [head("mae"), years, ages, (6.5 + 2 + 0) / 3],
  [head("mse"), years, ages, (6.5 ** 2 + 4) / 3],
  [head("huber", { delta: 5 }), years, ages, (12.5 + 5 * 1.5 + 2) / 3],
  // Heights of 170 ± 10: outputs are 172, 185 and 160.
  [heightHead({ use: "huber", delta: 5 }), [[0.2], [1.5], [-1]], [169, 170, 160], 0.67 / 3],
  [heightHead("huber"), [[0.2], [1.5], [-1]], [169, 170, 160], (0.3 ** 2 / 2 + 1) / 3],
  [heightHead("mse"), [[0.2], [1.5], [-1]], [169, 170, 160], (0.3 ** 2 + 1.5 ** 2) / 3],
];

Deno.test("a loss of an age distribution is refused for other numbers, also a plugin's", () => {
  assert.equal(readOutput(heightHead("mae"), Float32Array.of(1.5), 0), 185);
  const own = losses.find(({ name }) => name === "ageDistribution")!;
  const plugins = [{ ...own, name: "own" }];
  assert.throws(
    () => heightHead("own", plugins),
    /train height with loss "own": it is of ages\. Use .*\bmae\b.* or \w+\.$/,
  );
});

Deno.test("a plugin's loss trains numbers as models predict them", () => {
  const of = (own: Partial<Head>, task = "height") => {
    const plugin = defineLoss({
      name: "own",
      summary: "A loss of numbers",
      of: ["years"],
      head: ({ weight }) => ({ ...quantityHead(weight), ...own }),
    });
    return headOf({ loss: "own", weight: 1 }, { task, classes: null }, [160, 180], [plugin]);
  };
  const write: Head["write"] = (target, into, at) => void (into[at] = (target - 100) / 10);
  for (const [task, label] of [["height", 1], ["age", 180]] as const) {
    const labels = new Float32Array(1), head = of({ write }, task);
    head.write(180, labels, 0);
    assert.deepEqual([labels[0], readOutput(head, labels, 0)], [label, 180]);
    assert.throws(
      () => of({ columns: 2 }, task),
      RegExp(`train ${task} with loss "own": its head`),
    );
  }
});

Deno.test("a plugin's own row losses count, and a head of another form is refused", () => {
  const of = (own: (weight: number) => unknown) => {
    const head = ({ weight }: { weight: number }) => own(weight) as Head;
    const plugin = defineLoss({ name: "own", summary: "A loss of numbers", of: ["years"], head });
    return headOf({ loss: "own", weight: 1 }, { task: "age", classes: null }, [], [plugin]);
  };
  assert.equal(of(quantityHead).builtIn, true);
  const squares: Head["rowLosses"] = (tf, years, labels) =>
    tf.mean(tf.square(tf.sub(years, labels)), -1);
  assert.equal(of((weight) => ({ ...quantityHead(weight), rowLosses: squares })).builtIn, false);
  for (
    const [own, shown] of [
      [undefined, "undefined"],
      [Promise.resolve(quantityHead(1)), "{}"],
      [{ ...quantityHead(1), metric: "rmse" }, '{"metric":"rmse","columns":1'],
      [{ ...quantityHead(1), reading: "years" }, '.*"reading":"years"}'],
      [{ ...quantityHead(1), rowLosses: undefined }, '.*"quantity"}'],
    ] as const
  ) {
    const message = RegExp(`train age with loss "own": its head\\(\\) returned ${shown}`);
    assert.throws(() => of(() => own), message);
  }
});

Deno.test("a plugin's loss of a reading that a task or its columns lack is refused", () => {
  const of = (own: (head: Head) => Partial<Head>, from = "ageDistribution", years = true) => {
    const built = losses.find(({ name }) => name === from)!;
    const plugin = {
      ...built,
      name: "own",
      head: (options: never) => ({ ...built.head(options), ...own(built.head(options)) }),
    };
    const classes = years ? null : [{ label: "a" }, { label: "b" }, { label: "c" }];
    const task = years ? "age" : "tone";
    return headOf({ loss: "own", weight: 1 }, { task, classes }, [0, 1, 2], [plugin]);
  };
  assert.throws(() => of(({ columns }) => ({ columns: columns - 1 })), /train age with/);
  assert.throws(() => of(() => ({ reading: "classes" })), /train age with/);
  for (const from of ["crossEntropy", "focal"]) {
    assert.equal(of(() => ({}), from, false).columns, 3);
  }
  assert.equal(of(() => ({}), "ordinal").reading, "ordinal");
  for (const reading of ["mean", "median"] as const) {
    const options = { loss: { use: "own", reading }, weight: 1 };
    const [own] = losses.filter(({ name }) => name === "ageDistribution");
    const plugins = [{ ...own, name: "own" }];
    assert.equal(headOf(options, { task: "age", classes: null }, [], plugins).reading, reading);
  }
});

Deno.test("losses follow their formulas, and their gradients finite differences", async () => {
  await openBackend("cpu");
  for (const [one, outputs, targets, expected] of cases) {
    const objective = jointHead([one]);
    const at = (values: number[][]) =>
      tf.tidy(() => objective.lossOf(tf.tensor2d(values), targets).dataSync()[0]);
    assert.ok(Math.abs(at(outputs) - expected) < 1e-4, `${one.loss}: ${at(outputs)} ${expected}`);
    const gradient = tf.tidy(() =>
      tf.grad((x: tf.Tensor) => objective.lossOf(x, targets))(tf.tensor2d(outputs))
        .arraySync() as number[][]
    );
    for (const [r, row] of outputs.entries()) {
      for (const c of row.keys()) {
        const moved = (by: number) =>
          at(outputs.map((row, i) => row.map((x, j) => i === r && j === c ? x + by : x)));
        const slope = (moved(0.05) - moved(-0.05)) / 0.1;
        // At an error of 0, the absolute error has no slope.
        if (one.loss === "mean_absolute_error" && row[c] === targets[r]) continue;
        assert.ok(
          Math.abs(gradient[r][c] - slope) < 2e-2,
          `${one.loss}: ${gradient[r][c]} ${slope}`,
        );
      }
    }
  }
});

Deno.test("the focal loss has a finite gradient where a class is certain", async () => {
  for (const backend of ["cpu", "wasm"] as const) {
    await openBackend(backend);
    const logits = tf.tensor2d([[40, 0, -3], [0, 40, 1]]);
    const slopeOf = (one: ReturnType<typeof head>) =>
      tf.grad((x: tf.Tensor) => jointHead([one]).lossOf(x, [0, 0]))(logits).arraySync();
    const expected = slopeOf(head("crossEntropy"));
    assert.deepEqual(slopeOf(head("focal", { gamma: 0 })), expected);
    for (const gamma of [0.5, 1, 2]) {
      const slopes = slopeOf(head("focal", { gamma })) as number[][];
      // Wrong by 40, which costs as much as without the power; right, which costs nothing.
      assert.ok(Math.abs(slopes[1][0] + 0.5) < 1e-4, `${gamma}: ${slopes}`);
      assert.ok(slopes[0].every((slope) => Math.abs(slope) < 1e-6), `${gamma}: ${slopes}`);
    }
  }
});

Deno.test("ordinal is the sum of binary cross-entropies, and gives every age by its sum", async () => {
  await openBackend("cpu");
  const ordinal = head("ordinal");
  const rng = random(1, "ordinal");
  const z = Array.from({ length: ordinal.columns }, () => rng.normal());
  const labels = new Float32Array(ordinal.columns);
  ordinal.write(41, labels, 0);
  const expected = z.reduce((sum, x, c) => {
    const p = 1 / (1 + Math.exp(-x));
    return sum - labels[c] * Math.log(p) - (1 - labels[c]) * Math.log(1 - p);
  }, 0);
  const loss = tf.tidy(() => jointHead([ordinal]).lossOf(tf.tensor2d([z]), [41]).dataSync()[0]);
  assert.ok(Math.abs(loss - expected) < 1e-3);
  for (let age = 0; age <= 100; age++) {
    const row = new Float32Array(ordinal.columns);
    ordinal.write(age, row, 0);
    assert.ok(Math.abs(readOutput(ordinal, row, 0) - age) < 1e-4);
  }
  assert.equal(ordinal.columns, ageBins.length - 1);
});

Deno.test("balanced class weights are those of scikit-learn", () => {
  // compute_class_weight("balanced", classes=[0, 1, 2], y=[0, 0, 0, 1, 2, 2])
  const { rowWeight } = head("crossEntropy", { classWeights: "balanced" }, [0, 0, 0, 1, 2, 2]);
  assert.deepEqual([0, 1, 2].map((c) => rowWeight!(c)), [6 / 9, 2, 1]);
  assert.throws(
    () => head("focal", { classWeights: [1, 2] }),
    /Cannot weigh 3 classes with classWeights of 2 numbers/,
  );
});

Deno.test("a missing label counts for its head neither in the loss nor in the metric", async () => {
  await openBackend("cpu");
  const heads = [head("crossEntropy", {}, [], 2), head("mae")];
  const outputs = [[1, 2, 30], [3, 1, 50], [0, 0, 20]];
  const masked = jointHead(heads, { masked: true });
  const targets = [1, 33, NaN, 40, 0, NaN];
  const scores = (await masked.scoresOf(tf.tensor2d(outputs), targets)).heads!;
  assert.deepEqual(scores.map(({ count }) => count), [2, 2]);
  const gender = mean([-Math.log(softmax([1, 2])[1]), Math.LN2]);
  assert.ok(Math.abs(scores[0].loss - gender) < 1e-5);
  assert.deepEqual([scores[0].metric, scores[1].metric, scores[1].loss], [1, 6.5, 6.5]);
  const gradient = tf.grad((x: tf.Tensor) => masked.lossOf(x, targets))(tf.tensor2d(outputs))
    .arraySync() as number[][];
  assert.deepEqual([gradient[1][0], gradient[1][1], gradient[2][2]], [0, 0, 0]);
  assert.ok(gradient[0][0] !== 0 && gradient[0][2] !== 0);
});

const people = Array.from(
  { length: 40 },
  (_, i) => ({ age: (i * 37) % 90, gender: i % 3 ? 1 : 0 }),
);
const quick = { epochs: 2, batchSize: 10, batchNormMomentum: 0.5 };
const counts = { train: 28, validation: 12, test: 0 };

Deno.test("stages train with each loss; a model predicts what was validated", async () => {
  for (
    const [stage, params, loss, by] of [
      [
        trainGender,
        { loss: { use: "crossEntropy", labelSmoothing: 0.1 } },
        /categorical/,
        /^engine, \d threads?$/,
      ],
      [trainGender, { loss: "focal" }, /focal/, /^engine.*; loss "focal" by TensorFlow.js/],
      [trainGender, { loss: { classWeights: "balanced" } }, /categorical/, /TensorFlow.js/],
      [trainAge, { loss: "mse" }, /mse/, /loss "mse"/],
      [trainAge, { loss: "huber", network: "gender2021" }, /huber/, /loss "huber"/],
      [
        trainAge,
        { loss: "ageDistribution", network: "plain" },
        /categorical/,
        /^engine, \d threads?$/,
      ],
      [trainAge, { loss: "ordinal", network: "plain" }, /ordinal/, /loss "ordinal"/],
    ] as const
  ) {
    using context = testContext(stage);
    const dataset = await writeDataset(join(context.folder, "dataset"), people);
    const splits = await writeSplits(join(context.folder, "splits"), counts);
    const { observed } = (await context.run({ dataset, splits }, { ...quick, ...params }))!;
    assert.match(observed!.computedBy as string, by);
    const { model, record } = await loadModel(context.outputs.model);
    assert.match(record.loss, loss);
    using images = new NpyFile(join(dataset.path, "images.npy"), "uint8");
    const rows = Int32Array.from({ length: 12 }, (_, i) => 28 + i);
    const outputs = await predictRows(model, images, rows);
    const history = await Deno.readTextFile(join(context.outputs.model, "history.csv"));
    const values = history.trimEnd().split("\n").at(-1)!.split(",").map(Number);
    const logged = context.infos.findLast((text) => text.startsWith("epoch "))!;
    // With L2 penalties, as the line of the epoch.
    assert.equal(values[3].toPrecision(3), logged.match(/val_loss (\S+)/)![1]);
    const validated = values[4];
    const scores = Array.from(rows, (row, i) => {
      const { gender, age } = people[row];
      return record.task === "age"
        ? Math.abs(outputs[i] - age)
        : Number(outputs[2 * i + gender] > outputs[2 * i + 1 - gender]);
    });
    assert.ok(
      Math.abs(mean(scores) - validated) < 2e-3 * Math.max(1, validated),
      JSON.stringify(params),
    );
    model.dispose();
  }
});

Deno.test("trainJoint takes a loss for each head, and trains on rows that lack one label", async () => {
  const some = people.map((person, i) => i % 5 === 0 ? { ...person, gender: -1 } : person);
  using context = testContext(trainJoint);
  const inputs = {
    dataset: await writeDataset(join(context.folder, "dataset"), some),
    splits: await writeSplits(join(context.folder, "splits"), counts),
  };
  const heads = { gender: { loss: "focal", weight: 2 }, age: { loss: "huber" } };
  const { observed } = (await context.run(inputs, { ...quick, heads }))!;
  assert.match(observed!.computedBy as string, /loss "focal \+ huber" by TensorFlow.js/);
  const text = await Deno.readTextFile(join(context.outputs.gender, "training.json"));
  const { params, loss } = JSON.parse(text);
  assert.deepEqual([loss, params.weights], ["focal", { gender: 2, age: 1 }]);
  assert.deepEqual(params.heads, { gender: { loss: "focal" }, age: { loss: "huber" } });
  using single = testContext(trainGender);
  await single.run(inputs, quick);
  const record = JSON.parse(await Deno.readTextFile(join(single.outputs.model, "training.json")));
  assert.deepEqual(record.counts, { train: 22, validation: 10 });
  using wrong = testContext(trainAge);
  await assert.rejects(
    wrong.run(inputs, { ...quick, loss: "focal" }) as Promise<unknown>,
    /Cannot train age with loss "focal": it is a loss of classes, and the network predicts years/,
  );
});

Deno.test("balanced sampling takes each group equally often, and each image as often as possible", () => {
  const balanced = samplings.find(({ name }) => name === "balanced")!;
  const order = (options: object, labels: readonly Person[] = people) => {
    const rows = Int32Array.from({ length: 40 }, (_, i) => i);
    const data = { person: (row: number) => labels[row], random: random(1, "x"), tasks: [] };
    return balanced.order(rows, data, balanced.params!.parse(options));
  };
  const genders = order({ by: ["gender"] });
  assert.equal(genders.length, 40);
  const women = genders.filter((row) => people[row].gender === 0);
  assert.equal(women.length, 20);
  const times = Map.groupBy(women, (row) => row).values().map((all) => all.length).toArray();
  assert.equal(times.length, people.filter(({ gender }) => gender === 0).length, "all take part");
  assert.ok(Math.max(...times) - Math.min(...times) <= 1);
  const cells = order({ by: ["gender", "age"], ageBand: 45 });
  const counts = Map.groupBy(cells, (row) => `${people[row].gender} ${people[row].age < 45}`);
  assert.deepEqual(counts.values().map((rows) => rows.length).toArray(), [10, 10, 10, 10]);
  const places = [["New", "York City"], ["New York", "City"], ["Rome", "Centre"], ["Rome", "East"]];
  const labels = people.map((person, i) => {
    const [region, part] = places[i < 4 ? i : 3];
    return { ...person, attributes: { region, part } };
  });
  const drawn = order({ by: ["region", "part"] }, labels);
  assert.deepEqual([0, 1, 2].map((row) => drawn.filter((one) => one === row).length), [10, 10, 10]);
});

Deno.test("stages take a sampling, with equal bytes for equal seeds", async () => {
  const weights = async (params: object) => {
    using context = testContext(trainGender);
    await context.run({
      dataset: await writeDataset(join(context.folder, "dataset"), people),
      splits: await writeSplits(join(context.folder, "splits"), counts),
    }, { ...quick, epochs: 1, ...params });
    return await Deno.readFile(join(context.outputs.model, "weights.bin"));
  };
  const balanced = await weights({ sampling: "balanced" });
  assert.deepEqual(await weights({ sampling: { use: "balanced" } }), balanced);
  assert.notDeepEqual(await weights({}), balanced);
  assert.deepEqual(await weights({ sampling: "shuffle" }), await weights({}));
});
