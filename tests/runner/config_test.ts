/** What a person is told about a pipeline that is wrong, and what a right one comes to. */
import assert from "node:assert/strict";
import { ConfigError } from "../../runner/errors.ts";
import { findPipeline } from "../../runner/find.ts";
import { parseOverride } from "../../runner/override.ts";
import { Project, stageUrl } from "./toy/project.ts";

/** A pipeline that is wrong, and the whole of what is said, place by place. */
const MISTAKES: Record<string, { yaml: string; set?: string[]; says: string[] }> = {
  "an unknown key at the top": {
    yaml: "seeds: 3\nstages: { count: }",
    says: [
      'pipeline.yaml:1:1: a pipeline has no "seeds". Did you mean "seed"? ' +
      "It has extends, name, seed, compute, executor, bullmq, artifacts, plugins, sweep and stages.\n    seeds: 3\n    ^",
    ],
  },
  "an unknown parameter": {
    yaml: "stages:\n  count: { tp: 3 }",
    says: [
      'pipeline.yaml:2:12: count has no "tp". Did you mean "to"? It has to, label, use, inputs and seed.' +
      "\n      count: { tp: 3 }\n               ^",
    ],
  },
  "an unknown parameter inside another": {
    yaml: "stages:\n  count:\n  tune:\n    rate: 0.5\n    stop: { patince: 3 }",
    says: [
      'pipeline.yaml:5:13: tune.stop has no "patince". Did you mean "patience"? ' +
      "It has monitor and patience.",
    ],
  },
  "values of the wrong type": {
    yaml: `seed: 1.5
stages:
  count:
    to: three
  tune:
    rate: [1]
    rates: 1
    stop: no
    size: big
    on: "yes"
    text: 5
    weights: { a: b }
`,
    says: [
      "pipeline.yaml:1:7: seed: expected a whole number, got 1.5.",
      'pipeline.yaml:4:9: count.to: expected a number, got "three".',
      "pipeline.yaml:6:11: tune.rate: expected a number, got [1].",
      "pipeline.yaml:7:12: tune.rates: expected a list, got 1.",
      'pipeline.yaml:8:11: tune.stop: expected a map of names to values, got "no".',
      'pipeline.yaml:9:11: tune.size: expected a number or "auto", got "big".',
      'pipeline.yaml:10:9: tune.on: expected true or false, got "yes".',
      "pipeline.yaml:11:11: tune.text: expected a text, got 5.",
      'pipeline.yaml:12:19: tune.weights.a: expected a number, got "b".',
    ],
  },
  "values out of bounds": {
    yaml: "seed: -1\nstages:\n  count: { to: 0 }\n  tune: { rate: 1, rates: [] }",
    says: [
      "pipeline.yaml:1:7: seed: expected at least 0, got -1.",
      "pipeline.yaml:3:16: count.to: expected at least 1, got 0.",
      "pipeline.yaml:4:17: tune.rate: expected less than 1, got 1.",
      "pipeline.yaml:4:27: tune.rates: expected at least 1 item, got [].",
    ],
  },
  "words that are not among the choices": {
    yaml: "compute: wsam\nstages:\n  count:\n  tune: { rate: 0.1, stop: { monitor: val_los } }",
    says: [
      'pipeline.yaml:1:10: compute: expected "auto", "wasm", "webgpu", "node", "node-gpu" or "cpu", ' +
      'got "wsam". Did you mean "wasm"?',
      'pipeline.yaml:4:39: tune.stop.monitor: expected "val_loss" or "val_metric", ' +
      'got "val_los". Did you mean "val_loss"?',
    ],
  },
  "a parameter that has no default and no value": {
    yaml: "stages:\n  count:\n  tune:\n  readFile: { file: }",
    says: [
      "pipeline.yaml:3:3: tune.rate: expected a number, it is missing.",
      "pipeline.yaml:4:15: readFile.file: expected a text, it is empty.",
      'pipeline.yaml:3:3: tune needs one "numbers", and count and readFile make one each.',
    ],
  },
  "an unknown stage": {
    yaml: "stages:\n  cuont:\n  mine: { use: coutn }",
    says: [
      'pipeline.yaml:2:3: no stage is called "cuont". Did you mean "count"? There are count, add,',
      "To name a stage freely, say which it is: cuont: { use: ... }.",
      'pipeline.yaml:3:16: no stage is called "coutn". Did you mean "count"?',
    ],
  },
  "a stage that is no map, has no good name, or bad keys of the runner": {
    yaml: `stages:
  count: 5
  2x: { use: count }
  add: { use: [sum] }
  sum: { inputs: count }
`,
    says: [
      "pipeline.yaml:2:10: expected the parameters of count, got 5",
      'pipeline.yaml:3:3: stage id "2x": expected a letter, then letters, digits, - or _',
      "pipeline.yaml:4:15: expected the name of a stage",
      "pipeline.yaml:5:18: expected input: stage id, as in inputs:",
    ],
  },
  "a missing input": {
    yaml: "stages:\n  sum:\n  compare:",
    says: [
      'pipeline.yaml:2:3: sum needs "numbers" (some numbers), and no other stage of the pipeline ' +
      "makes it. Add one that does.",
    ],
  },
  "a stage that takes all, of none": {
    yaml: "stages:\n  compare:",
    says: [
      'pipeline.yaml:2:3: compare needs at least one "total" (one number that stands for many)',
    ],
  },
  "an input that two stages make": {
    yaml: "stages:\n  count:\n  add:\n  sum:",
    says: [
      'pipeline.yaml:4:3: sum needs one "numbers", and count and add make one each. ' +
      "Say which: sum: { inputs: { numbers: add } }",
    ],
  },
  "an input that one stage makes twice": {
    yaml: "stages:\n  count:\n  both:\n  compare: { inputs: { totals: [both] } }",
    says: [
      'pipeline.yaml:4:32: stage "both" makes more than one "total". Write both.low or both.high.',
    ],
  },
  "inputs that are not there": {
    yaml: `stages:
  count:
  add: { inputs: { number: count, numbers: cuont } }
  sum: { inputs: { numbers: [count, add] } }
  crunch: { inputs: { numbers: sum } }
  clamp: { inputs: { numbers: clamp } }
`,
    says: [
      'pipeline.yaml:3:20: add has no input "number". Did you mean "numbers"? It has numbers.',
      'pipeline.yaml:3:44: there is no stage "cuont". Did you mean "count"?',
      'pipeline.yaml:4:29: sum takes one "numbers", got 2.',
      'pipeline.yaml:5:32: stage "sum" makes no "numbers". count, add and clamp make it.',
      "pipeline.yaml:6:31: a stage cannot take what it makes itself. count and add make it.",
    ],
  },
  "a cycle": {
    yaml: `stages:
  add: { inputs: { numbers: clamp } }
  clamp: { inputs: { numbers: add } }
  sum: { inputs: { numbers: add } }
`,
    says: [
      "pipeline.yaml:3:3: these stages wait for each other: clamp → add → clamp. " +
      "Change the inputs of one of them.",
    ],
  },
  "YAML that is none": {
    yaml: "stages:\n  count: { to: 3\n  add:\n",
    says: ["pipeline.yaml:3:3: not valid YAML: "],
  },
  "a key twice": {
    yaml: "stages:\n  count: { to: 3 }\n  # and\n  count:\n",
    says: ['pipeline.yaml:4:3: "count" is there twice; keep one\n      count:\n      ^'],
  },
  "a parameter twice": {
    yaml: "stages:\n  count: { to: 3, to: 4 }\n",
    says: ['pipeline.yaml:2:19: "to" is there twice; keep one'],
  },
  "no pipeline at all": {
    yaml: "",
    says: ['pipeline.yaml:1:1: expected a pipeline, such as "stages: { download: }"'],
  },
  "a list": {
    yaml: "- count",
    says: ['pipeline.yaml:1:1: expected a pipeline, such as "stages: { download: }"'],
  },
  "stages that are empty": {
    yaml: "seed: 1\nstages:\n",
    says: ["pipeline.yaml:2:1: stages: expected a map of names to values, it is empty."],
  },
  "stages that are none": {
    yaml: "seed: 1\nstages: {}\n",
    says: ["pipeline.yaml:2:1: the pipeline has no stages"],
  },
  "a list of stages": {
    yaml: "stages: [count]",
    says: ['pipeline.yaml:1:9: stages: expected a map of names to values, got ["count"].'],
  },
  "a name that no file can have": {
    yaml: "name: a/b\nstages: { count: }",
    says: ["pipeline.yaml:1:7: name: expected letters, digits, '-', '_' and '.', got \"a/b\"."],
  },
  "a file where results should go": {
    yaml: "artifacts: deno.json\nstages: { count: }",
    says: ["pipeline.yaml:1:12: artifacts: expected a folder for the results, but "],
  },
  "an unknown stage on the command line": {
    yaml: "stages: { count: }",
    set: ["cuont.to=3"],
    says: [
      '--set cuont.to=3: pipeline.yaml has no stage "cuont". Did you mean "count"? It has count.',
    ],
  },
  "an unknown parameter on the command line": {
    yaml: "stages: { count: }",
    set: ["count.tp=3"],
    says: ['--set count.tp=3: count has no "tp". Did you mean "to"?'],
  },
  "values on the command line": {
    yaml: "stages:\n  count: { to: 0 }\n  tune: { rate: 0.5 }",
    set: ["seed=x", "count.to=y", "tune.stop.monitor=val_los", "tune.rate=0.4", "tune.rate=4"],
    says: [
      '--set seed=x: seed: expected a number, got "x".',
      '--set count.to=y: count.to: expected a number, got "y".',
      "--set tune.rate=4: tune.rate: expected less than 1, got 4.",
      '--set tune.stop.monitor=val_los: tune.stop.monitor: expected "val_loss" or "val_metric"',
    ],
  },
  "parameters of a parameter": {
    yaml: "stages:\n  count: { to: 1 }",
    set: ["count.to.more=3"],
    says: ["--set count.to.more=3: count.to has no parameters of its own"],
  },
};

