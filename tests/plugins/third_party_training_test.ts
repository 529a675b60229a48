/** A network and a loss from outside the project: their training runs in a process of few rights. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { app } from "../../main.ts";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import { testContext } from "../context.ts";
import { writeDataset, writeSplits } from "../stages/training_data.ts";

const PARTS = new URL("../fixtures/third_party/parts.js", import.meta.url);

/** Reads a stage of a pipeline that lists the plugin, copied to a folder of its own. */
async function configured(folder: string, id: string, params: string) {
  const plugin = join(folder, "plugin");
  await Deno.mkdir(plugin, { recursive: true });
  await Deno.copyFile(PARTS, join(plugin, "parts.js"));
  const file = join(folder, "pipeline.yaml");
  await Deno.writeTextFile(
    file,
    `
extends: ${join(app.project, "pipeline.yaml")}
plugins: [./plugin/parts.js]
stages: { ${id}: { ${params} } }
`,
  );
  const { project, pluginApi } = app;
  const registry = new Registry().add(app.stages);
  const config = await readConfig(file, { project, pluginApi, cwd: project, registry });
  return config.stages.find((stage) => stage.id === id)!;
}

Deno.test("a third-party network trains as a whole in a process, within its rights", async () => {
  const folder = await Deno.makeTempDir({ prefix: "third-" });
  try {
    const params = "network: flat, loss: gentle, variant: , epochs: 1, batchSize: 6";
    const trained = await configured(folder, "trainAge", params);
    const { definition: stage, params: valid, rights } = trained;
    assert.deepEqual(rights, []);
    // As where the artifact folder is a link to a larger disk.
    const linked = join(folder, "linked");
    await Deno.mkdir(join(folder, "disk"));
    await Deno.symlink(join(folder, "disk"), linked);
    using context = testContext(stage, { folder: join(linked, "first") });
    const people = Array.from({ length: 20 }, (_, i) => ({ age: (i * 7) % 80, gender: i % 2 }));
    const counts = { train: 12, validation: 8, test: 0 };
    const inputs = {
      dataset: await writeDataset(join(context.folder, "dataset"), people),
      splits: await writeSplits(join(context.folder, "splits"), counts),
    };
    await context.run(inputs, valid);
    const text = await Deno.readTextFile(join(context.outputs.model!, "training.json"));
    assert.equal(JSON.parse(text).params.loss, "gentle");
    assert.match(context.infos.join("\n"), /network flat: 24,\d+ parameters/);
    using hostile = testContext(stage, { folder: join(linked, "second") });
    await assert.rejects(
      () => hostile.run(inputs, { ...valid, network: { use: "flat", reads: "/etc/passwd" } }),
      /no right to that: .*add to its line of plugins: allow: \["read:\/etc\/passwd"\]/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
