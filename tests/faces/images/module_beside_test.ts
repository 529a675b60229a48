/** Models of others, opened from their folders. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { dropModuleBeside } from "../../../faces/images/preprocessing.ts";
import { project } from "../../project_run.ts";
import importModel from "../../../stages/importModel.ts";
import { testContext } from "../../context.ts";
import { preprocessing, writeModel } from "../serving/fixture.ts";

Deno.test("a model in a folder of the project names no module in that folder", () => {
  const moduleOf = (module: string, model: string) => {
    const detector = { ...preprocessing.detector, module };
    dropModuleBeside(model, { ...preprocessing, detector });
    return detector.module as string | undefined;
  };
  const model = join(project, "unpacked/model");
  const beside = ["unpacked/evil.js", "unpacked//model/evil.js", "a/../unpacked/evil.js"];
  for (const module of [...beside, `../${basename(project)}/unpacked/evil.js`]) {
    assert.equal(moduleOf(module, model), undefined, module);
  }
  for (
    const module of [
      "plugins/skinColour.ts",
      "mine.js",
      "other/mine.js",
      "../mine.js",
      "../others/mine.js",
    ]
  ) {
    assert.equal(moduleOf(module, model), module);
  }
  assert.equal(moduleOf("unpacked/mine.js", "/tmp/model"), "unpacked/mine.js");
});

Deno.test("importModel refuses a model whose detector is a module beside it", async () => {
  await Deno.mkdir(join(project, "artifacts"), { recursive: true });
  const folder = await Deno.makeTempDir({ dir: join(project, "artifacts"), prefix: ".model-" });
  try {
    using context = testContext(importModel);
    const detector = { ...preprocessing.detector, module: "artifacts/evil.js" };
    await writeModel(folder, "gender", { detector });
    await assert.rejects(
      context.run({}, { model: folder }),
      /Cannot import the model ".*": its detector is "artifacts\/evil\.js", a module beside it/,
    );
    await writeModel(folder, "gender");
    await context.run({}, { model: folder });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
