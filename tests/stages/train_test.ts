import assert from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import { random } from "../../packages/random/random.ts";
import trainAge from "../../stages/trainAge.ts";
import evaluate from "../../stages/evaluate.ts";
import trainGender from "../../stages/trainGender.ts";
import trainJoint from "../../stages/trainJoint.ts";
import type { Stage, StageResult } from "../../packages/pipeline/stage.ts";
import { buildGender2021 } from "../models/build_2021.ts";
import { compareWithConstant } from "../../faces/training/constant_baseline.ts";
import { openTrainer } from "../../faces/training/open_trainer.ts";
import { classification } from "../faces/training/plain_objectives.ts";
import { defineNetwork } from "../../faces/training/training_definitions.ts";
import { genderClasses } from "../../faces/training/targets.ts";
import { testArtifact, type TestContext, testContext } from "../context.ts";
import { damageEach } from "../damages.ts";
import { preprocessing, writeDataset, writeSplits } from "./training_data.ts";

const people = Array.from({ length: 60 }, (_, i) => {
  const rng = random(1, "person", i);
  return { age: rng.int(100), gender: rng.int(2) };
});
const quick = { epochs: 2, batchSize: 16, batchNormMomentum: 0.5 };

async function trainOn(
  context: TestContext,
  params: Record<string, unknown>,
): Promise<StageResult> {
  const result = await context.run({
    dataset: await writeDataset(join(context.folder, "dataset"), people),
    splits: await writeSplits(join(context.folder, "splits"), {
      train: 40,
      validation: 10,
      test: 10,
    }),
  }, params);
  return result ?? {};
}

function read(context: TestContext, output = "model"): Record<string, string> {
  const files: Record<string, string> = {};
  for (const { name, isFile } of Deno.readDirSync(context.outputs[output])) {
    if (!isFile) continue;
    files[name] = new TextDecoder("latin1").decode(
      Deno.readFileSync(join(context.outputs[output], name)),
    );
  }
  return files;
}

Deno.test("trainGender leaves model.onnx as well if its export asks for it", async () => {
  using context = testContext(trainGender, { seed: 7 });
  await trainOn(context, { ...quick, epochs: 1, export: ["onnx"] });
  const files = read(context);
  assert.match(files["model.onnx"], /images: uint8 \[batch, 32, 32, 3\]/);
  assert.deepEqual(JSON.parse(files["training.json"]).params.export, ["onnx"]);
});

Deno.test("a training begins anew where its checkpoint is damaged, in whatever way", async () => {
  const params = { ...quick, batchSize: 40 }; // one step an epoch
  using whole = testContext(trainGender, { seed: 7 });
  await trainOn(whole, params);
  const abort = new AbortController();
  const onAdvance = () => abort.abort(new Error("interrupted"));
  using first = testContext(trainGender, { seed: 7, signal: abort.signal, onAdvance });
  await assert.rejects(trainOn(first, params), /interrupted/);
  await damageEach(first.scratch, read(whole), async () => {
    using again = testContext(trainGender, { seed: 7 });
    Object.assign(again, { scratch: first.scratch });
    await trainOn(again, params);
    return { made: read(again), infos: again.infos };
  });
});

Deno.test("a network that ends as a whole one does, before the head, is a warning", async () => {
  const warned = async (units: number, activation: string) => {
    using context = testContext(trainGender);
    const layers = [{ flatten: {} }, { dense: { name: "mine", units, activation } }];
    await trainOn(context, { ...quick, network: { use: "layers", layers } });
    return context.warnings.filter((warning) => /ends with "mine", a \w+ of 2 units/.test(warning));
  };
  assert.equal((await warned(2, "sigmoid")).length, 1);
  assert.deepEqual([await warned(3, "sigmoid"), await warned(2, "relu")], [[], []]);
  const named = { name: "whole", summary: "Ends in a softmax" };
  const definition = defineNetwork({
    ...named,
    params: z.strictObject({}),
    trunk: (_, { layers }) => [
      ...[layers.flatten({ name: "flat" }), layers.dense({ name: "two", units: 2 })],
      layers.softmax({ name: "mine" }),
    ],
  });
  const whole = { ...named, kind: "network", module: "plugins/whole.ts", definition };
  using context = testContext(trainGender, { extensions: [whole] });
  await trainOn(context, { ...quick, network: { use: "whole" } });
  assert.match(context.warnings.join(), /ends with "mine", a softmax of 2 units/);
});

