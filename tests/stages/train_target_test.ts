/** Training on any column of the labels: trainClassifier and trainRegressor. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import type { Stage } from "../../packages/pipeline/stage.ts";
import { attributeColumns } from "../../faces/datasets/attributes.ts";
import { readOutputs } from "../../faces/serving/prediction.ts";
import { readSources } from "../../faces/serving/model_sources.ts";
import { loadModel } from "../../faces/training/model_files.ts";
import { predictRows } from "../../faces/training/predict_rows.ts";
import { readHistory } from "../../faces/training/training_record.ts";
import { classTask, labelTasks, rowsOfTasks } from "../../faces/training/tasks.ts";
import { checkNumbers, classesOf } from "../../faces/training/targets.ts";
import auditLabels from "../../stages/auditLabels.ts";
import evaluate from "../../stages/evaluate.ts";
import trainAge from "../../stages/trainAge.ts";
import trainClassifier from "../../stages/trainClassifier.ts";
import trainGender from "../../stages/trainGender.ts";
import trainJoint from "../../stages/trainJoint.ts";
import trainRegressor from "../../stages/trainRegressor.ts";
import { testContext } from "../context.ts";
import { temporaryFolder } from "../temporary_folder.ts";
import { writeDataset, writeSplits } from "./training_data.ts";

type ContextOptions = Parameters<typeof testContext>[1];

const people = Array.from({ length: 80 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
const counts = { train: 40, validation: 20, test: 20 };
const quick = {
  network: { use: "plain", blocks: [[6], [8]], dense: [12] },
  batchSize: 10,
  batchNormMomentum: 0.5,
  epochs: 12,
  optimizer: { learningRate: 0.03 },
  earlyStopping: { patience: 12 },
};
/** Follows the brightness of the images, as ages do; every eighth is unknown. */
const attributes = people.map(({ age }, i) => ({
  tone: i % 8 === 0 ? null : age < 30 ? "dark" : age < 60 ? "medium" : "bright",
  shade: i % 8 === 0 ? null : age / 20,
  name: `person ${i}`,
  ones: 1,
}));

const alike = (shade: number) => shade;

/** @param unit changes the numbers of the column shade */
async function inputsIn(folder: string, unit = alike) {
  const dataset = await writeDataset(join(folder, "dataset"), people);
  const path = join(dataset.path, "table.parquet");
  const table = await readParquet(path, {
    name: "string?",
    age: "int32",
    gender: "int32",
    identity: "string?",
    dataset: "string",
    path: "string",
  });
  await writeParquet(path, {
    name: { type: "string", values: table.name, nullable: true },
    identity: { type: "string", values: table.identity, nullable: true },
    age: { type: "int32", values: table.age },
    gender: { type: "int32", values: table.gender },
    dataset: { type: "string", values: table.dataset },
    path: { type: "string", values: table.path },
    ...attributeColumns(
      attributes.map(({ name, ...rest }) => ({
        ...rest,
        shade: rest.shade === null ? null : unit(rest.shade),
        label_name: name,
      })),
    ),
  });
  return { dataset, splits: await writeSplits(join(folder, "splits"), counts) };
}

async function train(stage: Stage, params: object, unit = alike, of: ContextOptions = {}) {
  const context = testContext(stage, of);
  const inputs = await inputsIn(context.folder, unit);
  await context.run(inputs, { ...quick, ...params });
  const record = JSON.parse(
    await Deno.readTextFile(join(context.outputs.model, "training.json")),
  );
  return { context, inputs, record };
}

