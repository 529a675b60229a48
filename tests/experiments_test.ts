/** Every pipeline that comes with the project is valid, and says what it was written for. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { program } from "../main.ts";
import { readConfig } from "../runner/config.ts";
import { plan } from "../runner/graph.ts";
import { Registry } from "../runner/registry.ts";

const { project, stages } = program;

async function planOf(file: string) {
  const registry = new Registry().add(stages);
  return plan(await readConfig(join(project, file), { project, user: project, registry }));
}

for await (const { name } of Deno.readDir(join(project, "experiments"))) {
  if (!name.endsWith(".yaml")) continue;
  Deno.test(`experiments/${name} is valid and named after its file`, async () => {
    const planned = await planOf(`experiments/${name}`);
    assert.equal(planned.name, basename(name, ".yaml"));
    assert.equal(planned.stages[0]!.id, "download");
  });
}

Deno.test("pipeline.yaml has the stages under their own names", async () => {
  const ids = (await planOf("pipeline.yaml")).stages.map((
    { id, use },
  ) => (assert.equal(id, use), id));
  assert.deepEqual(ids.sort(), stages.map(({ name }) => name).sort());
});

Deno.test("experiments/gender.yaml and age_*.yaml are faithful to the report's numbers", async () => {
  for (const name of ["gender", "age_wiki", "age_regression", "age_multiclass", "age_binary"]) {
    const planned = await planOf(`experiments/${name}.yaml`);
    const training = planned.stages.find(({ use }) => use.startsWith("train"))!;
    const { batchSize, epochs, earlyStopping } = training.params as Record<string, unknown>;
    assert.deepEqual([batchSize, epochs], [64, 20], name);
    const stopping = { monitor: "val_loss", patience: 3, restoreBest: false };
    assert.deepEqual(earlyStopping, stopping, name);
    const { test, validation, sample } = planned.stages.find(({ use }) => use === "split")!
      .params as Record<string, number>;
    assert.deepEqual([test, validation], [0.2, 0.2], name);
    assert.equal(sample, name === "gender" || name === "age_wiki" ? 42255 : 100122, name);
  }
});
