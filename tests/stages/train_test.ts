import assert from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import { random } from "../../compute/random.ts";
import trainAge from "../../stages/trainAge.ts";
import evaluate from "../../stages/evaluate.ts";
import trainGender from "../../stages/trainGender.ts";
import trainJoint from "../../stages/trainJoint.ts";
import { genderClasses } from "../../training/targets.ts";
import { testArtifact, type TestContext, testContext } from "../context.ts";
import { damageEach } from "../damages.ts";
import { preprocessing, writeDataset, writeSplits } from "./trainingData.ts";

const people = Array.from({ length: 60 }, (_, i) => {
  const rng = random(1, "person", i);
  return { age: rng.int(100), gender: rng.int(2) };
});
const quick = { epochs: 2, batchSize: 16, batchNormMomentum: 0.5 };

async function trainOn(context: TestContext, params: Record<string, unknown>): Promise<void> {
  await context.run({
    dataset: await writeDataset(join(context.folder, "dataset"), people),
    splits: await writeSplits(join(context.folder, "splits"), {
      train: 40,
      validation: 10,
      test: 10,
    }),
  }, params);
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
  assert.equal(lines[0], "epoch,loss,metric,val_loss,val_metric");
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
  assert.match(context.infos[0], /^trained for 2 epochs; weights of epoch 2: val_loss /);

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
  assert.match(whole.infos[0], /gender val_accuracy 0\.\d+, age val_mae \d.* 4\d\d,\d{3} weights/);

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
    ...{ network: "report", age: "years", weights: { age: 0.05 }, schedule: "constant" },
    ...{ epochs: 1, batchSize: 16, mirror: false },
  });
  using judged = testContext(evaluate);
  const inputs = join(context.folder, "dataset");
  await judged.run({
    dataset: testArtifact(inputs, "dataset"),
    splits: testArtifact(join(context.folder, "splits"), "splits"),
    models: (["gender", "age"] as const).map((output) => ({
      ...context.artifact(output),
      stage: `trainJoint.${output}`,
    })),
    ...{ references: [], faces: [], tables: [], archives: [] },
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
  assert.match(context.warnings[0], /batchNormMomentum 0.99 needs some 230 steps/);
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