Deno.test("trainClassifier learns a column's classes: report, predictions and ONNX have them", async () => {
  const { context, inputs, record } = await train(trainClassifier, {
    target: "tone",
    export: ["onnx"],
    metrics: ["balancedAccuracy", "oneOff"],
    sampling: { use: "balanced" },
  });
  using trained = context;
  assert.match(trained.warnings.join("\n"), /oneOff of tone takes .* in alphabetical order/);
  assert.deepEqual(
    [record.task, record.variant, record.classes.map(({ label }: { label: string }) => label)],
    ["tone", "multiclass", ["bright", "dark", "medium"]],
  );
  assert.deepEqual(record.counts, { train: 35, validation: 17 });
  assert.deepEqual(record.datasets, { test: 35 });
  assert.ok(trained.infos.includes("left out: 8 images of 60 without a label of tone"));
  assert.ok((await Deno.stat(join(trained.outputs.model, "model.onnx"))).size > 1000);

  using judged = testContext(evaluate);
  const references = { references: [], faces: [], tables: [], archives: [] };
  const models = [{ ...trained.artifact("model"), stage: "trainClassifier" }];
  await judged.run({ ...inputs, models, ...references }, { metrics: ["f1", "rmse"] });
  const { models: { trainClassifier: metrics } } = JSON.parse(
    await Deno.readTextFile(join(judged.outputs.report, "metrics.json")),
  );
  assert.deepEqual([metrics.task, metrics.metric], ["tone", "accuracy"]);
  assert.deepEqual(metrics.counts, { train: 35, validation: 17, test: 18 });
  assert.deepEqual(metrics.unlabelled, { train: 5, validation: 3, test: 2 });
  assert.ok(metrics.test.accuracy > metrics.baseline.test.accuracy, "better than the majority");
  assert.ok("f1" in metrics.test && !("rmse" in metrics.test));
  const page = await Deno.readTextFile(join(judged.outputs.report, "report.html"));
  assert.match(page, /tone, multiclass/);
  assert.match(page, /counts faces .*: 5 of train, 3 of validation, 2 of test\./);

  const [source] = await readSources([{ stage: "a", path: trained.outputs.model }], {});
  const face = readOutputs(source, [0.1, 0.7, 0.2]);
  assert.ok("label" in face && face.label === "dark");
});

Deno.test("trainRegressor learns a column's numbers", async () => {
  const { context, inputs, record } = await train(trainRegressor, {
    target: "shade",
    loss: "mse",
    metrics: ["rmse"],
  });
  using trained = context;
  assert.deepEqual([record.task, record.classes, record.metric], ["shade", null, "mae"]);
  using judged = testContext(evaluate);
  const references = { references: [], faces: [], tables: [], archives: [] };
  const models = [{ ...trained.artifact("model"), stage: "trainRegressor" }];
  await judged.run({ ...inputs, models, ...references }, {});
  const { models: { trainRegressor: metrics } } = JSON.parse(
    await Deno.readTextFile(join(judged.outputs.report, "metrics.json")),
  );
  assert.equal(metrics.metric, "error");
  assert.ok(metrics.test.error < metrics.baseline.test.error, "better than the median");
  assert.equal(metrics.byAgeBand, undefined);
  const page = await Deno.readTextFile(join(judged.outputs.report, "report.html"));
  assert.match(page, /Predicted and true shade/);
  assert.match(page, /of numbers other than ages in\s+standard deviations/);
  assert.doesNotMatch(page, /MAE and L2 penalty/, "the network has none");
  assert.doesNotMatch(page, /MAE, years/);
  const [source] = await readSources([{ stage: "a", path: trained.outputs.model }], {});
  const { error } = source;
  assert.deepEqual(readOutputs(source, [-2.5]), { model: "a", value: -2.5, error });
});

