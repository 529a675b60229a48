/** Ages that are known as intervals. */
import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { losses } from "../../../faces/training/losses.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { jointHead } from "../../../faces/training/objective.ts";
import { labelOf } from "../../../faces/training/targets.ts";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { chosen } from "../../../packages/pipeline/define.ts";
import { random } from "../../../packages/random/random.ts";
import { defineLoss, type Head } from "../../../faces/training/training_definitions.ts";
import evaluate from "../../../stages/evaluate.ts";
import trainAge from "../../../stages/trainAge.ts";
import trainJoint from "../../../stages/trainJoint.ts";
import { z } from "zod";
import { testContext } from "../../context.ts";
import { type Person, writeDataset, writeSplits } from "../../stages/training_data.ts";

function head(use: string, options: object = {}): Head {
  const { definition, options: own } = chosen({ use, ...options }, losses, "");
  return definition.head({ ...own, weight: 1, classes: null, targets: [] } as never);
}

/** Loss of outputs against intervals, and its gradient against finite differences. */
function lossOf(one: Head, outputs: number[][], spans: readonly (readonly [number, number])[]) {
  const objective = jointHead([one], { masked: true, intervals: [true] });
  const targets = spans.flatMap((span) => [NaN, ...span]);
  const at = (values: number[][]) =>
    tf.tidy(() => objective.lossOf(tf.tensor2d(values), targets).dataSync()[0]);
  const gradient = tf.tidy(() =>
    tf.grad((x: tf.Tensor) => objective.lossOf(x, targets))(tf.tensor2d(outputs)).arraySync()
  ) as number[][];
  for (const [r, row] of outputs.entries()) {
    for (const c of row.keys()) {
      const moved = (by: number) =>
        at(outputs.map((row, i) => row.map((x, j) => i === r && j === c ? x + by : x)));
      const slope = (moved(0.05) - moved(-0.05)) / 0.1;
      assert.ok(Math.abs(gradient[r][c] - slope) < 2e-2, `${one.loss}: ${gradient[r][c]} ${slope}`);
    }
  }
  return at(outputs);
}
const close = (a: number, b: number, tolerance = 1e-4) =>
  assert.ok(Math.abs(a - b) < tolerance, `${a} is not ${b}`);

Deno.test("an interval costs a quantity the distance to its nearer end, and nothing inside", async () => {
  await openBackend("cpu");
  const outputs = [[20], [35], [28]], spans = [[25, 30], [25, 30], [25, 30]] as const;
  close(lossOf(head("mae"), outputs, spans), (5 + 5 + 0) / 3);
  close(lossOf(head("mse"), outputs, spans), (25 + 25) / 3);
  close(lossOf(head("huber", { delta: 2 }), outputs, spans), 2 * (2 + 2 * 3) / 3);
});

Deno.test("an interval costs a distribution the logarithm of its probability", async () => {
  await openBackend("cpu");
  const one = head("ageDistribution"), rng = random(1, "interval");
  const z = ageBins.map(() => rng.normal());
  const powers = z.map(Math.exp), sum = powers.reduce((a, b) => a + b);
  /** Probability of ages from `low` to `high` + 1 years, each bin a step of the density. */
  const mass = (low: number, high: number) =>
    ageBins.reduce((total, age, b) => {
      const inside = Math.min(age + 1, high + 0.5) - Math.max(age - 1, low - 0.5);
      return total + Math.max(0, inside) / 2 * powers[b] / sum;
    }, 0);
  for (const [low, high] of [[25, 32], [0, 2], [70, 100]] as const) {
    close(lossOf(one, [z], [[low, high]]), -Math.log(mass(low, high)));
  }
  close(mass(-13, 110), 1, 1e-2);
  // A distribution far outside still has a slope.
  const far = ageBins.map((age) => -((age - 80) ** 2));
  assert.ok(lossOf(one, [far], [[20, 29]]) > 1000);
});

Deno.test("an interval costs an ordinal head what is certain outside of it", async () => {
  await openBackend("cpu");
  const one = head("ordinal"), rng = random(1, "interval");
  const z = Array.from({ length: one.columns }, () => rng.normal());
  const expected = z.reduce((sum, x, c) => {
    const older = 1 / (1 + Math.exp(-x));
    if (24 >= ageBins[c + 1]) return sum - Math.log(older);
    return ageBins[c] >= 30 ? sum - Math.log(1 - older) : sum;
  }, 0);
  close(lossOf(one, [z], [[24, 30]]), expected, 1e-3);
});

