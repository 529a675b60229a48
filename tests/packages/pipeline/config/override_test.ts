/** Values given on the command line, and where the paths among them count from. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseOverride } from "../../../../packages/pipeline/config/override.ts";
import { Project } from "../toy/project.ts";

Deno.test("--set", async (t) => {
  await using project = await Project.make({
    "pipeline.yaml":
      "seed: 7\nstages:\n  count: { to: 5 }\n  tune: { rate: 0.5 }\n  none: { use: sum }",
  });
  const params = async (...set: string[]) => {
    const { stages } = await project.config("pipeline.yaml", set);
    return Object.assign({}, ...stages.map((stage) => stage.params));
  };
  await t.step("reads values as YAML does", async () => {
    const set = ["count.to=8", "tune.rates=[1, 2.5]", "tune.on=false", "tune.text='9'"];
    const { to, rates, on, text } = await params(...set);
    assert.deepEqual([to, rates, on, text], [8, [1, 2.5], false, "9"]);
  });
  await t.step("reaches into parameters that the YAML does not have", async () => {
    assert.equal((await params("tune.stop.patience=9")).stop.patience, 9);
    assert.equal((await params("none.double=true")).double, true);
  });
  await t.step("takes whole maps, and the last of several", async () => {
    assert.deepEqual((await params("tune.weights={a: 1}", "tune.weights.b=2")).weights, {
      a: 1,
      b: 2,
    });
    // In any order: the map does not remove what was given within it.
    assert.deepEqual((await params("tune.weights.b=2", "stages.tune.weights={a: 1}")).weights, {
      a: 1,
      b: 2,
    });
    assert.equal((await params("count.to=1", "count.to=2")).to, 2);
    assert.equal((await params("stages.count.to=4")).to, 4);
  });
  await t.step("reaches the top level", async () => {
    const config = await project.config("pipeline.yaml", ["seed=3", "name=x", "compute=cpu"]);
    assert.deepEqual([config.seed, config.name, config.compute], [3, "x", "cpu"]);
  });
  await t.step("reaches into maps of the top level", async () => {
    const remote = async (...set: string[]) =>
      (await project.config("pipeline.yaml", set, "home")).remote;
    assert.deepEqual(await remote("remote.url=s3://bucket/c", "remote.region=x"), {
      url: "s3://bucket/c",
      region: "x",
    });
    assert.deepEqual(await remote("remote=../shared", "remote.endpoint=http://h"), {
      url: project.path("shared"),
      endpoint: "http://h",
    });
  });
  await t.step("says what it expects", () => {
    for (const argument of ["count.to", "=3", "count..to=3", ".=1", "count.__proto__.to=1"]) {
      assert.throws(() => parseOverride(argument), {
        name: "ConfigError",
        message: `--set ${argument}: expected stage.parameter=value, as in --set split.test=0.1`,
      });
    }
    assert.throws(
      () => parseOverride("count.to=[1"),
      /^ConfigError: --set count.to=\[1: cannot read the value: not valid YAML: /,
    );
  });
});

Deno.test("paths count from where they were written", async () => {
  await using project = await Project.make({
    "experiments/one.yaml": "artifacts: ../results\nstages:\n" +
      "  readFile: { file: data/a, more: [b, /c, https://example.org/d] }",
  });
  const folder = (name: string) => project.path("experiments", name);
  const { stages: [written], artifacts } = await project.config("experiments/one.yaml");
  assert.equal(artifacts, project.path("results"));
  assert.deepEqual(written!.params, {
    file: folder("data/a"),
    more: [folder("b"), "/c", "https://example.org/d"],
  });
  const set = ["readFile.file=a", "artifacts=mine"];
  const typed = await project.config("experiments/one.yaml", set, "home");
  assert.equal(typed.artifacts, project.path("home/mine"));
  assert.deepEqual(typed.stages[0]!.params.file, project.path("home/a"));
  assert.deepEqual((typed.stages[0]!.params.more as string[])[0], folder("b"));
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE")!;
  const own = await project.config("experiments/one.yaml", ["artifacts=~/x", "readFile.file=~/a"]);
  assert.deepEqual([own.artifacts, own.stages[0]!.params.file], [join(home, "x"), join(home, "a")]);
});

Deno.test("names have one Unicode form, as labels do, and paths that of their files", async () => {
  const composed = "Z\u00fcrich", decomposed = composed.normalize("NFD");
  await using project = await Project.make();
  const params = async (name: string, ...set: string[]) => {
    await project.write({
      "pipeline.yaml": `stages:
  tune: { rate: 0.5, text: ${name}, part: { name: ${name} }, weights: { ${name}: 1 } }
  readFile: { file: ${name} }
`,
    });
    const { stages } = await project.config("pipeline.yaml", set);
    return stages.map((stage) => stage.params);
  };
  for (const name of [composed, decomposed]) {
    const [tune, read] = await params(name, `tune.weights.${name}=2`);
    assert.deepEqual(tune!.weights, { [composed]: 2 });
    assert.deepEqual([tune!.text, tune!.part], [composed, { name: composed }]);
    assert.equal(read!.file, project.path(name));
    const [set, other] = await params("x", `tune.part.name=${name}`, `readFile.file=${name}`);
    assert.deepEqual([set!.part, other!.file], [{ name: composed }, project.path(name)]);
  }
});
