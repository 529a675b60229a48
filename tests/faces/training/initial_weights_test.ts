import assert from "node:assert/strict";
import { join } from "node:path";
import { initFacts } from "../../../faces/training/initial_weights.ts";
import { loadModel } from "../../../faces/training/predict_rows.ts";
import trainAge from "../../../stages/trainAge.ts";
import trainGender from "../../../stages/trainGender.ts";
import trainJoint from "../../../stages/trainJoint.ts";
import type { Stage } from "../../../packages/pipeline/stage.ts";
import { testContext } from "../../context.ts";
import { writeDataset, writeSplits } from "../../stages/training_data.ts";

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
  assert.match(line, /^initial weights: 18 of 20 from .*; new: logits\/kernel, logits\/bias$/);

  const init = { from: join(from, "model.json"), freeze: ["conv*", "norm1_1"] };
  const tuned = await train(trainAge, { init, network, learningRate: 0.01 });
  using context = tuned.context;
  assert.match(tuned.computedBy, /^TensorFlow.js .*layer "conv1_1": it is frozen/);
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

Deno.test("init: counts in the cache key by the bytes of the model", async () => {
  using trained = (await train(trainGender, {})).context;
  const from = trained.outputs.model;
  const facts = await initFacts(from, "");
  assert.deepEqual(await initFacts({ from }, ""), facts);
  await Deno.writeFile(join(from, "weights.bin"), new Uint8Array(4), { append: true });
  assert.notDeepEqual(await initFacts(from, ""), facts);
  assert.deepEqual(Object.values(await initFacts(join(from, "nothing"), "")), ["missing"]);
  assert.deepEqual(await initFacts(undefined, ""), {});
});

Deno.test("init: counts the weights in the file that model.json names", async () => {
  using trained = (await train(trainGender, {})).context;
  const from = trained.outputs.model, model = join(from, "model.json");
  await Deno.rename(join(from, "weights.bin"), join(from, "other.bin"));
  const text = await Deno.readTextFile(model);
  await Deno.writeTextFile(model, text.replace("weights.bin", "other.bin"));
  const facts = await initFacts(from, "");
  assert.notDeepEqual(Object.values(facts), ["missing"]);
  await Deno.writeFile(join(from, "other.bin"), new Uint8Array(4), { append: true });
  assert.notDeepEqual(await initFacts(from, ""), facts);
});

Deno.test("init: names a run, and one of its models", async () => {
  const artifacts = await Deno.makeTempDir({ prefix: "init-" });
  const fingerprint = "0123456789abcdef".repeat(4);
  const stages = ["gender", "age"].map((id) => ({
    ...{ id, use: id, fingerprint, status: "ran", seconds: 1, why: "", outputs: {} },
  }));
  await Deno.mkdir(join(artifacts, "runs"));
  await Deno.writeTextFile(
    join(artifacts, "runs", "2026-01-01T00-00-00Z-test-1a2b3c4d.json"),
    JSON.stringify({
      ...{ id: "1a2b3c4d", pipeline: "test", at: "2026-01-01T00:00:00Z", seconds: 1, seed: 1 },
      ...{ ok: true, metrics: {}, stages },
    }),
  );
  for (const id of ["gender", "age"]) {
    const folder = join(artifacts, id, fingerprint.slice(0, 16), "model");
    await Deno.mkdir(folder, { recursive: true });
    for (const file of ["model.json", "weights.bin"]) {
      await Deno.writeTextFile(join(folder, file), id);
    }
  }
  const [[name]] = Object.entries(await initFacts("/yaml/1a2b3c4d/age", artifacts));
  assert.equal(name, `init ${join(artifacts, "age", fingerprint.slice(0, 16), "model")}`);
  assert.deepEqual(
    await initFacts("/yaml/1a2b/age.model", artifacts),
    await initFacts("/yaml/1a2b3c4d/age", artifacts),
  );
  await assert.rejects(
    initFacts("/yaml/1a2b3c4d", artifacts),
    /it names 2 models. The run has 1a2b3c4d\/gender.model, 1a2b3c4d\/age.model/,
  );
  assert.deepEqual(Object.values(await initFacts("/yaml/99999999/age", artifacts)), ["missing"]);
  await Deno.remove(artifacts, { recursive: true });
});

Deno.test("init: names what does not fit", async () => {
  using trained = (await train(trainGender, {})).context;
  const from = trained.outputs.model;
  const fails = async (params: object, message: RegExp) => {
    await assert.rejects(train(trainGender, params), message);
  };
  await fails({ init: join(from, "nothing") }, /Cannot read .*nothing/);
  await fails({ init: from, network: "residual" }, /Cannot start "residual" from .*no kernel has/);
  await fails(
    { init: { from, freeze: ["conv9"] } },
    /Cannot freeze "conv9": no layer has that name/,
  );
});
