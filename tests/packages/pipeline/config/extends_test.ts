/** A pipeline over another one: what stands, where it stands, and what is said when it is wrong. */
import assert from "node:assert/strict";
import { Project, stageUrl } from "../toy/project.ts";

const BASE = `name: base
seed: 7
stages:
  count: { to: 5, label: base }
  tune:
    rate: 0.5
    rates: [1, 2, 3]
    stop: { monitor: val_metric, patience: 4 }
  sum: { inputs: { numbers: count } }
`;

/** A plugin. */
const TWICE = `
import { z } from "zod";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
export default defineStage({
  name: "twice", summary: "Double", inputs: { numbers }, outputs: { numbers },
  params: z.strictObject({}),
  async run() {},
});
`;

Deno.test("extends merges maps, replaces everything else, and leaves what is empty", async () => {
  await using project = await Project.make({
    "shared/base.yaml": BASE,
    "shared/between.yaml":
      "extends: base.yaml\nseed: 8\nstages: { tune: { rate: 0.4, on: false } }",
    "experiments/one.yaml": "extends: ../shared/between.yaml\nstages:\n" +
      "  crunch: { inputs: { numbers: count } }\n" +
      "  tune: { rates: [9], stop: { patience: 1 } }\n  count:\n",
  });
  const { name, seed, stages } = await project.config("experiments/one.yaml");
  assert.deepEqual([name, seed], ["experiments-one", 8]);
  assert.deepEqual(stages.map(({ id }) => id), ["count", "tune", "sum", "crunch"]);
  assert.deepEqual(stages[0]!.params, { to: 5, label: "base" });
  assert.deepEqual(stages[1]!.params, {
    rate: 0.4,
    rates: [9],
    stop: { monitor: "val_metric", patience: 1 },
    size: "auto",
    on: false,
    weights: {},
  });
});

Deno.test("an empty parameter leaves out that of a base, at any depth", async () => {
  await using project = await Project.make({
    "base.yaml": BASE,
    "over.yaml":
      "extends: base.yaml\nstages:\n  count: { to: }\n  tune: { rates: , stop: { patience: } }\n",
    "again.yaml": "extends: over.yaml\nstages: { count: { to: 4 } }",
  });
  const params = async (name: string) =>
    Object.fromEntries((await project.config(name)).stages.map(({ id, params }) => [id, params]));
  const { count, tune } = await params("over.yaml");
  assert.deepEqual(count, { to: 3, label: "base" });
  assert.deepEqual([tune.rates, tune.stop, tune.rate], [
    [1],
    { monitor: "val_metric", patience: 3 },
    0.5,
  ]);
  assert.deepEqual((await params("again.yaml")).count, { to: 4, label: "base" });
});

