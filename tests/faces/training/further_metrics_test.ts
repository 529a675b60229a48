import assert from "node:assert/strict";
import { join } from "node:path";
import {
  chooseMetrics,
  defineMetric,
  furtherMetrics,
  metricKeys,
  metricsParam,
  orderWarnings,
  printedName,
  type ScoredPredictions,
} from "../../../faces/training/further_metrics.ts";
import { definedChoices } from "../../../packages/pipeline/define.ts";
import { METRIC_DIRECTIONS } from "../../../faces/evaluation/metrics.ts";
import { readMetrics } from "../../../faces/evaluation/score_model.ts";
import {
  type Interval,
  meanInterval,
  statisticInterval,
} from "../../../packages/statistics/confidence_intervals.ts";
import { z } from "zod";
import evaluate from "../../../stages/evaluate.ts";
import { readHistory } from "../../../faces/training/training_record.ts";
import {
  absoluteErrors,
  isCorrect,
  mean,
} from "../../../packages/statistics/prediction_metrics.ts";
import trainJoint from "../../../stages/trainJoint.ts";
import trainAge from "../../../stages/trainAge.ts";
import trainGender from "../../../stages/trainGender.ts";
import { testContext } from "../../context.ts";
import { testArtifact } from "../../context.ts";
import { writeDataset, writeSplits } from "../../stages/training_data.ts";

