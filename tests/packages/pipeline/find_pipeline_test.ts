/** Which file a pipeline's name means. */
import assert from "node:assert/strict";
import { ConfigError } from "../../../packages/pipeline/errors.ts";
import { findPipeline } from "../../../packages/pipeline/find_pipeline.ts";
import { Project } from "./toy/project.ts";

Deno.test("findPipeline()", async (t) => {
  const yaml = "stages: { count: }";
  await using project = await Project.make({
    "pipeline.yaml": yaml,
    "experiments/gender.yaml": yaml,
    "experiments/age.yml": yaml,
    "home/pipeline.yaml": yaml,
    "home/odd": yaml,
    "experiments/odd.txt": yaml,
  });
  const find = (name: string, user = ".") =>
    findPipeline(name, { cwd: project.path(user), project: project.folder });
  await t.step("takes names, endings and paths", async () => {
    assert.equal(await find("pipeline"), project.path("pipeline.yaml"));
    assert.equal(await find("experiments/gender"), project.path("experiments/gender.yaml"));
    assert.equal(await find("experiments/age"), project.path("experiments/age.yml"));
    assert.equal(await find("experiments/gender.yaml"), project.path("experiments/gender.yaml"));
    assert.equal(await find(project.path("home/odd")), project.path("home/odd"));
  });
  await t.step("looks where the person stands, then in the project", async () => {
    assert.equal(await find("pipeline", "home"), project.path("home/pipeline.yaml"));
    assert.equal(await find("../pipeline.yaml", "home"), project.path("pipeline.yaml"));
    assert.equal(await find("experiments/gender", "home"), project.path("experiments/gender.yaml"));
  });
  await t.step("says which there are", async () => {
    await assert.rejects(find("experiments/gendre", "home"), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(
        error.message,
        'experiments/gendre: there is no such pipeline. Did you mean "experiments/gender"? ' +
          `Looked for ${project.path("home/experiments/gendre.yaml")} and ` +
          `${project.path("experiments/gendre.yaml")}.`,
      );
      return true;
    });
    const all = /The project has experiments\/age, experiments\/gender and pipeline\.$/;
    await assert.rejects(find("nothing like it"), all);
    await assert.rejects(find("pipelin.yaml"), { name: "ConfigError" });
  });
});