Deno.test("false drops what a base has: a stage or the sweep", async (t) => {
  const base = `sweep: { tune.rate: [0.1, 0.2], count.to: [1, 2] }\n${BASE}`;
  await using project = await Project.make({ "base.yaml": base });
  const read = async (over: string, ...set: string[]) => {
    await project.write({ "over.yaml": `extends: base.yaml\n${over}` });
    const { stages, source, overrides } = await project.config("over.yaml", set);
    return [stages.map(({ id }) => id), source.values.sweep, overrides];
  };
  const all = ["count", "tune", "sum"], swept = { "tune.rate": [0.1, 0.2], "count.to": [1, 2] };
  await t.step("in a file", async () => {
    assert.deepEqual(await read("stages: { tune: false }"), [["count", "sum"], swept, {}]);
    assert.deepEqual(await read("sweep: false"), [all, undefined, {}]);
  });
  await t.step("by --set", async () => {
    const dropped = { tune: false };
    assert.deepEqual(await read("", "tune=false"), [["count", "sum"], swept, dropped]);
    assert.deepEqual(await read("", "stages.tune=false"), [["count", "sum"], swept, dropped]);
    assert.deepEqual(await read("", "sweep=false"), [all, undefined, { sweep: false }]);
  });
  await t.step("for the files over it, which may have a stage of that name anew", async () => {
    await project.write({ "between.yaml": "extends: base.yaml\nstages: { count: false }" });
    const { stages } = await project.config("between.yaml", ["stages.more={ use: count }"]);
    assert.deepEqual(stages.map(({ id }) => id), ["tune", "sum", "more"]);
    await project.write({ "top.yaml": "extends: between.yaml\nstages: { count: { label: x } }" });
    const count = async () =>
      (await project.config("top.yaml")).stages.find(({ id }) => id === "count")!.params;
    assert.deepEqual(await count(), { to: 3, label: "x" });
    await project.write({ "top.yaml": "extends: between.yaml\nstages: { count: }" });
    assert.deepEqual(await count(), { to: 3, label: "" });
  });
  await t.step("which others may need", async () => {
    assert.match(
      await project.mistakes("extends: base.yaml\nstages: { count: false, tune: false }"),
      /base\.yaml:\d+:\d+: there is no stage "count"/,
    );
  });
  await t.step("and nothing else", async () => {
    const none = (name: string) =>
      `${name}: false drops what a file that it extends has there, but there is nothing. Remove it`;
    const message = await project.mistakes(
      "extends: base.yaml\nstages: { draw: false }",
    );
    assert.ok(message.includes(`pipeline.yaml:2:17: ${none("draw")}`), message);
    const alone = await project.mistakes("sweep: false\nstages: { count: false, draw: }");
    assert.ok(alone.includes(none("sweep")), alone);
    assert.ok(alone.includes(none("count")), alone);
    assert.match(
      await project.mistakes("stages: { count: }", ["sweep=false"]),
      /--set sweep=false: sweep: false drops what pipeline\.yaml has there, but there is nothing/,
    );
    assert.match(await project.mistakes("stages: { count: }", ["draw=false"]), /has no "draw"/);
  });
});

Deno.test("a stage that uses another one than the base's starts anew", async () => {
  await using project = await Project.make({
    "base.yaml":
      "stages: { few: { use: count, to: 9 }, clamp: { max: 3, inputs: { numbers: few } } }",
    "same.yaml": "extends: base.yaml\nstages: { few: { use: count, label: x } }",
    "other.yaml": "extends: base.yaml\nstages: { clamp: { use: add, inputs: { numbers: few } } }",
  });
  const params = async (name: string) =>
    Object.fromEntries((await project.config(name)).stages.map(({ id, params }) => [id, params]));
  assert.deepEqual((await params("same.yaml")).few, { to: 9, label: "x" });
  assert.deepEqual((await params("other.yaml")).clamp, { by: 1 });
});

/** A stage with a choice whose definitions have options of their own. */
const SHAPE = `
import { z } from "zod";
import { define, definedChoice } from "${
  new URL("../../../../packages/pipeline/define.ts", import.meta.url).href
}";
import { defineStage } from "${stageUrl}";
const size = z.int().default(1).describe("Size"), color = z.string().optional().describe("Color");
const shapes = [
  define({ kind: "shape", name: "square", former: ["box"], summary: "Square",
    params: z.strictObject({ size, color }) }),
  define({ kind: "shape", name: "circle", summary: "Circle",
    params: z.strictObject({ radius: size, color }) }),
];
export default defineStage({
  name: "draw2", summary: "Draw", inputs: {}, outputs: {},
  params: z.strictObject({ shape: definedChoice("shape", shapes, "square").optional() }),
  async run() {},
});
`;

