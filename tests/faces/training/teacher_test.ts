/** Learning from other models' outputs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { classHead, distributionHead, quantityHead } from "../../../faces/training/losses.ts";
import { jointHead } from "../../../faces/training/objective.ts";
import { loadModel } from "../../../faces/training/model_files.ts";
import { predictRows } from "../../../faces/training/predict_rows.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { askTeachers } from "../../../faces/training/teacher.ts";
import { modelFacts } from "../../../faces/training/trained_models.ts";
import { RunningMean } from "../../../faces/training/trainer.ts";
import { withDistribution } from "../../../faces/training/with_distribution.ts";
import { NpyFile } from "../../../packages/formats/npy.ts";
import { app } from "../../../main.ts";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { readConfig } from "../../../packages/pipeline/config/config.ts";
import { createPlan } from "../../../packages/pipeline/plan.ts";
import { Registry } from "../../../packages/pipeline/registry.ts";
import type { Stage } from "../../../packages/pipeline/stage.ts";
import trainAge from "../../../stages/trainAge.ts";
import trainGender from "../../../stages/trainGender.ts";
import trainJoint from "../../../stages/trainJoint.ts";
import { testArtifact, testContext } from "../../context.ts";
import { type Person, writeDataset, writeSplits } from "../../stages/training_data.ts";

const network = { use: "plain", blocks: [[6], [8]], dense: [12] };
const quick = { network, batchSize: 10, batchNormMomentum: 0.5, learningRate: 0.01 };
const people = Array.from({ length: 60 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
const counts = { train: 40, validation: 20, test: 0 };
/** The same images, of which most lack their labels, in the table. */
const unlabelled = people.map((person, i) => ({ ...person, gender: i < 38 ? -1 : person.gender }));

async function train(
  stage: Stage,
  params: object,
  { labels = people, ...options }: { labels?: Person[] } & Parameters<typeof testContext>[1] = {},
) {
  const context = testContext(stage, options);
  const dataset = await writeDataset(join(context.folder, "dataset"), people);
  if (labels !== people) {
    const other = await writeDataset(join(context.folder, "labels"), labels);
    const table = "table.parquet";
    await Deno.copyFile(join(other.path, table), join(dataset.path, table));
  }
  const splits = await writeSplits(join(context.folder, "splits"), counts);
  const result = await context.run({ dataset, splits }, { ...quick, ...params });
  return { context, computedBy: result!.observed!.computedBy as string };
}

/** Predicts all images. */
async function predictions(folder: string, dataset: string): Promise<number[]> {
  const { model } = await loadModel(folder);
  using images = new NpyFile(join(dataset, "images.npy"), "uint8");
  const rows = Int32Array.from(people, (_, i) => i);
  const said = await predictRows(model, images, rows, { mirror: true });
  model.dispose();
  return [...said];
}

const close = (a: number, b: number, tolerance = 1e-5) =>
  assert.ok(Math.abs(a - b) < tolerance, `${a} is not ${b}`);

Deno.test("teacher: the loss is the weighted sum of the labels' and the teacher's", async () => {
  await openBackend("cpu");
  const softmax = (z: number[]) => {
    const sum = z.reduce((sum, x) => sum + Math.exp(x), 0);
    return z.map((x) => Math.exp(x) / sum);
  };
  const objective = jointHead([classHead(3, 1), quantityHead(0.5)], {
    masked: true,
    teachers: [
      { weight: 0.25, temperature: 2, values: 3 },
      { weight: 0.75, temperature: 2, values: 1 },
    ],
  });
  assert.equal(objective.targets, 6);
  const outputs = [[1, 2, -1, 30], [0.5, 0, 0.2, 60]];
  const soft = [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]];
  // The second image has no label of the class, the first none of the years.
  const targets = [[1, NaN, ...soft[0], 33], [NaN, 50, ...soft[1], 58]].flat();
  const classLoss = 0.75 * -Math.log(softmax([1, 2, -1])[1]) +
    0.25 * 4 * outputs.reduce((sum, z, r) =>
        sum - softmax(z.slice(0, 3).map((x) => x / 2)).reduce(
          (all, p, c) => all + soft[r][c] * Math.log(p),
          0,
        ), 0) /
      2;
  const yearLoss = 0.25 * 10 + 0.75 * (3 + 2) / 2;
  const [whole, scores] = [
    tf.tidy(() => objective.lossOf(tf.tensor2d(outputs), targets).dataSync()[0]),
    (await objective.scoresOf(tf.tensor2d(outputs), targets)).heads!,
  ];
  close(scores[0].loss, classLoss);
  close(scores[1].loss, yearLoss);
  close(whole, classLoss + 0.5 * yearLoss);
  assert.deepEqual(scores.map(({ count, metric }) => [count, metric]), [[1, 1], [1, 10]]);
});