Deno.test("trainRegressor learns numbers of any unit alike, on engine and TensorFlow.js", async () => {
  const learned = async (unit: typeof alike, params: object = {}, compute = "wasm") => {
    const all = { target: "shade", ...params };
    const { context, inputs, record } = await train(trainRegressor, all, unit, { compute });
    using trained = context;
    const [{ val_loss, val_metric }] = (await readHistory(trained.outputs.model)).slice(-1);
    const { model } = await loadModel(trained.outputs.model);
    using images = new NpyFile(join(inputs.dataset.path, "images.npy"), "uint8");
    const rows = readNpy(join(inputs.splits.path, "validation.npy"), "int32").data;
    const predicted = await predictRows(model, images, rows);
    model.dispose();
    const labels = Array.from(rows, (row) => attributes[row].shade).map((one, i) =>
      one === null ? [] : [Math.abs(unit(one) - predicted[i])]
    ).flat();
    const mae = labels.reduce((sum, error) => sum + error, 0) / labels.length;
    return { val_loss, val_metric, mae, predicted: [...predicted], ...record.standardized };
  };
  const near = (value: number, other: number, share = 1e-4) =>
    assert.ok(Math.abs(value - other) <= share * Math.abs(other), `${value} ${other}`);
  const one = await learned(alike);
  const known = attributes.slice(0, counts.train).flatMap(({ shade }) => shade ?? []);
  near(one.mean, known.reduce((sum, value) => sum + value, 0) / known.length);
  near(one.deviation ** 2, known.reduce((sum, v) => sum + (v - one.mean) ** 2, 0) / known.length);
  near(one.val_loss, one.val_metric / one.deviation);
  near(one.mae, one.val_metric);
  assert.ok(one.val_metric < 0.8, `${one.val_metric}`); // the median's: 1.1
  for (const [factor, offset] of [[20_000, 0], [0.01, 0], [5, 170]] as const) {
    const unit = (shade: number) => offset + factor * shade, other = await learned(unit);
    near(other.val_loss, one.val_loss);
    near(other.val_metric, factor * one.val_metric);
    near(other.mae, other.val_metric);
    for (const [i, value] of other.predicted.entries()) near(value, unit(one.predicted[i]), 1e-3);
  }
  const once = { epochs: 1, dropout: 0 }, income = (shade: number) => 20_000 * shade;
  const [fast, slow] = [await learned(income, once), await learned(income, once, "cpu")];
  near(slow.mae, slow.val_metric);
  near(slow.val_loss, fast.val_loss, 1e-3);
});

Deno.test("trainRegressor resumes with the same bytes, and starts from and learns of models in the labels' unit", async () => {
  const income = (shade: number) => 20_000 * shade, of = { metrics: ["rmse"], export: ["onnx"] };
  const files = (model: string) =>
    Promise.all(
      ["weights.bin", "history.csv", "training.json", "model.onnx"].map((name) =>
        Deno.readFile(join(model, name))
      ),
    );
  const params = { target: "shade", ...of };
  using whole = (await train(trainRegressor, params, income)).context;
  const abort = new AbortController();
  let steps = 0;
  const killed = testContext(trainRegressor, {
    signal: abort.signal,
    onAdvance: () => ++steps === 6 && abort.abort(new Error("killed")), // 4 steps an epoch
  });
  const inputs = await inputsIn(killed.folder, income);
  await assert.rejects(killed.run(inputs, { ...quick, ...params }), /killed/);
  using resumed = testContext(trainRegressor, { folder: killed.folder });
  await resumed.run(inputs, { ...quick, ...params });
  assert.deepEqual(await files(resumed.outputs.model), await files(whole.outputs.model));

  const from = whole.outputs.model, last = (await readHistory(from)).at(-1)!;
  const [header, line] = (await Deno.readTextFile(join(from, "history.csv"))).split("\n");
  const rmse = Number(line.split(",")[header.split(",").indexOf("val_rmse")]);
  assert.ok(rmse > income(1), "in the unit of the labels");
  const epoch = async (params: object) => {
    const few = { target: "shade", epochs: 1, ...params };
    using context = (await train(trainRegressor, few, income)).context;
    return { ...(await readHistory(context.outputs.model))[0], infos: context.infos };
  };
  const few = { learningRate: 1e-12, optimizer: "adam", batchNormMomentum: 0.9999 };
  const still = await epoch({ init: from, ...few });
  assert.match(still.infos.join("\n"), /initial weights: 20 of 20 from /);
  assert.ok(Math.abs(still.val_metric / last.val_metric - 1) < 0.01, `${still.val_metric}`);
  const taught = await epoch({ teacher: { from, weight: 1 }, epochs: 12 });
  const { infos: _, ...first } = taught;
  assert.ok(first.val_loss < 5, "of deviations, not of incomes");
});

