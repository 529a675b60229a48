import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import { stages } from "../../stages/mod.ts";
import inception from "../../plugins/inception.ts";
import trainJoint from "../../stages/trainJoint.ts";
import { testContext } from "../context.ts";
import { writeDataset, writeSplits } from "../stages/training_data.ts";

Deno.test("trainJoint trains a plugin's network and writes a model of each task", async () => {
  const module = "plugins/inception.ts";
  const { name } = inception;
  using context = testContext(trainJoint, {
    extensions: [{ kind: "network", name, module, definition: inception }],
  });
  const people = Array.from({ length: 20 }, (_, i) => ({ age: (i * 7) % 80, gender: i % 2 }));
  await context.run({
    dataset: await writeDataset(join(context.folder, "dataset"), people),
    splits: await writeSplits(join(context.folder, "splits"), {
      train: 12,
      validation: 8,
      test: 0,
    }),
  }, { network: { use: "inception", modules: [8, 8] }, epochs: 1, batchSize: 6, export: ["onnx"] });
  for (const task of ["gender", "age"]) {
    const text = await Deno.readTextFile(join(context.outputs[task], "training.json"));
    assert.deepEqual(JSON.parse(text).params.network, { use: "inception", modules: [8, 8] });
    assert.match(await Deno.readTextFile(join(context.outputs[task], "model.json")), /module2_5x5/);
  }
});

Deno.test("tests/pipelines/inception.yaml names the plugin's network", async () => {
  const project = fileURLToPath(new URL("../../", import.meta.url));
  const { stages: configured } = await readConfig(join(project, "tests/pipelines/inception.yaml"), {
    project,
    cwd: project,
    registry: new Registry().add(stages),
    overrides: [],
  });
  const { extensions, params } = configured.find(({ id }) => id === "trainJoint")!;
  assert.deepEqual(extensions.map(({ name }) => name), ["inception"]);
  assert.deepEqual(params.network, { use: "inception", modules: [32, 64, 96] });
});