Deno.test("teacher: means do not depend on how labels are spread over batches", async () => {
  await openBackend("cpu");
  const teacher = { weight: 0.25, temperature: 2, values: 2 };
  const heads = [classHead(2, 1), quantityHead(0.5)];
  const objective = jointHead(heads, { masked: true, teachers: [teacher, undefined] });
  const outputs = [[1, 2, 30], [0.5, 0, 60], [3, -1, 20], [0, 0.25, 41]];
  const targets = [[1, 30, 0.2, 0.8], [NaN, 50, 0.9, 0.1], [NaN, NaN, 0.5, 0.5], [0, 40, 0.3, 0.7]];
  const meanOf = async (...batches: number[][]) => {
    const mean = new RunningMean(heads);
    for (const rows of batches) {
      const output = tf.tensor2d(rows.map((row) => outputs[row]));
      const truth = rows.flatMap((row) => targets[row]);
      const loss = objective.lossOf(output, truth).dataSync()[0];
      mean.add({ loss, ...await objective.scoresOf(output, truth) }, rows.length);
    }
    return mean.result;
  };
  const whole = await meanOf([0, 1, 2, 3]);
  for (const parts of [[[0], [1, 2, 3]], [[0, 3], [1, 2]], [[0], [1], [2], [3]]]) {
    const { loss, metric, heads } = await meanOf(...parts);
    close(loss, whole.loss);
    close(metric, whole.metric);
    for (const [h, head] of heads!.entries()) close(head.loss, whole.heads![h].loss);
  }
});

Deno.test("teacher: a distribution is learned by its cross-entropy", async () => {
  await openBackend("cpu");
  const bins = ageBins.length, weight = 0.25;
  const objective = jointHead([distributionHead(4, 1, "median")], {
    masked: true,
    teachers: [{ weight, temperature: 3, values: bins }],
  });
  // The teacher hesitates between two ages; its years alone would be between them, at 32.
  const said = ageBins.map((age) => age === 20 ? 0.75 : age === 68 ? 0.25 : 0);
  const targets = [NaN, ...said];
  const lossAt = (logits: readonly number[]) =>
    tf.tidy(() => objective.lossOf(tf.tensor2d([...logits], [1, bins]), targets).dataSync()[0]);
  // Equal logits: ln 62; one of ln 3: ln(61 + 3) - 0.75 ln 3, whatever the temperature.
  close(lossAt(ageBins.map(() => 0)), weight * 4.1271344);
  close(lossAt(ageBins.map((age) => age === 20 ? Math.log(3) : 0)), weight * 3.3349239);
  const logits = ageBins.map((_, i) => Math.sin(i));
  const gradient = tf.tidy(() =>
    tf.grad((z) => objective.lossOf(z, targets))(tf.tensor2d(logits, [1, bins])).dataSync()
  );
  for (const i of [0, 16, 40, 61]) {
    const [more, less] = [0.05, -0.05].map((h) => lossAt(logits.with(i, logits[i] + h)));
    close(gradient[i], (more - less) / 0.1, 1e-4);
  }
  const soft = logits.map(Math.exp), sum = soft.reduce((a, b) => a + b, 0);
  for (const i of soft.keys()) close(gradient[i], weight * (soft[i] / sum - said[i]));
});

Deno.test("teacher: models with a distribution teach it to heads that estimate one", async () => {
  const params = { epochs: 1, loss: "ageDistribution" };
  using taught = (await train(trainAge, params)).context;
  using years = (await train(trainAge, { epochs: 1, network })).context;
  const from = taught.outputs.model, info: string[] = [];
  using images = new NpyFile(join(taught.folder, "dataset", "images.npy"), "uint8");
  const rows = Int32Array.from(people, (_, i) => i);
  const { signal } = new AbortController();
  const ask = async (from: string[], reading: "median" | "quantity") => {
    const tasks = [{ task: "age", classes: null, reading }];
    const place = { artifacts: "", signal, info: (text: string) => void info.push(text) };
    return (await askTeachers(
      { teacher: { from, weight: 1, temperature: 2 } },
      tasks,
      images,
      rows,
      place,
    ))[0]!;
  };
  const { model } = await loadModel(from);
  const own = await predictRows(withDistribution(model), images, rows, { mirror: true });
  model.dispose();
  const { values, outputs } = await ask([from, from], "median");
  assert.equal(values, ageBins.length);
  for (const [i, value] of outputs.entries()) {
    close(value, own[Math.floor(i / values) * (values + 1) + 1 + i % values]);
  }
  // Years: from a head that learns years, or a teacher that has only these.
  assert.deepEqual((await ask([from], "quantity")).values, 1);
  assert.deepEqual((await ask([from, years.outputs.model], "median")).values, 1);
  assert.deepEqual(info, [
    ...["teacher: 2 models of age, its distribution", "teacher: 1 model of age"],
    "teacher: 2 models of age",
  ]);
  using student = (await train(trainAge, { ...params, teacher: from })).context;
  assert.ok(student.infos.includes("teacher: 1 model of age, its distribution"));
});