Deno.test("trainJoint learns any columns: a model of each, on engine and TensorFlow.js", async () => {
  const params = { classes: ["tone", "gender"], numbers: ["shade"], export: ["onnx"] };
  const learned = async (compute: string, more: object = {}) => {
    const all = { ...quick, ...params, ...more };
    const outputs = trainJoint.outputsOf!(all),
      context = testContext(trainJoint, { compute, outputs });
    const inputs = await inputsIn(context.folder);
    await context.run(inputs, all);
    return { context, inputs };
  };
  const { context, inputs } = await learned("wasm");
  using trained = context;
  assert.deepEqual(Object.keys(trained.outputs), ["tone", "gender", "shade"]);
  using judged = testContext(evaluate);
  const references = { references: [], faces: [], tables: [], archives: [] };
  const models = Object.keys(trained.outputs).map((name) => ({
    ...trained.artifact(name),
    stage: `trainJoint.${name}`,
  }));
  await judged.run({ ...inputs, models, ...references }, {});
  const { models: results } = JSON.parse(
    await Deno.readTextFile(join(judged.outputs.report, "metrics.json")),
  );
  const { "trainJoint.tone": tone, "trainJoint.gender": gender, "trainJoint.shade": shade } =
    results;
  assert.deepEqual([tone.counts.test, gender.counts.test, shade.counts.test], [18, 20, 18]);
  assert.ok(tone.test.accuracy > tone.baseline.test.accuracy);
  assert.ok(shade.test.error < shade.baseline.test.error);
  for (const name of Object.keys(trained.outputs)) {
    assert.ok((await Deno.stat(join(trained.outputs[name], "model.onnx"))).size > 1000);
  }

  // Rises later than that of the first head.
  const monitor = "val_gender_balancedAccuracy";
  const watched = await learned("wasm", {
    metrics: ["balancedAccuracy"],
    earlyStopping: { monitor, patience: 12, restoreBest: true },
  });
  using _watched = watched.context;
  const { gender: folder } = watched.context.outputs;
  const scores = (await Deno.readTextFile(join(folder, "history.csv"))).trim().split("\n")
    .map((line) => line.split(",").at(-1)!);
  assert.equal(scores.shift(), "val_balancedAccuracy");
  const best = Math.max(...scores.map(Number)), record = join(folder, "training.json");
  const { weightsOfEpoch } = JSON.parse(await Deno.readTextFile(record));
  assert.equal(weightsOfEpoch, scores.findIndex((score) => Number(score) === best) + 1);

  // Of two classes it has no value.
  const none = { monitor: "val_gender_oneOff", patience: 12, restoreBest: true };
  const blind = await learned("wasm", { epochs: 1, metrics: ["oneOff"], earlyStopping: none });
  using _blind = blind.context;
  assert.match(
    blind.context.warnings.join(),
    /val_gender_oneOff of earlyStopping has a value in no/,
  );
  await assert.rejects(
    learned("wasm", { numbers: [], metrics: ["rmse"] }),
    /Cannot train tone and gender: metrics names "rmse"/,
  );

  const once = { epochs: 1, dropout: 0, augment: false };
  const [fast, slow] = [await learned("wasm", once), await learned("cpu", once)];
  using _fast = fast.context;
  using _slow = slow.context;
  for (const name of Object.keys(trained.outputs)) {
    const [a, b] = await Promise.all(
      [fast, slow].map(async ({ context }) => (await readHistory(context.outputs[name])).at(-1)!),
    );
    assert.ok(Math.abs(a.val_loss / b.val_loss - 1) < 1e-3, `${name}: ${a.val_loss} ${b.val_loss}`);
  }
});