Deno.test("exact ages and intervals share a batch; intervals count for no metric", async () => {
  await openBackend("cpu");
  const objective = jointHead([head("mae")], { masked: true, intervals: [true] });
  const outputs = tf.tensor2d([[20], [50], [33]]);
  const targets = [NaN, 25, 30, 58, NaN, NaN, NaN, NaN, NaN];
  const [{ loss, metric, count }] = (await objective.scoresOf(outputs, targets)).heads!;
  assert.deepEqual([loss, metric, count], [(5 + 8) / 2, 8, 1]);
  const options = { masked: true, intervals: [true], measured: [true] };
  const [all] = (await jointHead([head("mae")], options).scoresOf(outputs, targets)).heads!;
  assert.deepEqual([all.loss, all.metric, all.count], [(5 + 8) / 2, (5 + 8) / 2, 2]);
  const ours = defineLoss({
    name: "ours",
    summary: "A loss of classes",
    of: ["years"],
    params: z.strictObject({}),
    head: () => ({ ...head("ageDistribution"), loss: "ours", interval: undefined }),
  });
  assert.throws(
    () => jointHead([ours.head({} as never)], { intervals: [true] }),
    /Cannot train with loss "ours": it takes no ages that are intervals/,
  );
});

Deno.test("an interval is of a class that holds all of it, else of none", () => {
  const classes = [{ label: "a", maxAge: 29 }, { label: "b", minAge: 30 }];
  const of = (low: number, high: number) =>
    labelOf({ task: "age", classes }, { age: NaN, gender: 0, ageInterval: [low, high] });
  assert.deepEqual([of(20, 29), of(30, 39), of(25, 35)], [0, 1, NaN]);
  const person = { age: NaN, gender: 0, ageInterval: [20, 29] as const };
  assert.ok(Number.isNaN(labelOf({ task: "age", classes: null }, person)));
});

Deno.test("a training set of intervals alone has a loss, and no metric, after a kill too", async () => {
  const people = Array.from({ length: 30 }, (_, i): Person => {
    return { age: i, gender: i % 2, ...(i < 20 && { ageInterval: [i, i + 9] as const }) };
  });
  const params = { epochs: 3, batchSize: 8, network: { use: "plain", blocks: [[2]] } };
  const run = async (options: Parameters<typeof testContext>[1] = {}) => {
    using context = testContext(trainAge, options);
    const inputs = {
      dataset: await writeDataset(join(context.folder, "dataset"), people),
      splits: await writeSplits(join(context.folder, "splits"), {
        train: 20,
        validation: 10,
        test: 0,
      }),
    };
    await context.run(inputs, params);
    return await Deno.readTextFile(join(context.outputs.model, "history.csv"));
  };
  const history = await run(), folder = await Deno.makeTempDir(), abort = new AbortController();
  assert.match(history, /^1,\d+\.\d+,NaN,\d/m);
  let steps = 0;
  const onAdvance = () => void (++steps === 5 && abort.abort(new Error("killed")));
  await assert.rejects(run({ folder, signal: abort.signal, onAdvance }), /killed/);
  assert.equal(await run({ folder }), history);
});

