/** Every pipeline that comes with the project is valid, and says what it was written for. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { app } from "../main.ts";
import { readConfig } from "../packages/pipeline/config/config.ts";
import { createPlan } from "../packages/pipeline/plan.ts";
import { Registry } from "../packages/pipeline/registry.ts";

const { project, stages } = app;

async function planOf(file: string) {
  const registry = new Registry().add(stages);
  return createPlan(await readConfig(join(project, file), { project, cwd: project, registry }));
}

/** Experiments of the project. Others in the folder are the user's, as `deno task new` writes them. */
const OWN = (
  "across_sets age_binary age_multiclass age_regression age_wiki audit_labels best_2021 best_64 best_age best_gender " +
  "faces fine_tune framing gender joint losses networks search search_longer"
).split(" ");

for (const name of OWN) {
  Deno.test(`experiments/${name}.yaml is valid and named after its file`, async () => {
    const planned = await planOf(`experiments/${name}.yaml`);
    assert.equal(planned.name, name);
    assert.equal(planned.stages[0]!.id, "download");
  });
}

Deno.test("pipeline.yaml has the stages under their own names", async () => {
  const ids = (await planOf("pipeline.yaml")).stages.map((
    { id, use },
  ) => (assert.equal(id, use), id));
  // In the place of trainGender and trainAge, for other columns, or for questions of their own.
  const others = ["trainJoint", "trainClassifier", "trainRegressor", "importModel", "auditLabels"];
  const names = stages.map(({ name }) => name).filter((name) => !others.includes(name));
  assert.deepEqual(ids.sort(), names.sort());
});

/** Data, faces and network of the paper. */
const PAPER: Record<string, [datasets: string[], faces: number, use: string, variant?: string]> = {
  gender: [["wiki_crop"], 42255, "trainGender"],
  age_wiki: [["wiki_crop"], 42255, "trainAge", "regression"],
  age_regression: [["wiki_crop", "imdb_crop"], 100122, "trainAge", "regression"],
  age_multiclass: [["wiki_crop", "imdb_crop"], 100122, "trainAge", "multiclass"],
  age_binary: [["wiki_crop", "imdb_crop"], 100122, "trainAge", "binary"],
};

Deno.test("experiments/gender.yaml and age_*.yaml are faithful to the paper's numbers", async () => {
  for (const [name, [datasets, faces, use, variant]] of Object.entries(PAPER)) {
    const { stages } = await planOf(`experiments/${name}.yaml`);
    const params = (use: string) =>
      stages.find((stage) => stage.use === use)!.params as Record<string, unknown>;
    assert.deepEqual(params("download").datasets, datasets, name);
    const { minFaceScore, allowSecondFace, minAge, maxAge, sample } = params("matParse");
    // Any face score, which those without a face do not have; every plausible age.
    assert.deepEqual([minFaceScore, allowSecondFace, minAge, maxAge], [-100, true, 0, 100], name);
    assert.equal(sample, undefined, name);
    assert.equal(params("faceCrop").detector, "dlibCnn", name);
    const { stratify, ...split } = params("split");
    const shares = { test: 0.2, validation: 0.2, by: "image", copies: "ignore", sample: faces };
    assert.deepEqual([split, stratify], [shares, []], name);
    const { batchSize, epochs, earlyStopping } = params(use);
    assert.deepEqual([batchSize, epochs], [64, 20], name);
    const stopping = { monitor: "val_loss", patience: 3, restoreBest: false };
    assert.deepEqual(earlyStopping, stopping, name);
    assert.equal(params(use).variant, variant, name);
    const trained = stages.filter(({ use }) => use.startsWith("train"));
    assert.deepEqual(trained.map(({ use }) => use), [use], name);
  }
});

Deno.test("experiments/joint.yaml has the paper's faces, network and settings", async () => {
  const { stages } = await planOf("experiments/joint.yaml");
  const params = (use: string) =>
    stages.find((stage) => stage.use === use)!.params as Record<string, unknown>;
  assert.deepEqual(params("download").datasets, ["wiki_crop", "imdb_crop"]);
  assert.equal(params("split").sample, 100122);
  const { network, age, augment, weightDecay, schedule, initializer, ...joint } = params(
    "trainJoint",
  );
  assert.deepEqual([network, age, augment, weightDecay], ["gender2021", "years", false, 0]);
  assert.deepEqual([schedule, initializer], ["constant", undefined]);
  const { batchSize, epochs, learningRate, batchNormMomentum, dropout, earlyStopping } = joint;
  assert.deepEqual([batchSize, epochs, learningRate], [64, 20, 0.001]);
  assert.deepEqual([batchNormMomentum, dropout], [0.99, 0.25]);
  const stopping = { monitor: "val_loss", patience: 3, restoreBest: false };
  assert.deepEqual(earlyStopping, stopping);
});

Deno.test("experiments/best_gender.yaml and best_age.yaml train one and the same network", async () => {
  const [gender, age] = await Promise.all(["gender", "age"].map(async (task) => {
    const { stages } = await planOf(`experiments/best_${task}.yaml`);
    return stages.map(({ id, use, params }) => ({ id, use, params }));
  }));
  assert.deepEqual(gender, age);
  assert.ok(gender.some(({ use }) => use === "trainJoint"));
});

Deno.test("experiments/best_64.yaml trains on larger images as best_age.yaml does", async () => {
  const [age, larger] = await Promise.all(["age", "64"].map(async (name) => {
    const { stages } = await planOf(`experiments/best_${name}.yaml`);
    const { size } = stages.find(({ id }) => id === "resize32")!.params as { size: number };
    const { network, ...training } = stages.find(({ id }) => id === "trainJoint")!
      .params as Record<string, unknown>;
    const split = stages.find(({ id }) => id === "split")!.params;
    return { size, network, training, split };
  }));
  assert.deepEqual([age.size, larger.size], [32, 64]);
  assert.deepEqual(larger.training, age.training);
  assert.deepEqual(larger.split, age.split);
  assert.notDeepEqual(larger.network, age.network);
});