Deno.test("trainGender writes a model artifact, the same bytes each time", async () => {
  using context = testContext(trainGender, { seed: 7 });
  await trainOn(context, quick);
  const files = read(context);
  assert.deepEqual(Object.keys(files).sort(), [
    "history.csv",
    "model.json",
    "training.json",
    "weights.bin",
  ]);
  const curves = join(context.outputs.model, "tensorboard");
  assert.deepEqual(Deno.readDirSync(curves).map(({ name }) => name).toArray().sort(), [
    "train",
    "validation",
  ]);
  const lines = files["history.csv"].trimEnd().split("\n");
  assert.equal(lines[0], "epoch,loss,metric,val_loss,val_metric,learning_rate");
  assert.equal(lines.length, 3);
  const record = JSON.parse(files["training.json"]);
  assert.deepEqual(record.classes, [{ label: "female" }, { label: "male" }]);
  assert.deepEqual(record.preprocessing, preprocessing);
  assert.deepEqual(record.counts, { train: 40, validation: 10 });
  assert.deepEqual(record.input, { size: 32, channels: "RGB", divisor: 255 });
  const { task, variant, metric, loss, seed, backend, epochs, weights } = record;
  assert.deepEqual({ task, variant, metric, loss, seed, backend, epochs, weights }, {
    task: "gender",
    variant: "binary",
    metric: "accuracy",
    loss: "categorical_crossentropy",
    seed: 7,
    backend: "wasm",
    epochs: 2,
    weights: 484450,
  });
  assert.equal(record.params.earlyStopping.patience, 3);
  assert.equal(context.done.items, context.done.total);
  assert.match(context.infos.at(-1)!, /^trained for 2 epochs; weights of epoch 2: val_loss /);

  using again = testContext(trainGender, { seed: 7 });
  await trainOn(again, quick);
  assert.deepEqual(read(again), files);
});

Deno.test("trainGender killed in the second epoch goes on from the first, to the same bytes", async () => {
  using whole = testContext(trainGender);
  await trainOn(whole, quick);
  const abort = new AbortController();
  let steps = 0;
  const killed = testContext(trainGender, {
    signal: abort.signal,
    onAdvance: () => {
      if (++steps === 4) abort.abort(new Error("killed")); // 3 steps an epoch
    },
  });
  await assert.rejects(trainOn(killed, quick), /killed/);
  let resumed = 0;
  using context = testContext(trainGender, {
    folder: killed.folder,
    onAdvance: () => void resumed++,
  });
  await trainOn(context, quick);
  assert.equal(resumed, 3);
  assert.deepEqual(read(context), read(whole));
});

/** The files of a folder and below, by path. */
function filesOf(folder: string, files: Record<string, string> = {}, at = ""): typeof files {
  for (const { name, isFile } of Deno.readDirSync(join(folder, at))) {
    const path = join(at, name);
    if (isFile) files[path] = Deno.readTextFileSync(join(folder, path));
    else filesOf(folder, files, path);
  }
  return files;
}

