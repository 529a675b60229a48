/** What a person is told about a pipeline that is wrong, and what a right one comes to. */
import assert from "node:assert/strict";
import { Project } from "../toy/project.ts";

/** A pipeline that is wrong, and the whole of what is said, place by place. */
const MISTAKES: Record<string, { yaml: string; set?: string[]; says: string[] }> = {
  "a remote that is none": {
    yaml: "remote: ftp://x/y\nstages: { count: }",
    says: ["pipeline.yaml:1:9: remote: expected s3://bucket/prefix (no part"],
  },
  "an unknown key at the top": {
    yaml: "seeds: 3\nstages: { count: }",
    says: [
      'pipeline.yaml:1:1: a pipeline has no "seeds". Did you mean "seed"? ' +
      "It has extends, name, seed, compute, executor, bullmq, remote, artifacts, plugins, sweep and stages.\n    seeds: 3\n    ^",
    ],
  },
  "an unknown parameter": {
    yaml: "stages:\n  count: { tp: 3 }",
    says: [
      'pipeline.yaml:2:12: count has no "tp". Did you mean "to"? It has to, label, use, inputs, replaces and seed.' +
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
  "a map that mixes two": {
    yaml: "stages:\n  tune: { part: { name: a, fold: 1 } }",
    says: [
      "pipeline.yaml:2:17: tune.part: expected { name } or { fold, of }, " +
      'got {"name":"a","fold":1}.',
    ],
  },
  "a decimal comma": {
    yaml: "stages:\n  tune: { rate: 0,5 }",
    says: [
      "tune.rate: expected more than 0, got 0.",
      'tune has no "5". Numbers have a decimal point, such as 0.5.',
    ],
  },
  "a value of the wrong type in one of two maps": {
    yaml: "stages:\n  tune: { part: { name: 3 } }",
    says: ["pipeline.yaml:2:25: tune.part.name: expected a text, got 3."],
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
      'pipeline.yaml:8:11: tune.stop: expected { monitor, patience }, got "no".',
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
  "a backend by the name of its hardware": {
    yaml: "compute: gpu\nstages:\n  count:",
    says: [
      'pipeline.yaml:1:10: compute: expected "auto", "wasm", "webgpu", "node", "node-gpu" or "cpu", ' +
      'got "gpu". Did you mean "webgpu" or "node-gpu"?',
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
  "a parameter that every object has": {
    yaml: "stages:\n  count: { constructor: { a: 1 } }",
    says: ['pipeline.yaml:2:12: count has no "constructor". It has to, label, use'],
  },
  "paths with variables of the shell": {
    yaml: "artifacts: ${HOME}/results\nremote: $REMOTE\nstages:\n" +
      "  readFile: { file: a$1.txt, more: [$DATA/a.txt, 'https://x/${A}', 'https://x/?$b=1'] }\n",
    set: ["compute=wsam"],
    says: [
      'pipeline.yaml:1:12: artifacts: ${HOME} is no variable here, got "${HOME}/results". Write its ' +
      "value, or give it by --set, where the shell inserts it.\n    artifacts",
      'pipeline.yaml:2:9: remote: $REMOTE is no variable here, got "$REMOTE".',
      'pipeline.yaml:4:37: readFile.more.0: $DATA is no variable here, got "$DATA/a.txt".',
      'pipeline.yaml:4:50: readFile.more.1: ${A} is no variable here, got "https://x/${A}".',
      "--set compute=wsam: compute: expected",
    ],
  },
  "an unknown stage": {
    yaml: "stages:\n  cuont:\n  mine: { use: coutn }",
    says: [
      'pipeline.yaml:2:3: no stage is called "cuont". Did you mean "count"? There are count, add,',
      "To name a stage freely, name it: cuont: { use: ... }.",
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
      'pipeline.yaml:4:15: add.use: expected a text, got ["sum"].',
      'pipeline.yaml:5:18: sum.inputs: expected a map of names to values, got "count".',
    ],
  },
  "plugins that cannot be read, whose stages are then not reported": {
    yaml: "plugins: [{ use: a.ts, allow: net }]\nstages:\n  fromPlugin:",
    says: ['pipeline.yaml:1:31: plugins.0.allow: expected a list, got "net".'],
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
      "Choose one: sum: { inputs: { numbers: add } }",
    ],
  },
  "an input that one stage makes twice": {
    yaml: "stages:\n  count:\n  both: { inputs: { numbers: count } }\n" +
      "  halve: { inputs: { total: both } }",
    says: [
      'pipeline.yaml:4:29: stage "both" makes more than one "total". Write both.low or both.high.',
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
      "pipeline.yaml:6:31: a stage cannot take what it makes itself. Name another stage. count and add make it.",
    ],
  },
  "a stage that takes its own result, where no other makes such": {
    yaml: "stages:\n  clamp: { inputs: { numbers: clamp } }\n",
    says: [
      "pipeline.yaml:2:31: a stage cannot take what it makes itself. Name another stage. " +
      'No other stage makes a "numbers": add one.',
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
    says: ["pipeline.yaml:2:10: not valid YAML: this { is not closed. Write } where it ends\n"],
  },
  "parameters one level too high": {
    yaml: "stages:\n  count:\n  to: 3\n  seed: { use: 1 }\n  add: { times: 1 }\n  oops: 3\n",
    says: [
      "pipeline.yaml:3:3: to is no stage; as a parameter of count it is indented under it\n",
      'pipeline.yaml:6:3: no stage is called "oops". ',
    ],
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
  "stages without stages:": {
    yaml: "count: { to: 1 }",
    says: ['pipeline.yaml:1:1: a pipeline has no "count". Did you mean stages.count?'],
  },
  "several keys of the runner in one stage": {
    yaml: "stages:\n  sum: { inputs: { numbers: 3 }, replaces: 4, seed: x, duoble: true }",
    says: [
      "sum.inputs.numbers: expected a text or a list, got 3.",
      "sum.replaces: expected a text, got 4.",
      'sum.seed: expected a number, got "x".',
      'sum has no "duoble". Did you mean "double"?',
    ],
  },
  "a name of a stage with a line break": {
    yaml: 'stages: { count: { use: "a\\nb" } }',
    says: ['no stage is called "a\\nb".'],
  },
  "a name that is no number": {
    yaml: "stages: { count: { use: .nan } }",
    says: ["count.use: expected a text, got NaN."],
  },
  "an empty path": {
    yaml: "stages: { readFile: { file: '' } }",
    says: ['readFile.file: expected at least 1 character, got "".'],
  },
  "a list of two": {
    yaml: "stages: { tune: { rate: 0.5, sides: x } }",
    says: ['tune.sides: expected a number or a list, got "x".'],
  },
  "a sweep of nothing": {
    yaml: "sweep:\nstages: { count: }",
    says: ["sweep: expected { trials, best, ... }, it is empty."],
  },
  "a URL where results should go": {
    yaml: "artifacts: s3://bucket/x\nstages: { count: }",
    says: ["artifacts: expected a folder; `remote` takes a URL, got"],
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
  "an item on the command line": {
    yaml: "stages:\n  count: { to: 1 }\n  tune: { rate: 0.5 }",
    set: ["tune.rates.0=3"],
    says: ['--set tune.rates.0=3: tune.rates: expected a list, got {"0":3}.'],
  },
  "an item of a list that the YAML has": {
    yaml: "stages:\n  count: { to: 1 }\n  tune: { rate: 0.5, rates: [1, 2] }",
    set: ["tune.rates.0=3"],
    says: ["tune.rates is a list, which is given as a whole: --set 'tune.rates=[...]'"],
  },
  "one value of a sweep": {
    yaml: "stages: { count: }",
    set: ["sweep.count.to=[1, 2]", "sweep.trials=3", "sweep.best.by=count.mae"],
    says: [
      "--set sweep.count.to=[1, 2]: to vary a value, write --sweep count.to=V1,V2",
      "--set sweep.trials=3: to set it, write --sweep trials=N",
      "--set sweep.best.by=count.mae: to set it, write --sweep 'best={ of: PIPELINE, by: STAGE.METRIC, ",
    ],
  },
  "parts of what the top level has": {
    yaml: "stages: { count: }",
    set: ["plugins.0=a.ts", "remote.ulr=x", "cuont.to=1", "count.tp=1"],
    says: [
      "--set plugins.0=a.ts: plugins: expected a list",
      '--set remote.ulr=x: remote has no "ulr". Did you mean "url"?',
      '--set cuont.to=1: pipeline.yaml has no stage "cuont".',
      '--set count.tp=1: count has no "tp".',
    ],
  },
  "parameters of a parameter": {
    yaml: "stages:\n  count: { to: 1 }",
    set: ["count.to.more=3"],
    says: ["--set count.to.more=3: count.to has no parameters of its own"],
  },
  "parameters of a value of the top level": {
    yaml: "compute: cpu\nstages:\n  count: { to: 1 }",
    set: ["compute.x=1", "seed.x=1"],
    says: [
      "--set compute.x=1: compute has no parameters of its own",
      "--set seed.x=1: seed has no parameters of its own",
    ],
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

Deno.test("readConfig() takes a $ in a path of --set, which the shell left, as it is", async () => {
  await using project = await Project.make({
    "pipeline.yaml": "artifacts: $HOME/results\nstages: { readFile: { file: $HOME/a.txt } }",
  });
  const set = ["artifacts=art$y", "readFile.file=a$b.txt"];
  const { artifacts, stages: [{ params }] } = await project.config("pipeline.yaml", set);
  assert.equal(artifacts, project.path("art$y"));
  assert.equal(params.file, project.path("a$b.txt"));
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
    rate: 0.1,
    rates: [1],
    stop: { monitor: "val_loss", patience: 3 },
    size: "auto",
    on: true,
    weights: {},
  });
});

Deno.test("readConfig() names one limit of a number, the strictest", async () => {
  await using project = await Project.make();
  const message = await project.mistakes("seed: 99999999999999999999\nstages: { count: }");
  assert.deepEqual(message.match(/expected at most \d+/g), ["expected at most 4294967295"]);
});