Deno.test("stages train on intervals, and validate exact ages", async () => {
  const people = Array.from({ length: 60 }, (_, i): Person => {
    const age = (i * 37) % 90, low = Math.floor(age / 10) * 10;
    return { age, gender: i % 2, ...(i < 36 && { ageInterval: [low, low + 9] as const }) };
  });
  const counts = { train: 40, validation: 20, test: 0 };
  const network = { use: "plain", blocks: [[6], [8]], dense: [12] };
  const quick = {
    epochs: 30,
    batchSize: 10,
    batchNormMomentum: 0.5,
    learningRate: 0.03,
    earlyStopping: { patience: 30 },
  };
  for (
    const [stage, params, output] of [
      [trainAge, {}, "model"],
      [trainAge, { loss: "ageDistribution" }, "model"],
      [trainAge, { loss: "ordinal" }, "model"],
      [trainAge, { variant: "multiclass" }, "model"],
      [trainJoint, {}, "age"],
    ] as const
  ) {
    using context = testContext(stage);
    const inputs = {
      dataset: await writeDataset(join(context.folder, "dataset"), people),
      splits: await writeSplits(join(context.folder, "splits"), counts),
    };
    await context.run(inputs, { ...quick, network, ...params });
    const history = await Deno.readTextFile(join(context.outputs[output], "history.csv"));
    const [first, ...rest] = history.trimEnd().split("\n").slice(1)
      .map((line) => line.split(",").map(Number));
    const last = rest.at(-1)!;
    assert.ok(last[1] < 0.8 * first[1], `${JSON.stringify(params)}: ${first[1]} ${last[1]}`);
    assert.ok(last.every(Number.isFinite));
    if (!("variant" in params)) assert.ok(last[4] < 22, `MAE ${last[4]} years`);
    const { counts: used } = JSON.parse(
      await Deno.readTextFile(join(context.outputs[output], "training.json")),
    );
    // Bands of the paper hold few intervals: 0 to 9, 10 to 19, 70 to 79 ...
    assert.equal(used.train < 40, "variant" in params);
  }
});

Deno.test("a report counts intervals that were learned, and takes their middles for the median", async () => {
  const people = Array.from({ length: 60 }, (_, i): Person => {
    const old = i >= 10, within = i % 10;
    const interval = old && i < 40 ? { ageInterval: [60, 69] as const } : {};
    return { age: old ? 60 + within : 10 + within, gender: i % 2, ...interval };
  });
  using trained = testContext(trainAge), judged = testContext(evaluate);
  const inputs = {
    dataset: await writeDataset(join(trained.folder, "dataset"), people),
    splits: await writeSplits(join(trained.folder, "splits"), {
      train: 40,
      validation: 10,
      test: 10,
    }),
  };
  await trained.run(inputs, { epochs: 1, network: { use: "plain", blocks: [[2]] } });
  const models = [{ ...trained.artifact("model"), stage: "trainAge" }];
  const none = { references: [], faces: [], tables: [], archives: [] };
  await judged.run({ ...inputs, models, ...none }, { sensitivity: 0, framing: 0 });
  const read = (name: string) => Deno.readTextFile(join(judged.outputs.report, name));
  const { models: { trainAge: { baseline, counts, test } } } = JSON.parse(
    await read("metrics.json"),
  );
  // The median of 10 ages below 20 and 30 intervals: by the exact ages alone, 14.5.
  assert.equal(baseline.guess, 64.5);
  assert.deepEqual([counts.train, test.mae > baseline.test.mae], [10, true]);
  assert.match(await read("report.html"), /trained on 40 of 60 faces/);
  assert.match(await read("MODEL_CARD.md"), /\| 40 faces of /);
});

Deno.test("stages train and validate on intervals alone, as FairFace has them", async () => {
  const all = Array.from({ length: 60 }, (_, i): Person => {
    const age = (i * 37) % 90, low = Math.floor(age / 10) * 10;
    return { age, gender: i % 2, ageInterval: [low, low + 9] };
  });
  const network = { use: "plain", blocks: [[6], [8]], dense: [12] };
  const common = { epochs: 30, batchSize: 10, batchNormMomentum: 0.5, learningRate: 0.03, network };
  const patience = { patience: 30 };
  for (
    const [stage, params, output] of [
      [trainAge, { metrics: ["bias"] }, "model"],
      [trainAge, { loss: "ageDistribution", metrics: ["cs"] }, "model"],
      [trainJoint, {}, "age"],
    ] as const
  ) {
    using context = testContext(stage);
    await context.run({
      dataset: await writeDataset(join(context.folder, "dataset"), all),
      splits: await writeSplits(join(context.folder, "splits"), {
        train: 40,
        validation: 20,
        test: 0,
      }),
    }, { ...common, earlyStopping: { ...patience, monitor: "val_metric" }, ...params });
    const history = await Deno.readTextFile(join(context.outputs[output], "history.csv"));
    const [header, ...lines] = history.trimEnd().split("\n").map((line) => line.split(","));
    const last = lines.at(-1)!.map(Number);
    assert.ok(last.every(Number.isFinite), history);
    assert.ok(last[header.indexOf("val_metric")] < 18, history);
    assert.match(context.infos.join("\n"), /val_mae is the mean distance to the nearer end/);
  }
});