Deno.test("a training's curves can be followed, also over a kill, and are the model's in the end", async () => {
  for (
    const [stage, tasks] of [[trainGender, ["model"]], [trainJoint, ["gender", "age"]]] as const
  ) {
    const settings = { epochs: 3, batchSize: 16 };
    const seen: Record<string, string>[] = [];
    const abort = new AbortController();
    const follow = (steps: number) => () => {
      const scratch = join(context.folder, "scratch");
      if (++steps % 3 === 0) seen.push(...tasks.map((task) => filesOf(join(scratch, task))));
      if (steps === 4) abort.abort(new Error("killed")); // 3 steps an epoch
    };
    let context = testContext(stage as Stage, { signal: abort.signal, onAdvance: follow(0) });
    await assert.rejects(trainOn(context, settings), /killed/);
    // A kill may leave part of a line.
    const torn = join(context.folder, "scratch", tasks[0], "history.csv");
    await Deno.writeTextFile(torn, "2,0.5", { append: true });
    context = testContext(stage as Stage, { folder: context.folder, onAdvance: follow(6) });
    await trainOn(context, settings);
    assert.equal(seen.length, 3 * tasks.length);
    for (const [i, live] of seen.entries()) {
      const model = context.outputs[tasks[i % tasks.length]];
      const epoch = 1 + Math.floor(i / tasks.length);
      assert.equal(live["history.csv"].trimEnd().split("\n").length, 1 + epoch);
      for (const [path, text] of Object.entries(live)) {
        const whole = await Deno.readTextFile(join(model, path));
        assert.ok(whole.startsWith(text) && text.length > 0, path);
        if (epoch === 3) assert.equal(text, whole);
      }
    }
    const epochs = context.infos.filter((line) => line.startsWith("epoch "));
    assert.equal(epochs.length, 2, "the epochs since the kill");
    assert.match(epochs[1], /^epoch 3\/3 loss .* val_loss .* learning_rate /);
    if (stage === trainJoint) {
      assert.match(
        epochs[1],
        /gender_accuracy \S+ age_mae .* val_age_mae /,
      );
    }
    context[Symbol.dispose]();
  }
});

Deno.test("a training logs and records what computed it", async () => {
  using context = testContext(trainGender);
  const result = await trainOn(context, { ...quick, epochs: 1, metrics: ["f1"] });
  assert.match(
    context.infos[0],
    /^training on engine, \d threads?$/,
  );
  assert.match(result.observed!.computedBy as string, /^engine, \d threads?$/);
  const { gender } = result.observed!.validation as Record<string, { val_metric: number }>;
  const [header, epoch] = read(context)["history.csv"].split("\n").map((line) => line.split(","));
  const f1 = Number(epoch[header.indexOf("val_f1")]);
  const validation = { accuracy: gender.val_metric, f1 };
  assert.deepEqual(result.metrics, { "*": { validation } });
  using other = testContext(trainGender, { compute: "node" });
  const model = buildGender2021({ size: 32, classes: 2, seed: 1 });
  const options = { model, objective: classification(2), learningRate: 0.1, batchSize: 4 };
  const trainer = await openTrainer(options, other);
  assert.equal(trainer.computedBy, "TensorFlow.js (wasm): the engine needs compute: wasm");
  await trainer.close();
  model.dispose();
});