Deno.test("a choice that names another one than the base's starts anew", async (t) => {
  await using project = await Project.make({ "shape.ts": SHAPE });
  const shape = async (base: string, over: string, ...set: string[]) => {
    await project.write({
      "base.yaml": `plugins: [shape.ts]\nstages: { draw2: { shape: ${base} } }`,
      "over.yaml": `extends: base.yaml\nstages: { draw2: ${over} }`,
    });
    const { stages } = await project.config("over.yaml", set);
    return stages[0]!.params.shape;
  };
  const SQUARE = "{ use: square, size: 3, color: red }", RED = { size: 3, color: "red" };
  const CIRCLE = { use: "circle", radius: 2 };
  await t.step("in a file", async () => {
    assert.deepEqual(await shape(SQUARE, "{ shape: { use: circle, radius: 2 } }"), CIRCLE);
    assert.deepEqual(await shape("{ size: 3 }", "{ shape: { use: circle, radius: 2 } }"), CIRCLE);
    // An empty option, which once was the way out, is no error.
    assert.deepEqual(await shape(SQUARE, "{ shape: { use: circle, radius: 2, size: } }"), CIRCLE);
  });
  await t.step("by --set, in any order", async () => {
    const set = ["draw2.shape.radius=2", "draw2.shape.use=circle"];
    assert.deepEqual(await shape(SQUARE, "{}", ...set), CIRCLE);
    assert.deepEqual(await shape(SQUARE, "{}", ...set.toReversed()), CIRCLE);
  });
  await t.step("and that of the same definition does not", async () => {
    const over = (use: string) => `{ shape: { ${use} color: blue } }`;
    for (const use of ["", "use: square,"]) {
      const blue = { use: "square", size: 3, color: "blue" };
      assert.deepEqual(await shape(SQUARE, over(use)), blue);
    }
    assert.deepEqual(await shape(SQUARE, over("use: box,")), {
      use: "box",
      size: 3,
      color: "blue",
    });
    const former = await shape("{ size: 3, color: red }", "{}", "draw2.shape.use=box");
    assert.deepEqual(former, { use: "box", ...RED });
  });
  await t.step("a name alone stays what it is below options", async () => {
    const over = "{ shape: { color: blue } }";
    assert.deepEqual(await shape("circle", over), { use: "circle", radius: 1, color: "blue" });
  });
});

Deno.test("a map of another form than the base's replaces it", async (t) => {
  await using project = await Project.make();
  const part = async (base: string, over: string, ...set: string[]) => {
    const tune = (text: string) => `stages: { count: , tune: { rate: 0.5, part: ${text} } }`;
    await project.write({
      "base.yaml": tune(base),
      "over.yaml": `extends: base.yaml\n${tune(over)}`,
    });
    const { stages } = await project.config("over.yaml", set);
    return stages.find(({ id }) => id === "tune")!.params.part;
  };
  const FOLD = "{ fold: 1, of: 5 }", NAME = { name: "test" }, ONE = { fold: 3, of: 4 };
  await t.step("in a file", async () => {
    assert.deepEqual(await part(FOLD, "{ name: test }"), NAME);
    assert.deepEqual(await part(FOLD, "{ name: test, fold: , of: }"), NAME);
    assert.deepEqual(await part(FOLD, "{ fold: 2 }"), { fold: 2, of: 5 });
  });
  await t.step("by --set", async () => {
    assert.deepEqual(await part(FOLD, "{}", "tune.part.name=test"), NAME);
    const set = ["stages.tune.part.fold=3", "tune.part.of=4"];
    for (const written of ["{ name: test }", "0.2"]) {
      assert.deepEqual(await part(FOLD, written, ...set), ONE, written);
    }
    await assert.rejects(
      part(FOLD, "{}", "tune.part.name=a", "tune.part.of=4"),
      /tune\.part: expected/,
    );
    await assert.rejects(
      part(FOLD, "{}", "tune.rate.of=4"),
      /tune\.rate has no parameters of its own/,
    );
  });
});