Deno.test("readConfig() tells what is wrong, where, and the way out", async (t) => {
  await using project = await Project.make();
  for (const [name, { yaml, set = [], says }] of Object.entries(MISTAKES)) {
    await t.step(name, async () => {
      const message = await project.mistakes(yaml, set);
      for (const text of says) assert.ok(message.includes(text), `${text}\nis not in\n${message}`);
    });
  }
});

Deno.test("readConfig() tells everything at once, wiring included", async () => {
  await using project = await Project.make();
  const yaml = "seeds: 1\ncompute: gpu\nstages:\n  count: { tp: 1 }\n  add: { by: x }\n  sum:\n";
  const message = await project.mistakes(yaml);
  const places = message.match(/^pipeline\.yaml:\d+:\d+/gm);
  assert.deepEqual(places?.sort(), [
    ...["pipeline.yaml:1:1", "pipeline.yaml:2:10", "pipeline.yaml:4:12"],
    ...["pipeline.yaml:5:14", "pipeline.yaml:6:3"],
  ]);
});

Deno.test("readConfig() fills in defaults and keeps ids, uses and parameters", async () => {
  await using project = await Project.make({
    "experiments/one.yaml": "stages:\n  few: { use: count, to: 2 }\n  tune: { rate: 0.1 }\n",
  });
  const config = await project.config("experiments/one.yaml");
  assert.equal(config.name, "experiments-one");
  assert.equal(config.seed, 42);
  assert.equal(config.compute, "auto");
  assert.equal(config.artifacts, project.path("artifacts"));
  const [few, tune] = config.stages;
  assert.deepEqual([few!.id, few!.use, few!.params], ["few", "count", { to: 2, label: "" }]);
  assert.deepEqual(tune!.params, {
    ...{ rate: 0.1, rates: [1], stop: { monitor: "val_loss", patience: 3 } },
    ...{ size: "auto", on: true, weights: {} },
  });
});

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
    assert.equal((await params("count.to=1", "count.to=2")).to, 2);
    assert.equal((await params("stages.count.to=4")).to, 4);
  });
  await t.step("reaches the top level", async () => {
    const config = await project.config("pipeline.yaml", ["seed=3", "name=x", "compute=cpu"]);
    assert.deepEqual([config.seed, config.name, config.compute], [3, "x", "cpu"]);
  });
  await t.step("says what it expects", () => {
    for (const argument of ["count.to", "=3", "count..to=3", ".=1"]) {
      assert.throws(() => parseOverride(argument), {
        name: "ConfigError",
        message: `--set ${argument}: expected stage.parameter=value, as in --set split.test=0.1`,
      });
    }
    assert.throws(
      () => parseOverride("count.to=[1"),
      /^ConfigError: --set count.to=\[1: the value is not YAML/,
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
});

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
  const find = (name: string, user = ".") => findPipeline(name, project.path(user), project.folder);
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
          `${project.path("experiments/gendre.yaml")}. ` +
          "The project has experiments/age, experiments/gender and pipeline.",
      );
      return true;
    });
    await assert.rejects(find("pipelin.yaml"), { name: "ConfigError" });
  });
});