Deno.test("trainGender and trainAge are trainClassifier and trainRegressor of their columns", async () => {
  const bytes = async (stage: Stage, params: object) => {
    using context = (await train(stage, { epochs: 1, ...params })).context;
    return await Promise.all(
      ["weights.bin", "history.csv", "model.json"].map((name) =>
        Deno.readFile(join(context.outputs.model, name))
      ),
    );
  };
  assert.deepEqual(
    await bytes(trainClassifier, { target: "gender", initializer: "glorotUniform" }),
    await bytes(trainGender, {}),
  );
  assert.deepEqual(await bytes(trainRegressor, { target: "age" }), await bytes(trainAge, {}));
});

Deno.test("a column whose name is the tables' own, or with decimal commas, has its way out", () => {
  const of = (value: string) => [{ age: NaN, gender: NaN, attributes: { score_: value } }];
  const called = /"score": it is called score_ here, as tables have a score of their own\. Name/;
  assert.throws(() => checkNumbers("score", of("a")), called);
  assert.throws(() => classesOf("score", of("a")), called);
  const comma = /it has texts, such as "3,52", with a comma in place of a point\. /;
  assert.throws(() => checkNumbers("score_", of("3,52")), comma);
  const stray =
    /such as "k\.A\."\. Empty 1 of 3 by "values" \(docs\/guide\/own_data\.md\), or name an/;
  const codes = ["8", "08"].flatMap((value) => of(value));
  assert.throws(() => checkNumbers("score_", codes), /it has texts, such as "08"\. Name/);
  const mixed = ["1", "k.A.", "2.5"].flatMap((value) => of(value));
  assert.throws(() => checkNumbers("score_", mixed), stray);
});

Deno.test("classesOf() sorts numbers in texts by size, and all else by its code units", () => {
  const labelsOf = (values: (string | number)[]) =>
    classesOf("bin", values.map((bin) => ({ age: NaN, gender: NaN, attributes: { bin } })))
      .map(({ label }) => label);
  for (
    const sorted of [
      ["0-2", "3-9", "10-19", "20-29", "more than 70"],
      ["(0, 2)", "(4, 6)", "(8, 12)", "(15, 20)", "(60, 100)"],
      ["0", "01", "1", "10"],
      ["", "A", "a", "a b", "class 2", "class 10", "z", "ä", "😀"],
      ["-1", "-0.5", "2", "10"],
    ]
  ) {
    const given = sorted[0] === "-1" ? sorted.map(Number) : sorted;
    assert.deepEqual(labelsOf(given.toReversed()), sorted);
    assert.deepEqual(labelsOf(given), sorted);
  }
});

Deno.test("trainClassifier and trainRegressor name what is wrong with a column", async () => {
  const fails = async (stage: Stage, params: object, message: RegExp) =>
    await assert.rejects(train(stage, params), message);
  await fails(
    trainClassifier,
    { target: "tones" },
    /Cannot train classes of "tones": the labels have no such column; they have gender, tone/,
  );
  await fails(
    trainClassifier,
    { target: "ones" },
    /it has a single value, "1", in the training set/,
  );
  await fails(
    trainRegressor,
    { target: "tone" },
    /Cannot train numbers of "tone": it has texts, such as "/,
  );
  await fails(
    trainRegressor,
    { target: "shades" },
    /Cannot train numbers of "shades": the labels have no such column; they have age, tone/,
  );
  await fails(trainClassifier, { target: "age" }, /expected another column; trainAge has variant/);
  await fails(trainRegressor, { target: "gender" }, /trainGender trains classes/);
  await fails(
    trainRegressor,
    { target: "shade", loss: "ordinal" },
    /Cannot train shade with loss "ordinal": it is of ages. Use mae, mse or huber/,
  );
  await fails(
    trainClassifier,
    { target: "tone", sampling: { use: "balanced", by: ["ton"] } },
    /Cannot balance by "ton": the labels have tone, shade, ones, label_name, gender, age/,
  );
  using of = (await train(trainClassifier, { target: "shade", epochs: 1 }, Math.round)).context;
  await fails(
    trainRegressor,
    { target: "shade", teacher: of.outputs.model },
    /it predicts 0, 1, 2, 3, 4 from images of 32 pixels, and this training numbers from 32/,
  );
});