Deno.test("mistakes are told in the file that holds them", async (t) => {
  await using project = await Project.make({ "shared/base.yaml": BASE });
  const says = async (over: string, base: string, ...texts: string[]) => {
    await project.write({ "shared/base.yaml": base });
    const message = await project.mistakes(`extends: ./shared/base.yaml\n${over}`);
    for (const text of texts) assert.ok(message.includes(text), `${text}\nis not in\n${message}`);
  };
  await t.step("a value of the base", () =>
    says(
      "stages: { count: { label: x } }",
      BASE.replace("to: 5", "to: 0"),
      "shared/base.yaml:4:16: count.to: expected at least 1, got 0.\n" +
        "      count: { to: 0, label: base }\n                   ^",
    ));
  await t.step("a value over the base's", () =>
    says(
      "stages:\n  tune: { stop: { patience: -1 }, rates: [1, x] }",
      BASE,
      "pipeline.yaml:3:29: tune.stop.patience: expected at least 0, got -1.",
      'pipeline.yaml:3:46: tune.rates.1: expected a number, got "x".',
    ));
  await t.step("unknown names in both", () =>
    says(
      "seeds: 3\nstages:\n  cuont:",
      BASE.replace("  tune:\n    rate", "  tune:\n    rte"),
      'pipeline.yaml:2:1: a pipeline has no "seeds". Did you mean "seed"?',
      'pipeline.yaml:4:3: no stage is called "cuont".',
      'shared/base.yaml:6:5: tune has no "rte". Did you mean "rate"?',
      "shared/base.yaml:6:5: tune.rate: expected a number, it is missing.",
    ));
  await t.step("wiring, at the stage that was added", async () => {
    const base = BASE.replace("sum: { inputs: { numbers: count } }", "sum:");
    const ways =
      "Choose one for each, as in tune: { inputs: { numbers: more } }, or for all stages";
    const added = (use: string, way: string) =>
      says(
        `stages: { more: { ${use} } }`,
        base,
        'pipeline.yaml:2:11: tune and sum need one "numbers", and count and more make one each. ' +
          `${ways} ${way}\n    stages`,
      );
    await added("use: count, to: 3", "count: { use: count, ... } in place of more");
    await added("use: add", "more: { replaces: count }");
  });
  await t.step(
    "YAML that is none",
    () =>
      says("", "stages:\n  count: { to: 3\n  add:\n", "shared/base.yaml:2:10: not valid YAML: "),
  );
  await t.step(
    "a base that is no pipeline",
    () => says("", "- count", "shared/base.yaml:1:1: expected a pipeline"),
  );
  await t.step("the command line's, whatever file they override", async () => {
    await project.write({ "shared/base.yaml": BASE });
    const yaml = "extends: ./shared/base.yaml";
    const message = await project.mistakes(yaml, ["count.to=0", "tune.stop.patince=3"]);
    assert.ok(message.includes("--set count.to=0: count.to: expected at least 1, got 0."), message);
    assert.ok(message.includes('--set tune.stop.patince=3: tune.stop has no "patince".'), message);
  });
});

Deno.test("extends names a file that is there, and no circle", async (t) => {
  await using project = await Project.make({
    "base.yaml": BASE,
    "a/one.yaml": "extends: two.yaml",
    "a/two.yaml": "seed: 1\nextends: ./one.yaml",
  });
  const cases: [string, string][] = [
    [
      "extends: bsae.yaml",
      'pipeline.yaml:1:10: extends: there is no file bsae.yaml. Did you mean "base.yaml"?',
    ],
    ["extends: ./a", "pipeline.yaml:1:10: extends: there is no file a."],
    [
      "extends: [base.yaml]",
      "pipeline.yaml:1:10: extends: expected the path of a YAML file, as in ./base.yaml, got",
    ],
    [
      "extends:",
      "pipeline.yaml:1:1: extends: expected the path of a YAML file, as in ./base.yaml, it is empty",
    ],
    [
      "extends: pipeline.yaml",
      "pipeline.yaml:1:10: these files extend each other: pipeline.yaml → pipeline.yaml",
    ],
    [
      "extends: a/one.yaml",
      "a/two.yaml:2:10: these files extend each other: a/one.yaml → a/two.yaml → a/one.yaml",
    ],
  ];
  for (const [yaml, text] of cases) {
    await t.step(yaml, async () => {
      const message = await project.mistakes(yaml);
      assert.ok(message.includes(text), message);
    });
  }
  await t.step("not on the command line", async () => {
    const message = await project.mistakes("stages: { count: }", ["extends=base.yaml"]);
    assert.equal(
      message,
      "--set extends=base.yaml: which file a pipeline extends is written in the file itself",
    );
  });
});

