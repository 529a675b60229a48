import assert from "node:assert/strict";
import { join } from "node:path";
import { checkModels, importedFolder, modelFacts } from "../../../faces/training/trained_models.ts";
import { loadModel } from "../../../faces/training/model_files.ts";
import importModel from "../../../stages/importModel.ts";
import trainAge from "../../../stages/trainAge.ts";
import trainGender from "../../../stages/trainGender.ts";
import trainJoint from "../../../stages/trainJoint.ts";
import { digestFolder } from "../../../packages/pipeline/digest.ts";
import { History } from "../../../packages/pipeline/history.ts";
import type { Stage } from "../../../packages/pipeline/stage.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { testContext } from "../../context.ts";
import { readRecord } from "../../../faces/training/training_record.ts";
import { writeDataset, writeSplits } from "../../stages/training_data.ts";
import { OUTCOME } from "../../outcome.ts";

const initFacts = (init: string | { from: string } | undefined, artifacts: string) =>
  modelFacts({ init }, { artifacts });
const people = Array.from({ length: 24 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
const network = { use: "plain", blocks: [[4], [6]], dense: [8] };
const quick = { network, epochs: 1, batchSize: 8, batchNormMomentum: 0.5 };

async function train(stage: Stage, params: object) {
  const context = testContext(stage);
  const splits = { train: 16, validation: 8, test: 0 };
  const result = await context.run({
    dataset: await writeDataset(join(context.folder, "dataset"), people),
    splits: await writeSplits(join(context.folder, "splits"), splits),
  }, { ...quick, ...params });
  return { context, computedBy: result!.observed!.computedBy as string };
}

async function weightsOf(folder: string): Promise<Record<string, number[]>> {
  const { model } = await loadModel(folder);
  const values = Object.fromEntries(
    model.weights.map((weight) => [weight.originalName, [...weight.read().dataSync()]]),
  );
  model.dispose();
  return values;
}

Deno.test("init: starts from a trained model's layers, and freezes some", async () => {
  using trained = (await train(trainJoint, { epochs: 2 })).context;
  const from = trained.outputs.gender;
  const before = await weightsOf(from);

  // Steps too small to move a weight.
  using still = (await train(trainGender, { init: from, learningRate: 1e-12 })).context;
  const after = await weightsOf(still.outputs.model);
  for (const name of ["conv1_1/kernel", "dense/kernel", "normDense/gamma"]) {
    for (const [i, value] of after[name].entries()) {
      assert.ok(Math.abs(value - before[name][i]) < 1e-6, name);
    }
  }
  const line = still.infos.find((text) => text.startsWith("initial weights: "))!;
  assert.match(line, /^initial weights: 20 of 20 from .*gender$/);

  const init = { from: join(from, "model.json"), freeze: ["conv*", "norm1_1"] };
  const tuned = await train(trainAge, { init, network, learningRate: 0.01 });
  using context = tuned.context;
  assert.match(
    tuned.context.infos.find((text) => text.startsWith("initial weights: "))!,
    /^initial weights: 18 of 20 from .*; new: years\/kernel, years\/bias; frozen: conv1_1, /,
  );
  assert.match(tuned.computedBy, /^engine/);
  const fine = await weightsOf(context.outputs.model);
  for (const name of ["conv1_1/kernel", "conv2_1/bias", "norm1_1/moving_mean"]) {
    assert.deepEqual(fine[name], before[name], name);
  }
  assert.notDeepEqual(fine["norm2_1/gamma"], before["norm2_1/gamma"]);
  assert.doesNotMatch(
    await Deno.readTextFile(join(context.outputs.model, "model.json")),
    /"trainable":false/,
  );
});

Deno.test("init: keeps a head of the same task, classes and loss kind, and draws others anew", async () => {
  const loss = "ageDistribution", still = { learningRate: 1e-12, optimizer: "adam" };
  using trained = (await train(trainAge, { loss, network, epochs: 2 })).context;
  const from = trained.outputs.model, before = await weightsOf(from);
  const head = async (stage: Stage, params: object, output: string, layer: string) => {
    using context = (await train(stage, { ...still, network, init: from, ...params })).context;
    const weights = await weightsOf(context.outputs[output]);
    return [...weights[`${layer}/kernel`], ...weights[`${layer}/bias`]];
  };
  const kept = [...before["age/kernel"], ...before["age/bias"]];
  const near = (values: number[]) =>
    values.length === kept.length && values.every((value, i) => Math.abs(value - kept[i]) < 1e-6);
  assert.ok(near(await head(trainAge, { loss }, "model", "age")));
  assert.ok(near(await head(trainJoint, {}, "age", "age")), "beside a new head of gender");
  assert.ok(!near(await head(trainAge, { loss: "ordinal" }, "model", "age")));
  // The bias of the mean of the distribution has the shape of that of years.
  using years = (await train(trainAge, { ...still, network, init: from })).context;
  const line = years.infos.find((text) => text.startsWith("initial weights: "))!;
  assert.match(line, /; new: years\/kernel, years\/bias$/);
  // Two classes, as of gender; other ones.
  using bands = (await train(trainAge, { variant: "binary", epochs: 2 })).context;
  const init = bands.outputs.model, logits = (await weightsOf(init))["logits/kernel"];
  const gender = await head(trainGender, { init }, "model", "logits");
  assert.ok(logits.some((value, i) => Math.abs(value - gender[i]) > 1e-3));
  const same = await head(trainAge, { init, variant: "binary" }, "model", "logits");
  assert.ok(logits.every((value, i) => Math.abs(value - same[i]) < 1e-6));
});

Deno.test("init: layers of a trunk may have the names that heads have", async () => {
  const layers = [
    ...[{ flatten: {} }, { dense: { name: "logits", units: 6 } }],
    ...[{ dense: { name: "older", units: 5 } }, { dense: { name: "years", units: 4 } }],
  ];
  const joint = { network: { use: "layers", layers }, age: "years" };
  using trained = (await train(trainJoint, joint)).context;
  const init = trained.outputs.gender;
  using context = (await train(trainJoint, { ...joint, init, learningRate: 1e-12 })).context;
  assert.match(
    context.infos.find((text) => text.startsWith("initial weights: "))!,
    /^initial weights: 6 of 8 from .*; new: part of heads\/kernel, part of heads\/bias$/,
  );
  const [before, after] = [await weightsOf(init), await weightsOf(context.outputs.gender)];
  for (const name of ["logits/kernel", "older/kernel", "years/kernel", "gender/kernel"]) {
    assert.ok(before[name].every((value, i) => Math.abs(value - after[name][i]) < 1e-6), name);
  }
});

Deno.test("init: freeze: matched leaves out a layer of which a weight is new", async () => {
  using trained = (await train(trainGender, {})).context;
  const init = { from: trained.outputs.model, freeze: "matched" };
  // Other features before the dense layer: its kernel is new, its bias is not.
  const smaller = { ...network, blocks: [[4]] };
  using context = (await train(trainGender, { init, network: smaller })).context;
  assert.match(
    context.infos.find((text) => text.startsWith("initial weights: "))!,
    /; new: dense\/kernel; frozen: conv1_1, norm1_1, normDense, logits$/,
  );
});

Deno.test("init: counts in the cache key by the bytes of the model", async () => {
  using trained = (await train(trainGender, {})).context;
  const from = trained.outputs.model;
  const facts = await initFacts(from, "");
  assert.deepEqual(await initFacts({ from }, ""), facts);
  // The task and its classes decide which head is kept.
  await Deno.rename(join(from, "training.json"), join(from, "aside.json"));
  assert.notDeepEqual(await initFacts(from, ""), facts);
  await Deno.rename(join(from, "aside.json"), join(from, "training.json"));
  assert.deepEqual(await initFacts(from, ""), facts);
  await Deno.writeFile(join(from, "weights.bin"), new Uint8Array(4), { append: true });
  assert.notDeepEqual(await initFacts(from, ""), facts);
  await assert.rejects(initFacts(join(from, "nothing"), ""), /nothing" has no model.json/);
  assert.deepEqual(await initFacts(undefined, ""), {});
});

Deno.test("init, teacher and importModel name what a model lacks before anything runs", async () => {
  using trained = (await train(trainGender, {})).context;
  const from = trained.outputs.model, place = { artifacts: "" };
  const problem = async (params: object) => (await checkModels(params, place))[0]?.message;
  await Deno.truncate(join(from, "weights.bin"), 8);
  assert.match(await problem({ init: from }), /weights.bin has 8/);
  await Deno.remove(join(from, "training.json"));
  assert.match(await problem({ teacher: from }), /training.json" is missing. Name the folder of a/);
  const [imported] = await importModel.check!({ model: from } as never, place as never);
  assert.match(
    imported.message,
    /Cannot import the model: .* has no training.json. Copy the whole/,
  );
  await Deno.remove(join(from, "weights.bin"));
  assert.match(await problem({ init: from }), /weights.bin" is missing. Name/);
});

Deno.test("init: counts the weights in the file that model.json names", async () => {
  using trained = (await train(trainGender, {})).context;
  const from = trained.outputs.model, model = join(from, "model.json");
  await Deno.rename(join(from, "weights.bin"), join(from, "other.bin"));
  const text = await Deno.readTextFile(model);
  await Deno.writeTextFile(model, text.replace("weights.bin", "other.bin"));
  const facts = await initFacts(from, "");
  await Deno.writeFile(join(from, "other.bin"), new Uint8Array(4), { append: true });
  assert.notDeepEqual(await initFacts(from, ""), facts);
});

/** An artifact folder with a run of two stages, of which one trained two models. */
async function recordedRun(model: string) {
  const artifacts = await Deno.makeTempDir({ prefix: "init-" }), stages = [];
  const empty = { params: {}, inputs: {}, modules: {}, packages: {}, external: {} };
  for (const [id, names] of [["old", ["model"]], ["joint", ["gender", "age"]]] as const) {
    const fingerprint = names.length.toString().padStart(64, "0");
    const place = join(artifacts, id, fingerprint.slice(0, 16));
    const outputs: Record<string, object> = {};
    for (const name of names) {
      await Deno.mkdir(join(place, name), { recursive: true });
      for (const { name: file, isFile } of Deno.readDirSync(model)) {
        if (isFile) await Deno.copyFile(join(model, file), join(place, name, file));
      }
      outputs[name] = { kind: "model", ...await digestFolder(join(place, name)) };
    }
    const dependencies = { use: id, ...empty };
    const record = { version: 1, id, fingerprint, dependencies, outputs, ...OUTCOME };
    await writeState(join(place, "record.json"), record);
    const report = { status: "ran" as const, seconds: 1, why: "", outputs: {} };
    stages.push({ id, use: id, fingerprint, dependencies, ...report });
  }
  const run = { pipeline: "test", seed: 1, ok: true, seconds: 1, metrics: {}, stages };
  return { artifacts, run: await new History(artifacts).add(run), stages };
}

Deno.test("init: names a run, and one of its models", async () => {
  using trained = (await train(trainGender, {})).context;
  const { artifacts, run, stages } = await recordedRun(trained.outputs.model);
  const folder = (i: number, output: string) =>
    join(stages[i].id, stages[i].fingerprint.slice(0, 16), output);
  const found = async (name: string) => Object.keys(await initFacts(`/yaml/${name}`, artifacts));
  assert.deepEqual(await found(`${run.id}/old`), [`init ${folder(0, "model")}`]);
  assert.deepEqual(await found(`${run.id}/joint.age`), [`init ${folder(1, "age")}`]);
  assert.deepEqual(await found(`${run.id.slice(0, 6)}/old.model`), await found(`${run.id}/old`));
  await assert.rejects(
    found(`${run.id}/joint`),
    /it names 2 models: .*gender and .*age\. Name one, as in RUN\/STAGE, or RUN\/STAGE\.OUTPUT of/,
  );
  const teacher = await modelFacts({ teacher: `/yaml/${run.id}` }, { artifacts });
  assert.equal(Object.keys(teacher).length, 3);
  const problems = async (from: string) => {
    const [{ path, message }] = await checkModels({ init: { from } }, { artifacts });
    assert.deepEqual(path, ["init", "from"]);
    return message;
  };
  assert.match(
    await problems(`/yaml/${run.id}/jiont.age`),
    new RegExp(`"jiont.age". Did you mean "joint.age"\\? It has ${run.id}/old, ${run.id}/joint`),
  );
  const near = `${run.id.slice(0, 7)}${run.id[7] === "0" ? "1" : "0"}`;
  assert.match(await problems(`/yaml/${near}/old`), new RegExp(`Did you mean "${run.id}"\\?`));
  await Deno.writeFile(join(artifacts, folder(0, "model"), "weights.bin"), new Uint8Array(4));
  assert.match(await problems(`/yaml/${run.id}/old`), /has another size/);
  await Deno.remove(artifacts, { recursive: true });
});

Deno.test("init: names what does not fit", async () => {
  using trained = (await train(trainGender, {})).context;
  const from = trained.outputs.model;
  const fails = async (params: object, message: RegExp) => {
    await assert.rejects(train(trainGender, params), message);
  };
  await fails(
    { init: join(from, "nothing") },
    /nothing" has no model.json, and no run has this id/,
  );
  await fails({ init: from, network: "residual" }, /Cannot start from .*no kernel has/);
  await fails(
    { init: { from, freeze: ["conv9"] } },
    /Cannot freeze "conv9": no layer has that name/,
  );
});

Deno.test("a part of a model is refused, with what is missing or damaged", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(join(folder, "model.json"), "{}");
  await assert.rejects(
    importedFolder(folder, folder),
    new Error(
      `"${folder}" has no weights.bin, training.json and history.csv. Copy the whole folder of the ` +
        "model; docs/guide/evaluation.md has the files of one that was trained elsewhere.",
    ),
  );
  for (const name of ["weights.bin", "history.csv"]) {
    await Deno.writeTextFile(join(folder, name), "");
  }
  await Deno.writeTextFile(join(folder, "training.json"), "{}");
  assert.equal(await importedFolder(folder, folder), folder);
  const error: Error = await readRecord(folder).then(() => assert.fail(), (error) => error);
  assert.match(error.message, /it is damaged at "task"\. Train/);
  assert.equal(error.cause, undefined, "its message would list every field");
  const record = { task: "age", variant: "regression", metric: "mae", classes: null };
  const text = JSON.stringify({ ...record, input: { size: 32, divisor: 255 }, preprocessing: {} });
  await Deno.writeTextFile(join(folder, "training.json"), text);
  await assert.rejects(readRecord(folder), /it is damaged at "preprocessing\.detector"\. Train/);
  await Deno.remove(folder, { recursive: true });
});