Deno.test("stages check the column of a table before its faces are detected", async () => {
  const folder = temporaryFolder("ahead-");
  const { path } = (await inputsIn(folder)).dataset;
  const found = async (stage: Stage, target: string, kind = "table") =>
    await stage.checkAhead!({ target }, { kind, path, stage: "matParse", digest: "" });
  const missing = /: the labels have no such column; they have/;
  for (const stage of [trainClassifier, trainRegressor, auditLabels]) {
    await assert.rejects(found(stage, "shades"), missing);
    await found(stage, "shades", "archives");
    await found(stage, stage === trainRegressor ? "age" : "gender");
  }
  await assert.rejects(found(trainRegressor, "tone"), /it has texts, such as "/);
  await assert.rejects(found(trainClassifier, "ones"), /it has a single value/);
  const balancing = (stage: Stage, by: string) =>
    stage.checkAhead!(
      { target: "age", variant: "regression", sampling: { use: "balanced", by: [by] } },
      { kind: "table", path, stage: "matParse", digest: "" },
    );
  for (const stage of [trainRegressor, trainAge, trainGender, trainJoint]) {
    await assert.rejects(
      balancing(stage, "ton"),
      /Cannot balance by "ton": the labels have gender, a/,
    );
    await balancing(stage, "tone");
  }
  await found(trainRegressor, "shade");
  await found(trainClassifier, "tone");
  // A table of many columns takes seconds to read.
  const opened: string[] = [], { openSync } = Deno;
  Object.assign(Deno, {
    openSync: (file: string) => {
      opened.push(file);
      return openSync(file);
    },
  });
  try {
    const table = { kind: "table", path, stage: "matParse", digest: "" };
    await trainJoint.checkAhead!({ classes: ["tone"], numbers: ["shade"] }, table);
    const one = opened.length;
    await trainJoint.checkAhead!({ classes: ["tone"], numbers: [] }, table);
    assert.ok(one > 0 && opened.length === 2 * one, "as often for two columns as for one");
    await assert.rejects(
      trainJoint.checkAhead!({ classes: ["tone", "shades"], numbers: [] }, table),
      missing,
    );
  } finally {
    Object.assign(Deno, { openSync });
  }
});

Deno.test("a value that the training set lacks is no missing label, and is named", () => {
  const people = ["a", "b", "c", null, "d"].map((tone) => ({
    age: NaN,
    gender: NaN,
    attributes: { tone },
  }));
  const rows = (...all: number[]) => Int32Array.from(all);
  const select = (validation: Int32Array) => {
    const infos: string[] = [], train = rows(0, 1);
    const tasks = labelTasks({ model: classTask("tone") }, people, train);
    const selected = rowsOfTasks(tasks, { train, validation }, false, (line) => infos.push(line));
    return { ...selected, infos };
  };
  const { validation, infos } = select(rows(1, 2, 3, 4));
  assert.deepEqual([...validation], [1]);
  assert.deepEqual(infos, [
    "left out: 3 images of 6 without a label of tone, 2 of them with a value that the training " +
    'set lacks, such as "c"',
  ]);
  assert.throws(
    () => select(rows(2, 4)),
    /no image of the validation set has one of its 2 values in the training set\. Add some/,
  );
});