Deno.test("a training that is worse on validation than the constant baseline warns and records it", async () => {
  type Validation = Record<
    string,
    { val_metric: number; constantBaseline: number; worse: boolean }
  >;
  const ages = people.map(({ age }) => age);
  const middle = ages.slice(0, 40).sort((a, b) => a - b);
  const median = (middle[19] + middle[20]) / 2;
  const mae = ages.slice(40, 50).reduce((sum, age) => sum + Math.abs(age - median), 0) / 10;
  using bad = testContext(trainAge);
  const { observed } = await trainOn(bad, { ...quick, learningRate: 0.9 });
  const { age } = observed!.validation as Validation;
  assert.ok(age.worse && age.val_metric > mae);
  assert.ok(Math.abs(age.constantBaseline - mae) < 1e-9, `${age.constantBaseline} ${mae}`);
  assert.match(bad.warnings.at(-1)!, /the constant baseline \(median of the training set\) has/);
  assert.match(
    bad.warnings.at(-1)!,
    /Take more steps \(smaller batchSize, .* lower learningRate \(now 0.9\)/,
  );
  assert.ok(Math.abs(JSON.parse(read(bad)["training.json"]).constantBaseline - mae) < 1e-9);
});

Deno.test("compareWithConstant() warns of the worse only, whichever direction that is", async () => {
  const rows = { train: Int32Array.of(0, 1, 2, 3, 4), validation: Int32Array.of(5, 6, 7, 8) };
  const targets = [1, 0, 1, 0, 1, 1, 1, 0, 1];
  const compare = async (metric: "accuracy" | "mae", val_metric: number) => {
    const warnings: string[] = [];
    const about = { task: "gender", metric, learningRate: 0.1 };
    const context = { warn: (message: string) => void warnings.push(message), info() {} };
    const compared = await compareWithConstant(
      about,
      { epoch: 2, val_metric },
      targets,
      rows,
      context,
    );
    return [compared.constantBaseline, compared.worse, warnings.length];
  };
  assert.deepEqual(await compare("accuracy", 0.5), [0.75, true, 1]);
  assert.deepEqual(await compare("accuracy", 0.75), [0.75, false, 0]);
  assert.deepEqual(await compare("mae", 0.25), [0.25, false, 0]);
  assert.deepEqual(await compare("mae", 0.3), [0.25, true, 1]);
});

Deno.test("compareWithConstant() does not call a network worse that is better in balanced accuracy", async () => {
  const targets = Array.from({ length: 200 }, (_, i) => Number(i % 10 === 0));
  const rows = {
    train: Int32Array.from({ length: 100 }, (_, i) => i),
    validation: new Int32Array(),
  };
  rows.validation = rows.train.map((row) => row + 100);
  const compare = async (predicted: (label: number, i: number) => number) => {
    const infos: string[] = [], warnings: string[] = [];
    const context = {
      info: (message: string) => void infos.push(message),
      warn: (message: string) => void warnings.push(message),
    };
    const about = { task: "child", metric: "accuracy", learningRate: 0.1 } as const;
    const predict = (some: Int32Array) =>
      Promise.resolve({
        prediction: Array.from(some, (row, i) => predicted(targets[row], i)),
        people: Array.from(some, String),
      });
    const epoch = { epoch: 2, val_metric: 0.8 };
    const { worse } = await compareWithConstant(about, epoch, targets, rows, context, [], predict);
    return { worse, infos, warnings };
  };
  const useful = await compare((label, i) => i % 5 === 1 ? 1 - label : label);
  assert.deepEqual([useful.worse, useful.warnings], [false, []]);
  assert.match(
    useful.infos.join(),
    /^child is better .* in balanced accuracy alone, 0\.889 \(a constant has 0\.500\)\. .*0\.800, .*0\.900/,
  );
  const useless = await compare((_, i) => Number(i % 5 === 1));
  assert.deepEqual([useless.worse, useless.warnings.length, useless.infos], [true, 1, []]);
});

Deno.test("compareWithConstant() raises the learning rate of ages that are still near 0", async () => {
  const rows = { train: Int32Array.of(0, 1, 2), validation: Int32Array.of(3, 4) };
  const adviceOf = async (targets: number[], val_metric: number, task = "age") => {
    const warnings: string[] = [];
    const about = { task, metric: "mae", learningRate: 0.1 } as const;
    const context = { warn: (message: string) => void warnings.push(message), info() {} };
    await compareWithConstant(about, { epoch: 2, val_metric }, targets, rows, context);
    return /has (.*), or check/.exec(warnings[0])![1];
  };
  const raise = /^4\.00, predictions of 0 have 54\.0\. Take .*, raise learningRate \(now 0\.1\)$/;
  assert.match(await adviceOf([40, 50, 60, 50, 58], 53), raise);
  assert.match(await adviceOf([40, 50, 60, 50, 58], 150), /^4\.00\. Take .*, lower learningRate/);
  assert.match(await adviceOf([-40, -50, -60, -50, -58], 53), /raise/);
  assert.match(await adviceOf([-1, 0, 1, 1, -1], 1.2), /^1\.00\. Take .*, lower/);
  // They are standardized, so that 0 is their mean.
  assert.match(await adviceOf([40, 50, 60, 50, 58], 53, "score"), /^4\.00\. Take .*, lower/);
});

Deno.test("what the engine lacks trains on TensorFlow.js, and the record names it", async () => {
  const by = async (params: object) => {
    using context = testContext(trainGender);
    const { observed } = await trainOn(context, { ...quick, epochs: 1, ...params });
    return observed!.computedBy as string;
  };
  assert.match(await by({ optimizer: "adam", schedule: "linear", augment: {} }), /^engine/);
  assert.match(await by({ optimizer: { averaging: 0.9 } }), /^engine/);
  for (const optimizer of [{ use: "sgd", momentum: 0.9, nesterov: true }, "rmsprop"]) {
    assert.match(await by({ optimizer }), /^engine/);
  }
  assert.match(await by({ optimizer: { clipNorm: 1 } }), /^engine/);
  const layers = [{ flatten: {} }, { dense: { units: 4, activation: "tanh" } }];
  const network = (...first: object[]) => ({
    network: { use: "layers", layers: [...first, ...layers] },
  });
  assert.match(await by(network()), /^engine/);
  assert.match(await by(network({ zeroPadding2d: {} })), /^TensorFlow.js .*: .*ZeroPadding2D/);
});

Deno.test("trainAge trains each variant", async () => {
  const outputs = { regression: null, multiclass: 8, binary: 2 };
  for (const [variant, classes] of Object.entries(outputs)) {
    using context = testContext(trainAge);
    await trainOn(context, { ...quick, epochs: 1, variant });
    const record = JSON.parse(read(context)["training.json"]);
    assert.equal(record.task, "age");
    assert.equal(record.variant, variant);
    assert.equal(record.metric, classes === null ? "mae" : "accuracy");
    assert.equal(record.classes?.length ?? null, classes);
  }
});

Deno.test("trainJoint writes a model of each task, the same bytes also after a kill", async () => {
  const quick = { epochs: 2, batchSize: 16, export: ["onnx"] };
  using whole = testContext(trainJoint, { seed: 7 });
  await trainOn(whole, quick);
  const files = { gender: read(whole, "gender"), age: read(whole, "age") };
  for (const task of ["gender", "age"] as const) {
    const record = JSON.parse(files[task]["training.json"]);
    assert.equal(record.task, task);
    assert.equal(record.metric, task === "gender" ? "accuracy" : "mae");
    assert.equal(record.variant, task === "gender" ? "binary" : "regression");
    assert.deepEqual(record.classes, task === "gender" ? [...genderClasses] : null);
    assert.ok(files[task]["model.onnx"].length > 1e6);
    assert.deepEqual(record.input, { size: 32, channels: "RGB", divisor: 255, mirror: true });
    assert.equal(files[task]["history.csv"].trimEnd().split("\n").length, 3);
  }
  assert.match(
    whole.infos.at(-1)!,
    /gender val_accuracy 0\.\d+, age val_mae \d.* 4\d\d,\d{3} parameters/,
  );

  const abort = new AbortController();
  let steps = 0;
  const killed = testContext(trainJoint, {
    seed: 7,
    signal: abort.signal,
    onAdvance: () => {
      if (++steps === 4) abort.abort(new Error("killed")); // 3 steps an epoch
    },
  });
  await assert.rejects(trainOn(killed, quick), /killed/);
  using resumed = testContext(trainJoint, { seed: 7, folder: killed.folder });
  await trainOn(resumed, quick);
  assert.deepEqual({ gender: read(resumed, "gender"), age: read(resumed, "age") }, files);
});

Deno.test("trainJoint trains the report's layers, and says of age what evaluate can judge", async () => {
  using context = testContext(trainJoint);
  await trainOn(context, {
    network: "report",
    age: "years",
    weights: { age: 0.05 },
    schedule: "constant",
    epochs: 1,
    batchSize: 16,
    mirror: false,
  });
  assert.match(context.infos.join("\n"), /^network gender2021: [\d,]+ parameters/m);
  using judged = testContext(evaluate);
  const inputs = join(context.folder, "dataset");
  await judged.run({
    dataset: testArtifact(inputs, "dataset"),
    splits: testArtifact(join(context.folder, "splits"), "splits"),
    models: (["gender", "age"] as const).map((output) => ({
      ...context.artifact(output),
      stage: `trainJoint.${output}`,
    })),
    references: [],
    faces: [],
    tables: [],
    archives: [],
  });
  const { models } = JSON.parse(
    await Deno.readTextFile(join(judged.outputs.report, "metrics.json")),
  );
  assert.deepEqual(Object.keys(models), ["trainJoint.gender", "trainJoint.age"]);
  const history = read(context, "age")["history.csv"].trimEnd().split("\n")[1].split(",");
  // What was validated in training, with both heads in one network, is what the age model says.
  assert.ok(Math.abs(models["trainJoint.age"].validation.mae / Number(history[4]) - 1) < 1e-3);
});

Deno.test("trainGender warns of settings under which batch normalisation never warms up", async () => {
  using context = testContext(trainGender);
  await trainOn(context, { epochs: 4, batchSize: 64 });
  assert.match(context.warnings[0], /batchNormMomentum 0.99 needs about 230 steps/);
});

Deno.test("trainGender, trainAge have the report's settings as defaults, each described", () => {
  const defaults = z.parse(trainGender.params, {});
  assert.deepEqual(defaults, {
    batchSize: 64,
    epochs: 20,
    learningRate: 0.001,
    earlyStopping: { monitor: "val_loss", patience: 3, restoreBest: false },
    batchNormMomentum: 0.99,
    dropout: 0.25,
    export: [],
    initializer: "glorotUniform",
    leaveOut: [],
  });
  assert.equal(z.parse(trainAge.params, {}).variant, "regression");
  for (const { params } of [trainGender, trainAge, trainJoint]) {
    const schema = z.toJSONSchema(params, { io: "input", target: "draft-07" });
    assert.equal(schema.required, undefined, "every parameter may be left out");
    for (const [name, property] of Object.entries(schema.properties!)) {
      assert.ok((property as { description?: string }).description, name);
    }
  }
  assert.throws(() => z.parse(trainGender.params, { leaveOut: [100] }));
  assert.throws(() => z.parse(trainGender.params, { earlyStoping: {} }));
});

Deno.test("a training set of one class is a warning, as its accuracy of 1 means nothing; so are ages that a loss lacks", async () => {
  const women = people.map(({ age }) => ({ age, gender: 0 }));
  const old = people.map((one, i) => i < 3 ? { ...one, age: 112 } : one);
  for (
    const [stage, all, message, params] of [
      [
        trainGender,
        women,
        /^gender is "female" for all images of the training set: no network can/,
      ],
      [trainGender, people, undefined],
      [
        trainAge,
        old,
        /^the loss of age learns ages above 110 as 110: 3 images of the training set\. Use mae, mse/,
        { loss: "ordinal" },
      ],
      [trainAge, old, undefined],
    ] as const
  ) {
    using context = testContext(stage, { seed: 7 });
    await context.run({
      dataset: await writeDataset(join(context.folder, "dataset"), [...all]),
      splits: await writeSplits(join(context.folder, "splits"), {
        train: 40,
        validation: 10,
        test: 10,
      }),
    }, { ...quick, epochs: 1, earlyStopping: { patience: 9 }, ...params });
    const found = context.warnings.filter((warning) => /all images|learns ages/.test(warning));
    if (message) assert.match(found.join(), message);
    else assert.deepEqual(found, []);
  }
});