/** A plugin with a stage of a name. */
const plugin = (name: string, params = "") => `
import { z } from "zod";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("./toy/stages.ts", import.meta.url).href}";
export default defineStage({
  name: "${name}", summary: "Negate", inputs: { numbers }, outputs: { numbers },
  params: z.strictObject({ ${params} }),
  async run() {},
});
`;

Deno.test("plugins", async (t) => {
  await using project = await Project.make({
    "plugins/negate.ts": plugin("negate", 'times: z.int().min(1).default(1).describe("How often")'),
    "plugins/again.ts": plugin("count"),
    "plugins/empty.ts": "export default [];",
    "plugins/none.ts": "export const stage = 3;",
    "plugins/bad.ts": "export default 3 +;",
    "plugins/throws.ts": "throw new Error('no luck');",
  });
  const says = async (yaml: string, ...texts: (string | RegExp)[]) => {
    const message = await project.mistakes(yaml);
    for (const text of texts) {
      if (typeof text === "string") assert.ok(message.includes(text), message);
      else assert.match(message, text);
    }
  };
  await t.step("are used like built-in stages", async () => {
    await project.write({
      "experiments/p.yaml":
        "plugins: [../plugins/negate.ts]\nstages: { count: , negate: { times: 2 } }",
    });
    const { stages } = await project.config("experiments/p.yaml");
    assert.deepEqual(stages[1]!.params, { times: 2 });
    assert.equal(stages[1]!.module, new URL(`file://${project.path("plugins/negate.ts")}`).href);
  });
  await t.step("count from where the person stands, given on the command line", async () => {
    await project.write({ "pipeline.yaml": "stages: { count: , negate: }" });
    const config = await project.config("pipeline.yaml", ["plugins=[negate.ts]"], "plugins");
    assert.equal(config.stages.length, 2);
  });
  await t.step("have their mistakes told on the YAML's line", () =>
    says(
      "plugins: [./plugins/negate.ts]\nstages:\n  count:\n  negate: { time: 3 }",
      'pipeline.yaml:4:13: negate has no "time". Did you mean "times"?',
    ));
  await t.step("must be there", () =>
    says(
      "plugins:\n  - ./plugins/negat.ts\nstages:\n  count:",
      `pipeline.yaml:2:5: cannot load plugin "${project.path("plugins/negat.ts")}"`,
      /because: Module not found/,
    ));
  await t.step("must parse and load", async () => {
    await says(
      "plugins: [plugins/bad.ts]\nstages: { count: }",
      /cannot load plugin.*\n.*because: /,
    );
    await says("plugins: [plugins/throws.ts]\nstages: { count: }", "because: no luck");
  });
  await t.step("must have a stage as their default export", async () => {
    const none =
      /pipeline.yaml:1:11: plugin ".*none.ts" has no stage as its default export. Write: /;
    await says("plugins: [plugins/none.ts]\nstages: { count: }", none);
    await says("plugins: [plugins/empty.ts]\nstages: { count: }", /has no stages in its list/);
  });
  await t.step("must refuse parameters that they do not know", async () => {
    const loose = plugin("loose", "").replace("z.strictObject", "z.object");
    await project.write({
      "plugins/loose.ts": loose,
      "plugins/old.ts": loose.replace(/params: .*,/, ""),
    });
    const told = /1:11: stage "loose" of plugin ".*" would let unknown parameters pass: declare/;
    await says("plugins: [plugins/loose.ts]\nstages: { count: }", told);
    await says("plugins: [plugins/old.ts]\nstages: { count: }", told);
  });
  await t.step("cannot take a name twice", () =>
    says(
      "plugins: [./plugins/again.ts]\nstages:\n  count:",
      /1:11: Cannot register stage "count" of file:.*plugins\/again.ts: file:.*toy\/stages.ts has/,
      "Rename one of them.",
    ));
});