Deno.test("teacher: a network without labels learns the teacher", async () => {
  using taught = (await train(trainGender, { epochs: 12 })).context;
  const from = taught.outputs.model, data = join(taught.folder, "dataset");
  const teacher = await predictions(from, data);
  const distance = async (params: object) => {
    using student = (await train(trainGender, { epochs: 12, ...params }, { labels: unlabelled }))
      .context;
    const record = JSON.parse(
      await Deno.readTextFile(join(student.outputs.model, "training.json")),
    );
    const said = await predictions(student.outputs.model, data);
    const away = said.reduce((sum, p, i) => sum + Math.abs(p - teacher[i]), 0) / said.length;
    return { away, train: record.counts.train, infos: student.infos };
  };
  const alone = await distance({}), learned = await distance({ teacher: from });
  assert.deepEqual([alone.train, learned.train], [2, 40]);
  assert.ok(learned.away < 0.6 * alone.away, `${learned.away} ${alone.away}`);
  assert.ok(learned.infos.includes("teacher: 1 model of gender"));
});

Deno.test("teacher: several models for two heads; resuming equals an uninterrupted run", async () => {
  using joint = (await train(trainJoint, { epochs: 3 })).context;
  using age = (await train(trainAge, { epochs: 3, network })).context;
  // The mean of two models of age, one of gender.
  const teacher = {
    from: [joint.outputs.gender, joint.outputs.age, age.outputs.model],
    temperature: 3,
  };
  const params = { epochs: 3, teacher, augment: false };
  const full = await train(trainJoint, params);
  using whole = full.context;
  assert.match(full.computedBy, /^engine/);
  assert.ok(whole.infos.includes("teacher: 1 model of gender, 2 models of age"));
  const weights = (context: typeof whole) =>
    Deno.readFile(join(context.outputs.age, "weights.bin"));

  // The same models as stages of the pipeline, in place of folders.
  using wired = testContext(trainJoint);
  const inputs = {
    dataset: await writeDataset(join(wired.folder, "dataset"), people),
    splits: await writeSplits(join(wired.folder, "splits"), counts),
    teachers: teacher.from.map((path) => testArtifact(path, "model")),
  };
  await wired.run(inputs, { ...quick, ...params, teacher: { temperature: 3 } });
  assert.deepEqual(await weights(wired), await weights(whole));

  const stop = new AbortController();
  let steps = 0;
  const context = testContext(trainJoint, {
    signal: stop.signal,
    onAdvance: () => ++steps === 6 && stop.abort(),
  });
  const dataset = await writeDataset(join(context.folder, "dataset"), people);
  const splits = await writeSplits(join(context.folder, "splits"), counts);
  await assert.rejects(context.run({ dataset, splits }, { ...quick, ...params }) as Promise<void>);
  using resumed = testContext(trainJoint, { folder: context.folder });
  await resumed.run({ dataset, splits }, { ...quick, ...params });
  assert.deepEqual(await weights(resumed), await weights(whole));
});

Deno.test("teacher: counts in the cache key with its training record, and has to fit", async () => {
  using taught = (await train(trainGender, { epochs: 1 })).context;
  const from = taught.outputs.model, place = { artifacts: "" };
  const facts = await modelFacts({ teacher: from }, place);
  assert.deepEqual(Object.keys(facts), [`teacher ${from}`]);
  assert.deepEqual(
    await trainGender.check!({ teacher: { from: [from, join(from, "nothing")] } }, {
      ...place,
      inputs: {},
      definitions: () => [],
    }).then(
      (found) => found.map(({ path }) => path),
    ),
    [["teacher", "from", 1]],
  );
  await Deno.writeTextFile(join(from, "training.json"), "\n", { append: true });
  assert.notDeepEqual(await modelFacts({ teacher: from }, place), facts);
  await assert.rejects(
    train(trainAge, { teacher: from, epochs: 1 }),
    /Cannot learn age from the teacher: it predicts gender/,
  );
  using bands = (await train(trainAge, { variant: "binary", epochs: 1 })).context;
  await assert.rejects(
    train(trainAge, { teacher: bands.outputs.model, epochs: 1 }),
    /it predicts up to 60, above 60 from images of 32 pixels, and this training years from 32/,
  );
});

Deno.test("teacher: stages of the same pipeline, only where `inputs` names them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const yaml = join(folder, "x.yaml");
    const plans = async (student: string) => {
      await Deno.writeTextFile(
        yaml,
        "stages:\n  download:\n  matParse:\n  faceCrop:\n  resize32:\n  split:\n" +
          `  first: { use: trainJoint }\n  trainGender: ${student}\n`,
      );
      const registry = new Registry().add(app.stages);
      const config = await readConfig(yaml, { project: app.project, cwd: folder, registry });
      const { stages } = createPlan(config);
      return stages.find(({ id }) => id === "trainGender")!.wires.teachers;
    };
    assert.deepEqual(await plans("{ epochs: 1 }"), []);
    assert.deepEqual(
      await plans("{ inputs: { teachers: first } }"),
      ["age", "gender"].map((output) => ({ stage: "first", output })),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("teacher: options without a model are an error", async () => {
  await assert.rejects(
    train(trainGender, { epochs: 1, teacher: { weight: 1 } }),
    /Cannot learn from a teacher: none is named\. Set teacher\.from, or inputs: { teachers: STAGE }/,
  );
});