function compute(
  name: string,
  given: Partial<ScoredPredictions>,
  options: object = {},
): Promise<number> {
  const [metric] = chooseMetrics([{ use: name, ...options }], []);
  return metric.compute({ truth: [], prediction: [], gender: [], age: [], ...given });
}

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} ${expected}`);

Deno.test("further metrics of classes are those of scikit-learn", async () => {
  const all = {
    truth: [0, 0, 0, 1, 1, 2],
    prediction: [0, 0, 2, 1, 0, 2],
    probabilities: [
      ...[[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.3, 0.2, 0.5]],
      ...[[0.2, 0.7, 0.1], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]],
    ],
    classes: 3,
  };
  // balanced_accuracy_score, f1_score(average="macro"), roc_auc_score(multi_class="ovr")
  near(await compute("balancedAccuracy", all), (2 / 3 + 1 / 2 + 1) / 3);
  near(await compute("f1", all), (2 / 3 + 2 / 3 + 2 / 3) / 3);
  near(await compute("f1", { truth: [0, 0, 1], prediction: [0, 2, 1], classes: 4 }), 5 / 9);
  near(await compute("auc", all), (8 / 9 + 7.5 / 8 + 1) / 3);
  near(await compute("oneOff", all), 5 / 6);
  // Each of two classes is next to the other: 1 for any predictions.
  assert.equal(await compute("oneOff", { ...all, classes: 2 }), NaN);
  const binary = {
    truth: [0, 0, 1, 1],
    prediction: [0, 0, 0, 1],
    classes: 2,
    probabilities: [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]],
  };
  near(await compute("auc", binary), 0.75);
});

Deno.test("further metrics of years follow their formulas", async () => {
  const all = {
    truth: [20, 30, 40, 70],
    prediction: [23, 29, 50, 64],
    gender: [0, 0, 1, 1],
    age: [20, 30, 40, 70],
  };
  near(await compute("rmse", all), Math.sqrt((9 + 1 + 100 + 36) / 4));
  near(await compute("medianError", all), 4.5);
  near(await compute("bias", all), 1.5);
  near(await compute("cs", all), 0.5);
  near(await compute("cs5", all, { within: 6 }), 0.75);
  near(await compute("macroMae", all, { ageBand: 50 }), (2 + 10 + 6) / 3);
});

Deno.test("intervals of further metrics are bootstraps of their computation", async () => {
  const errors = Array.from({ length: 40 }, (_, i) => ((i * 17) % 23) - 8);
  const truth = errors.map((_, i) => 20 + i);
  const all = {
    truth,
    prediction: errors.map((error, i) => truth[i] + error),
    gender: truth.map((_, i) => i % 2),
    age: truth,
  };
  const interval = (name: string, given: ScoredPredictions, people?: string[]) =>
    chooseMetrics([name], [])[0].interval(given, people);
  const people = truth.map((_, i) => `p${i >> 1}`);
  for (const [ids, unit] of [[undefined, "image"], [people, "person"]] as const) {
    // The bias is a mean, and the RMSE the root of one: their quantiles are those of the mean.
    const bias = meanInterval(errors, ids)!;
    const { low, high, ...how } = (await interval("bias", all, ids))!;
    near(low, bias.low);
    near(high, bias.high);
    assert.deepEqual(how, { level: 0.95, method: "bootstrap", unit });
    const squares = meanInterval(errors.map((error) => error ** 2), ids)!;
    const rmse = (await interval("rmse", all, ids))!;
    assert.ok(Math.abs(rmse.low - Math.sqrt(squares.low)) < 1e-3);
    assert.ok(Math.abs(rmse.high - Math.sqrt(squares.high)) < 1e-3);
  }
  // All right: a resample has no spread, so Wilson's interval, 1 / (1 + z² / n) to 1.
  const right = (await interval("cs", { ...all, prediction: truth }))!;
  near(right.low, 1 / (1 + 1.959963984540054 ** 2 / 40));
  assert.equal(right.high, 1);
  // A single class is predicted: each resample has 1/2.
  const halves = Array.from({ length: 84 }, (_, i) => i % 2);
  const one = { ...all, truth: halves, prediction: halves.map(() => 1), classes: 2 };
  const half = (await interval("balancedAccuracy", { ...one, gender: halves, age: halves }))!;
  // statsmodels 0.15.0: proportion_confint(42, 84, 0.05, "wilson")
  near(half.low, 0.39543933768541356);
  near(half.high, 0.6045606623145865);
  const few = { truth: [1], prediction: [2], gender: [0], age: [1] };
  assert.equal(await interval("rmse", few), undefined);
});

Deno.test("a mean over classes or groups has no interval with one of few faces or people", async () => {
  // 5 % of resamples lack a class of 3 faces: balanced accuracy was 0.331 (0.326 to 0.497).
  const of = (rare: number) => {
    const truth = Array.from({ length: 300 }, (_, i) => i < rare ? 2 : i % 2);
    const prediction = truth.map((_, i) => i === 0 ? 1 : i === 20 ? 3 : i % 7 === 0 ? 2 : 0);
    const probabilities = truth.map((label, i) =>
      [0, 1, 2, 3].map((c) => (Number(c === label && c < 2) + ((i * 7 + c * 5) % 11) / 5) / 10)
    );
    const age = truth.map((label) => 10 + 30 * label);
    return { truth, prediction, probabilities, classes: 4, gender: truth.map(() => 1), age };
  };
  const pairs = of(8).truth.map((_, i) => `p${i >> 1}`);
  for (const name of ["balancedAccuracy", "f1", "auc", "macroMae"]) {
    const [metric] = chooseMetrics([name], []);
    assert.equal(await metric.interval(of(3)), undefined, name);
    assert.equal(await metric.interval(of(8), pairs), undefined, `${name}: 4 people`);
    const given = of(12), value = await metric.compute(given);
    for (const people of [undefined, pairs]) {
      const { low, high } = (await metric.interval(given, people))!;
      assert.ok(low < value && value < high, `${name} ${value} (${low}–${high})`);
    }
  }
});

Deno.test("the interval of F1 divides by the same number of classes", async () => {
  // One prediction is of a class that no face has: a third of resamples lack it.
  const truth = Array.from({ length: 100 }, (_, i) => i % 2);
  const given = { truth, prediction: truth.map((label, i) => i === 0 ? 2 : label), classes: 3 };
  const [f1] = chooseMetrics(["f1"], []);
  const { high } = (await f1.interval({ ...given, gender: truth, age: truth }))!;
  assert.ok(high <= 2 / 3, `${high}`);
});

Deno.test("the macro MAE has no groups of unknown gender or age", async () => {
  const all = {
    truth: [20, 30, 40, 70, 25],
    prediction: [23, 29, 50, 64, 65],
    gender: [0, 0, 1, 1, NaN],
    age: [20, 30, 40, NaN, 25],
  };
  near(await compute("macroMae", all, { ageBand: 50 }), (2 + 10) / 2);
  const ungendered = { ...all, gender: all.gender.map(() => NaN) };
  near(await compute("macroMae", ungendered, { ageBand: 50 }), (3 + 1 + 10 + 40) / 4);
  assert.equal(await compute("macroMae", { ...all, age: all.age.map(() => NaN) }), NaN);
});

Deno.test("the interval of the AUC resamples classes and people", async () => {
  const truth = Array.from({ length: 60 }, (_, i) => i % 3);
  const rows = truth.map((label, i) =>
    [0, 1, 2].map((c) => (Number(c === label) + ((i * 7 + c * 5) % 11) / 5) / 10)
  );
  const all = { truth, prediction: truth, probabilities: rows, classes: 3, gender: [], age: [] };
  const [auc] = chooseMetrics(["auc"], []);
  const definition = furtherMetrics.find(({ name }) => name === "auc")!;
  const found = (await auc.interval({ ...all, gender: truth, age: truth }))!;
  // The plain way: the computation on each resample.
  const plain = statisticInterval(60, (drawn) =>
    definition.compute({
      ...all,
      truth: Array.from(drawn, (i) => truth[i]),
      probabilities: Array.from(drawn, (i) => rows[i]),
    }, {}))!;
  near(found.low, plain.low);
  near(found.high, plain.high);
  const one = { ...all, truth: truth.map(() => 1) };
  assert.equal(await auc.interval(one), undefined);
  assert.equal(await auc.interval({ ...one, classes: 2 }), undefined);
});

Deno.test("a plugin's metric without a finite number has no value, one of another type is refused", async () => {
  const all = { truth: [1], prediction: [1], classes: 2, gender: [0], age: [1] };
  const odd = (given: unknown, bounds = [0, 1]) => {
    const answers: Record<string, unknown> = {
      compute: given,
      interval: {
        low: bounds[0],
        high: bounds[1],
        level: 0.95,
        method: "bootstrap",
        unit: "image",
      },
    };
    const metric = defineMetric({
      name: "odd",
      summary: "Odd",
      of: "classes",
      title: "odd",
      unit: "",
      decimals: 3,
      params: z.strictObject({}),
      compute: () => given as number,
    });
    // JSON as of another process.
    const call = <T>(method: string, schema: z.ZodType<T>) =>
      Promise.resolve(schema.parse(JSON.parse(JSON.stringify(answers[method]))));
    return [metric, { ...metric, call }].map((one) => chooseMetrics(["odd"], [one])[0]);
  };
  for (const value of [NaN, Infinity]) {
    for (const metric of odd(value)) assert.equal(await metric.compute(all), NaN);
  }
  const [own, foreign] = odd("0.5", [-Infinity, 1]);
  await assert.rejects(
    own.compute(all),
    /metric "odd": compute\(\) returned "0\.5"\. Return a number/,
  );
  assert.equal(await foreign.interval(all), undefined);
});

Deno.test("an interval of another form is an error that names the metric", async () => {
  const of = (found: unknown) => {
    const params = z.strictObject({});
    const shown = { title: "odd", unit: "", decimals: 3, params };
    const computed = { compute: () => 1, interval: () => found as Interval };
    const own = { name: "odd", summary: "Odd", of: "years" as const, ...shown, ...computed };
    return chooseMetrics(["odd"], [defineMetric(own)])[0].interval({
      truth: [1],
      prediction: [2],
      gender: [0],
      age: [1],
    });
  };
  const whole = { low: 1, high: 2, level: 0.95, method: "bootstrap", unit: "image" };
  assert.deepEqual(await of(whole), whole);
  for (const none of [undefined, { ...whole, low: NaN }]) assert.equal(await of(none), undefined);
  for (
    const wrong of [
      [1, 2],
      "1–2",
      { low: 1, high: 2 },
      { ...whole, low: 3 },
      Promise.resolve(whole),
    ]
  ) {
    await assert.rejects(
      of(wrong),
      /interval of "odd": interval\(\) returned .*Return undefined, or/,
    );
  }
});

Deno.test("metrics have their direction for sweeps, and a name once", () => {
  for (const { name, better } of furtherMetrics) assert.equal(METRIC_DIRECTIONS[name], better);
  const twice = definedChoices("metric", furtherMetrics).safeParse(["rmse", { use: "rmse" }]);
  assert.match(`${twice.error}`, /expected each name once/);
});

Deno.test("evaluate computes further metrics on every split, also a plugin's", async () => {
  // As in JavaScript, without what TypeScript requires: title, unit and decimals.
  const always = defineMetric(
    {
      name: "always",
      summary: "One",
      of: "classes",
      params: z.strictObject({}),
      compute: () => 1,
    } as never,
  );
  using trained = testContext(trainGender);
  const people = Array.from({ length: 40 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
  const dataset = await writeDataset(join(trained.folder, "dataset"), people);
  const counts = { train: 20, validation: 10, test: 10 };
  const splits = await writeSplits(join(trained.folder, "splits"), counts);
  await trained.run({ dataset, splits }, { epochs: 1, batchSize: 10, batchNormMomentum: 0.5 });
  const extension = { kind: "metric", name: "always", summary: "One", module: "plugins/always.ts" };
  using context = testContext(evaluate, { extensions: [{ ...extension, definition: always }] });
  const result = await context.run({
    dataset,
    splits,
    references: [],
    faces: [],
    tables: [],
    archives: [],
    models: [{ ...testArtifact(trained.outputs.model, "model"), stage: "trainGender" }],
  }, { metrics: ["balancedAccuracy", "rmse", "always"] });
  const { trainGender: scores } = result!.metrics!;
  for (const split of ["train", "validation", "test"]) {
    assert.deepEqual(Object.keys(scores[split]), [
      "loss",
      "accuracy",
      "balancedAccuracy",
      "always",
    ]);
  }
  const report = await Deno.readTextFile(join(context.outputs.report, "report.html"));
  const { models } = await readMetrics(context.outputs.report);
  const [balanced] = models.trainGender.further!;
  const { low, high } = balanced.intervals.test!;
  const value = scores.test.balancedAccuracy;
  assert.ok(low <= value && value <= high);
  const range = `${low.toFixed(3)}–${high.toFixed(3)}`;
  assert.match(
    report.replace(/<[^>]*>|\s+/g, " "),
    new RegExp(`balanced accuracy .*${value.toFixed(3)} +${range} +always`),
  );
});

Deno.test("a cumulative score is named with its limit, in years for ages alone", () => {
  const [plain, near] = [["cs"], [{ use: "cs", within: 2 }]].map((one) =>
    chooseMetrics(one, [])[0]
  );
  assert.equal(plain.titleFor("mae"), "cumulative score within 5 years");
  assert.equal(near.titleFor("error"), "cumulative score within 2");
  const [one] = chooseMetrics([{ use: "cs", within: 1 }], []);
  assert.equal(one.titleFor("mae"), "cumulative score within 1 year");
  assert.equal(chooseMetrics(["rmse"], [])[0].titleFor("mae"), "RMSE");
});

Deno.test("neighbors in alphabetical order are a warning, and are named beside the number", () => {
  const metrics = chooseMetrics(["oneOff", "f1"], []), [oneOff] = metrics;
  const groups = ["Asian", "Black", "White"];
  const [warning, ...others] = orderWarnings(metrics, "group", groups);
  assert.match(warning, /oneOff of group takes .* alphabetical order\. Leave/);
  assert.deepEqual(others, []);
  assert.equal(oneOff.titleFor("accuracy", groups), "1-off accuracy, alphabetical neighbors");
  // Ranges, ranks, two classes, and no classes.
  for (const classes of [["0–19", "20–39", "40+"], ["1 low", "2 high"], ["no", "yes"], undefined]) {
    assert.deepEqual(orderWarnings(metrics, "one", classes), []);
    assert.equal(oneOff.titleFor("accuracy", classes), "1-off accuracy");
  }
});

Deno.test("training stages compute further metrics of the validation set after each epoch", async () => {
  // Accuracy and MAE once more, so that the column has to equal val_metric.
  const again = (of: "classes" | "years") =>
    defineMetric({
      name: `${of}Again`,
      summary: "",
      title: "",
      of,
      unit: "",
      decimals: 2,
      better: of === "classes" ? "more" : "less",
      params: z.strictObject({}),
      compute: ({ truth, prediction }) =>
        mean((of === "classes" ? isCorrect : absoluteErrors)(truth, prediction)),
    });
  const extensions = [again("classes"), again("years")].map((definition) => ({
    kind: "metric",
    name: definition.name,
    summary: "",
    module: "plugins/again.ts",
    definition,
  }));
  const people = Array.from({ length: 40 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
  const run = async (stage: typeof trainGender, params: object, options: object = {}) => {
    const context = testContext(stage as never, { extensions, ...options });
    // A killed training keeps its checkpoint.
    using _folder = "signal" in options ? undefined : context;
    const dataset = await writeDataset(join(context.folder, "dataset"), people);
    const counts = { train: 20, validation: 15, test: 5 };
    const splits = await writeSplits(join(context.folder, "splits"), counts);
    const conv2d = { filters: 4, kernelSize: 3, strides: 4, activation: "relu" };
    const network = { use: "layers", layers: [{ conv2d }, { flatten: {} }] };
    const quick = { epochs: 2, batchSize: 10, network };
    await context.run({ dataset, splits }, { ...quick, ...params });
    const outputs = Object.values(context.outputs);
    const texts = await Promise.all(
      outputs.map((folder) => Deno.readTextFile(join(folder, "history.csv"))),
    );
    const epochs = (await Promise.all(outputs.map(readHistory))) as unknown as Record<
      string,
      number
    >[][];
    const events = await Promise.all(outputs.map((folder) =>
      Array.fromAsync(
        Deno.readDir(join(folder, "tensorboard/validation")),
        ({ name }) => Deno.readTextFile(join(folder, "tensorboard/validation", name)),
      )
    ));
    return { texts, epochs, infos: context.infos.join("\n"), events: events.flat().join("\n") };
  };
  const columns = "epoch,loss,metric,val_loss,val_metric,learning_rate";
  const plain = await run(trainGender, {});
  const averaged = { optimizer: { averaging: 0.9 } };
  for (const [params, options] of [[{}], [averaged], [{}, { compute: "cpu" }]]) {
    const chosen = { ...params, metrics: ["auc", "classesAgain"] };
    const { texts: [text], epochs: [epochs], infos, events } = await run(
      trainGender,
      chosen,
      options,
    );
    assert.equal(text.split("\n")[0], `${columns},val_auc,val_classesAgain`);
    assert.equal(epochs.length, 2);
    for (const epoch of epochs) near(epoch.val_classesAgain, epoch.val_metric);
    assert.match(infos, /val_accuracy \S+ val_auc \S+ val_classesAgain \S+ learning_rate/);
    assert.match(events, /epoch_auc[^]*epoch_classesAgain/);
    if (params === averaged || options) continue;
    const first = text.split("\n").map((line) => line.split(",").slice(0, 6).join(","));
    assert.equal(first.join("\n"), plain.texts[0]);
  }
  // A training that resumes reads the first epoch's metrics from its checkpoint.
  const whole = await run(trainGender, { metrics: ["auc"] });
  const abort = new AbortController();
  let steps = 0;
  const onAdvance = () => ++steps === 3 && abort.abort(new Error("killed"));
  const folder = await Deno.makeTempDir({ prefix: "killed-" });
  const killed = { folder, signal: abort.signal, onAdvance };
  await assert.rejects(run(trainGender, { metrics: ["auc"] }, killed), /killed/);
  const resumed = await run(trainGender, { metrics: ["auc"] }, { folder });
  assert.deepEqual(resumed.texts, whole.texts);
  const joint = await run(trainJoint as never, { metrics: ["classesAgain", "yearsAgain"] });
  const [gender, age] = joint.epochs;
  for (const epoch of gender) near(epoch.val_classesAgain, epoch.val_metric);
  for (const epoch of age) {
    assert.ok(Math.abs(epoch.val_yearsAgain - epoch.val_metric) < 1e-3 * epoch.val_metric);
  }
  assert.deepEqual(joint.texts.map((text) => text.split("\n")[0]), [
    `${columns},val_classesAgain`,
    `${columns},val_yearsAgain`,
  ]);
  assert.match(joint.infos, /val_gender_classesAgain .*val_age_yearsAgain/);
  // Early stopping by a further metric is that by the equal primary one; of the worst, the other way.
  const stopping = async (monitor: string, metrics: string[], stage: unknown = trainGender) => {
    const earlyStopping = { monitor, patience: 1, restoreBest: true };
    const params = { epochs: 8, optimizer: { learningRate: 0.03 }, metrics, earlyStopping };
    const { texts: [text] } = await run(stage as never, params);
    return text.trimEnd().split("\n").map((line) => line.split(",").slice(0, 6).join(","));
  };
  const primary = await stopping("val_metric", []);
  assert.deepEqual(await stopping("val_classesAgain", ["classesAgain"]), primary);
  assert.ok(primary.length < 9, "stopped early");
  await stopping("val_rmse", ["rmse"], trainJoint);
  await assert.rejects(stopping("val_auc", ["f1"]), /Cannot stop early by "val_auc": .*val_f1, or/);
  await assert.rejects(
    stopping("val_bias", ["bias"], trainJoint),
    /Cannot stop early by "val_bias"/,
  );
  await assert.rejects(
    run(trainGender, { metrics: ["rmse"] }),
    /Cannot train gender: metrics names "rmse", which is of years/,
  );
});

Deno.test("a metric with several options is told apart everywhere by these", async () => {
  const [two, half] = [2, 30.5].map((within) => ({ use: "cs", within }));
  const keys = (...written: (string | typeof two)[]) => metricKeys(written);
  assert.deepEqual(keys("cs"), ["cs"]);
  assert.deepEqual(keys(two), ["cs"]);
  assert.deepEqual(keys("cs", two, half, "cs5"), ["cs", "cs@2", "cs@30.5", "cs5"]);
  const odd = { use: "odd", of: ["a,b", 1], deep: { ok: true } };
  assert.deepEqual(metricKeys([odd, { use: "odd", of: [] }]), ["odd@a_b_1_ok_true", "odd"]);
  const names = ["cs", "cs5", half, "macroMae", "rmse", "odd", odd].map(printedName);
  assert.deepEqual(names, [
    ...["cs@5", "cs@5", "cs@30.5", "macroMae@10", "rmse", "odd", "odd@a_b_1_ok_true"],
  ]);
  for (const twice of [[two, two], ["cs", { use: "cs", within: 5 }], ["rmse", "rmse"]]) {
    const { error } = metricsParam.safeParse(twice);
    assert.match(`${error}`, /expected each name once with the same options/);
  }
  const bands = [5, 20].map((ageBand) => ({ use: "macroMae", ageBand }));
  assert.deepEqual(chooseMetrics(bands, []).map(({ titleFor }) => titleFor("mae")), [
    ...["macro MAE, ageBand=5", "macro MAE, ageBand=20"],
  ]);

  using trained = testContext(trainAge);
  const people = Array.from({ length: 40 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
  const dataset = await writeDataset(join(trained.folder, "dataset"), people);
  const counts = { train: 20, validation: 10, test: 10 };
  const splits = await writeSplits(join(trained.folder, "splits"), counts);
  const earlyStopping = { monitor: "val_cs@30.5", patience: 1 };
  const { metrics } = (await trained.run({ dataset, splits }, {
    ...{ epochs: 3, batchSize: 10, metrics: [two, half], earlyStopping },
    network: { use: "layers", layers: [{ flatten: {} }] },
  }))!;
  const [header] = (await Deno.readTextFile(join(trained.outputs.model, "history.csv"))).split(
    "\n",
  );
  assert.match(header, /,learning_rate,val_cs@2,val_cs@30\.5$/);
  assert.deepEqual(Object.keys(metrics!["*"].validation), ["mae", "cs@2", "cs@30.5"]);
  const folder = join(trained.outputs.model, "tensorboard/validation");
  for await (const { name } of Deno.readDir(folder)) {
    assert.match(await Deno.readTextFile(join(folder, name)), /epoch_cs@2[^]*epoch_cs@30\.5/);
  }

  using context = testContext(evaluate);
  const none = { references: [], faces: [], tables: [], archives: [] };
  const models = [{ ...testArtifact(trained.outputs.model, "model"), stage: "trainAge" }];
  await context.run({ dataset, splits, models, ...none }, { metrics: [half, "cs", two] });
  const { trainAge: scores } = (await readMetrics(context.outputs.report)).models;
  assert.deepEqual(Object.keys(scores.test), ["loss", "mae", "cs@30.5", "cs", "cs@2"]);
  for (const file of ["report.html", "MODEL_CARD.md"]) {
    const text = await Deno.readTextFile(join(context.outputs.report, file));
    for (const limit of [2, 5, 30.5]) assert.ok(text.includes(`within ${limit} years`), file);
  }
});

Deno.test("a monitored metric that no epoch has is a warning where it chose the weights", async () => {
  const warned = async (patience: number, restoreBest: boolean) => {
    using context = testContext(trainGender);
    const people = Array.from({ length: 30 }, (_, i) => ({ age: i, gender: i < 20 ? i % 2 : 1 }));
    const dataset = await writeDataset(join(context.folder, "dataset"), people);
    const counts = { train: 20, validation: 10, test: 0 };
    const splits = await writeSplits(join(context.folder, "splits"), counts);
    await context.run({ dataset, splits }, {
      network: { use: "layers", layers: [{ flatten: {} }] },
      epochs: 4,
      metrics: ["auc"],
      earlyStopping: { monitor: "val_auc", patience, restoreBest },
    });
    return context.warnings.filter((line) => line.startsWith("val_auc of earlyStopping")).join();
  };
  const chance =
    /has a value in no epoch.*: the weights of epoch 2 were not chosen by it\. Monitor/;
  assert.match(await warned(1, false), chance);
  assert.match(await warned(3, true), /weights of epoch 1 were not/);
  assert.equal(await warned(3, false), "");
});

Deno.test("a metric that sorts what it gets leaves predictions as they are", async () => {
  const sorts = defineMetric({
    name: "sorts",
    summary: "Largest probability of the largest prediction",
    title: "sorts",
    of: "classes",
    unit: "",
    better: "more",
    decimals: 3,
    params: z.strictObject({}),
    compute: ({ prediction, probabilities }) => {
      const [last] = (probabilities as Float32Array[]).map((row) => row.sort()).reverse();
      return (prediction as Float32Array).sort()[0] + last[1];
    },
  });
  const [metric] = chooseMetrics(["sorts"], [sorts]);
  const given = () => ({
    truth: Float32Array.of(1, 0, 1, 0, 1),
    prediction: Float32Array.of(1, 0, 1, 1, 0),
    probabilities: [0.9, 0.2, 0.8, 0.7, 0.1].map((p) => Float32Array.of(p, 1 - p)),
    classes: 2,
    gender: new Float32Array(5),
    age: new Float32Array(5),
  });
  const all = given();
  await metric.compute(all);
  await metric.interval(all);
  assert.deepEqual(all, given());
});