Deno.test("paths count from the file that they stand in", async () => {
  await using project = await Project.make({
    "shared/base.yaml": "artifacts: out\nplugins: [./twice.ts]\nstages:\n" +
      "  readFile: { file: data/a, more: [b] }\n  twice: { inputs: { numbers: readFile } }\n",
    "shared/twice.ts": TWICE,
    "experiments/one.yaml": "extends: ../shared/base.yaml\nstages: { readFile: { more: [c] } }",
  });
  const { artifacts, stages } = await project.config("experiments/one.yaml");
  assert.equal(artifacts, project.path("shared/out"));
  assert.deepEqual(stages[0]!.params, {
    file: project.path("shared/data/a"),
    more: [project.path("experiments/c")],
  });
  assert.equal(stages[1]!.use, "twice");
  const typed = await project.config("experiments/one.yaml", ["readFile.file=d"], "home");
  assert.equal(typed.stages[0]!.params.file, project.path("home/d"));
});

Deno.test("a stage that replaces one of the base is all that a file needs to add", async () => {
  await using project = await Project.make({
    "base.yaml": "stages: { count: { to: 4 }, sum: , compare: }",
    "pipeline.yaml": "extends: base.yaml\nstages: { add: { replaces: count } }",
  });
  assert.equal(await project.output(await project.run(), "sum", "total.txt"), "14");
  const other = await project.run({ set: ["stages.clamp={ replaces: add, max: 3 }"] });
  assert.equal(await project.output(other, "sum", "total.txt"), "11");
});

Deno.test("a run over a base says what changed, whichever file changed", async () => {
  await using project = await Project.make({
    "base.yaml": "stages: { count: { to: 4 }, sum: , compare: }",
    "pipeline.yaml": "extends: base.yaml\nstages: { sum: { double: true } }",
  });
  const first = await project.run();
  assert.equal(await project.output(first, "compare", "comparison.txt"), "sum 20");
  assert.equal((await project.run()).statuses.sum, "cached");
  await project.write({ "base.yaml": "stages: { count: { to: 5 }, sum: , compare: }" });
  const { why, statuses } = await project.run({ dryRun: true });
  assert.equal(why.count, "runs: count.to changed from 4 to 5");
  assert.equal(statuses.sum, "skipped");
});

Deno.test("a stage may have a seed of its own", async (t) => {
  await using project = await Project.make({
    "pipeline.yaml":
      "stages: { draw: , few: { use: draw, seed: 3 }, sum: { inputs: { numbers: few } } }",
  });
  const first = await project.run();
  assert.equal(await project.output(first, "sum", "total.txt"), "6");
  await t.step("which the pipeline's does not change", async () => {
    const { statuses, why } = await project.run({ set: ["seed=8"] });
    assert.deepEqual(statuses, { draw: "ran", few: "cached", sum: "cached" });
    assert.equal(why.draw, "seed changed from 42 to 8");
  });
  await t.step("and that the command line sets", async () => {
    const { statuses, why } = await project.run({ set: ["few.seed=4"] });
    assert.deepEqual(statuses, { draw: "cached", few: "ran", sum: "ran" });
    assert.equal(why.few, "seed changed from 3 to 4");
  });
  await t.step("if it draws at all", async () => {
    const message = await project.mistakes(
      "stages:\n  draw: { lucky: false, seed: 1 }\n  count: { seed: 2 }",
    );
    assert.ok(
      message.includes("pipeline.yaml:2:31: draw draws nothing at random, so a seed"),
      message,
    );
    assert.ok(message.includes("pipeline.yaml:3:18: count draws nothing at random, so a"), message);
    const wrong = await project.mistakes("stages: { draw: { seed: x } }");
    assert.ok(wrong.includes('pipeline.yaml:1:25: draw.seed: expected a number, got "x".'), wrong);
  });
});
