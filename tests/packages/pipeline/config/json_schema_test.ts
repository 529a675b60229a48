/** The JSON Schema that editors use, held against the config's own judgement by another validator. */
import assert from "node:assert/strict";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { z } from "zod";
import {
  pipelineJsonSchema,
  referenceMarkdown,
} from "../../../../packages/pipeline/config/json_schema.ts";
import { ConfigError } from "../../../../packages/pipeline/errors.ts";
import { defineStage } from "../../../../packages/pipeline/stage.ts";
import { Project } from "../toy/project.ts";
import { pointsOf, readSweep } from "../../../../packages/pipeline/sweep/sweep_points.ts";
import { stageList, stages } from "../toy/stages.ts";
import { stages as builtIn } from "../../../../stages/mod.ts";

const schema = pipelineJsonSchema(stageList);
// Both are about style: draft 7 allows types of two kinds, and keys that are required elsewhere.
const validate = new Ajv({
  strict: true,
  strictTypes: false,
  strictRequired: false,
  allErrors: true,
}).compile(schema);

/** YAML below `stages:` → whether it is right. */
const STAGES: Record<string, boolean> = {
  "count:": true,
  "count: {}": true,
  "count: { to: 3, label: x }": true,
  "count: { to: 0 }": false,
  "count: { to: 1.5 }": false,
  "count: { to: '3' }": false,
  "count: { tp: 3 }": false,
  "count: 3": false,
  "count: false": false,
  "count: [3]": false,
  "cuont:": false,
  "cuont: { to: 3 }": false,
  "2x: { use: count }": false,
  "few: { use: count, to: 3 }": true,
  "few: { use: count, tp: 3 }": false,
  "few: { use: count }": true,
  "few: { use: cuont }": false,
  "few:": false,
  "few: { to: 3 }": false,
  "count: { use: count, to: 3 }": true,
  "count: { use: add, by: 3 }": true,
  "count: { use: add, to: 3 }": false,
  "sum: { inputs: { numbers: count } }": true,
  "sum: { inputs: { number: count } }": false,
  "sum: { inputs: { numbers: [count, add] } }": false,
  "compare: { inputs: { totals: [sum] } }": true,
  "compare: { inputs: { totals: sum } }": true,
  "compare: { inputs: sum }": false,
  "tune: { rate: 0.5 }": true,
  "tune:": false,
  "tune: {}": false,
  "tune: { rate: 1 }": false,
  "tune: { rate: 0.5, stop: {} }": true,
  "tune: { rate: 0.5, stop: { patience: 1 } }": true,
  "tune: { rate: 0.5, stop: { patince: 1 } }": false,
  "tune: { rate: 0.5, stop: { monitor: loss } }": false,
  "tune: { rate: 0.5, stop: }": false,
  "tune: { rate: 0.5, rates: [] }": false,
  "tune: { rate: 0.5, rates: [1, 2] }": true,
  "tune: { rate: 0.5, size: auto, on: false, text: x, weights: { a: 1 } }": true,
  "tune: { rate: 0.5, size: automatic }": false,
  "tune: { rate: 0.5, weights: { a: b } }": false,
  "readFile: { file: x, more: [y] }": true,
  "readFile: {}": false,
  "mine: { use: tune }": false,
  "mine: { use: tune, rate: 0.5 }": true,
  "draw: { seed: 3 }": true,
  "draw: { seed: -3 }": false,
  "draw: { seed: x }": false,
  "sum: { seed: 3 }": false,
  "add: { replaces: count, by: 3 }": true,
  "more: { use: add, replaces: count }": true,
  "add: { replaces: 3 }": false,
  "sum: { replaces: count }": false,
};

/** Files over the base below → whether they are right. */
const OVER: Record<string, boolean> = {
  "": true,
  "seed: 3": true,
  "stages:\n  mine: { rate: 0.1 }": true,
  "stages:\n  mine:": true,
  "stages:\n  mine: { use: add, by: 3 }": true,
  "stages:\n  mine: { use: add, rate: 3 }": false,
  "stages:\n  mine: 3": false,
  "stages:\n  count: { to: 3 }": true,
  "stages:\n  count: { to: '3' }": false,
  "stages:\n  draw: { seed: 4 }": true,
  "stages:\n  tune: { text: , stop: { patience: } }": true,
  "stages:\n  tune: { part: { of: 7 } }": true,
  "stages:\n  tune: { part: { off: 7 } }": false,
  "stages:\n  tune: { part: { of: x } }": false,
  "stages:\n  tune: { txt: }": false,
  "stages:\n  tune: { inputs: , text: }": true,
  "stages:\n  tune: { stop: { monitor: loss } }": false,
  "seeds: 3": false,
  "stages:\n  draw: false": true,
  "stages:\n  mine: false": true,
  "stages:\n  mine: true": false,
  "sweep: false": true,
  "sweep: { seed: false }": false,
  "sweep: true": false,
  "sweep: { count.to: true }": false,
};

const TOP: Record<string, boolean> = {
  "bullmq: { redis: 'redis://h:1' }\nstages: { count: }": true,
  "bullmq: { redis: 'h:1' }\nstages: { count: }": false,
  "stages: { count: }": true,
  "seed: 3\nname: a-b\ncompute: wasm\nartifacts: x\nplugins: []\nstages: { count: }": true,
  "seed: -1\nstages: { count: }": false,
  "seed: 4294967296\nstages: { count: }": false,
  "name: a/b\nstages: { count: }": false,
  "compute: gpu\nstages: { count: }": false,
  "plugins: x\nstages: { count: }": false,
  "seeds: 3\nstages: { count: }": false,
  "sweep: { seed: [1, 2], count.to: [3, 4], mine.max: [1] }\nstages: { count: }": true,
  "sweep: false\nstages: { count: }": false,
  "sweep: { seed: false }\nstages: { count: }": false,
  "sweep: { mine.max: false }\nstages: { count: }": false,
  "sweep: { seed: 1 }\nstages: { count: }": false,
  "sweep: { seed: [] }\nstages: { count: }": false,
  "sweep: [seed]\nstages: { count: }": false,
  "seed: 3": false,
  "stages:": false,
  "stages: {}": false,
  "stages: [count]": false,
  "- count": false,
};

Deno.test("pipelineJsonSchema() accepts what the config accepts, and nothing else", async () => {
  await using project = await Project.make();
  const all = { ...TOP };
  for (const [yaml, right] of Object.entries(STAGES)) all[`stages:\n  ${yaml}`] = right;
  for (const [yaml, right] of Object.entries(all)) {
    assert.equal(validate(parse(yaml)), right, `schema: ${yaml}`);
    await project.write({ "pipeline.yaml": yaml });
    const problems = await project.config().then(() => [], (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      return error.problems.map(({ message }) => message);
    });
    // What stands in `inputs` and `replaces` is judged when stages are wired.
    if (!/inputs: \{|replaces: c/.test(yaml)) {
      assert.equal(problems.length === 0, right, `config: ${yaml}`);
    }
  }
});

Deno.test("pipelineJsonSchema() takes a file over another one for a part of a pipeline", async () => {
  await using project = await Project.make({
    "base.yaml": "sweep: { seed: [1, 2], count.to: [1, 2], mine.rate: [0.1] }\n" +
      "stages: { count: , mine: { use: tune, rate: 0.5, inputs: { numbers: count } } , draw: ,\n" +
      "  tune: { inputs: { numbers: count }, rate: 0.5, text: x, part: { fold: 1, of: 5 }, stop: { patience: 1 } } }",
  });
  for (const [yaml, right] of Object.entries(OVER)) {
    const over = `extends: ./base.yaml\n${yaml}`;
    assert.equal(validate(parse(over)), right, `schema: ${yaml}`);
    await project.write({ "pipeline.yaml": over });
    assert.equal(await project.config().then(() => true, () => false), right, `config: ${yaml}`);
  }
});

/** Sweeps of `stages: { count: , tune: { rate: 0.5 } }` → whether they are right. */
const SWEEPS: Record<string, boolean> = {
  "count.to: [1, 2]": true,
  "count.to: [1, 1]": false,
  "count.to: [1, x]": false,
  "trials: 2, count.to: { from: 1, to: 9 }": false,
  "trials: 2, count.to: { from: 1, to: 9, step: 2 }": true,
  "trials: 2, tune.rate: { from: 0.1, to: 0.9 }": true,
  "trials: 2, tune.size: { from: 1, to: 9, step: 2 }": true,
  "trials: 2, tune.size: { from: 1, to: 9 }": false,
  "trials: 2, tune.text: { from: 1, to: 9 }": false,
  "tune.stop.patience: [1, 2]": true,
  "tune.stop.patience: [1, x]": false,
  "tune.part: [{ fold: 1, of: 5 }]": true,
  "tune.part.name: [a, b]": true,
  "tune.part.name: [a, 1]": false,
  "count.tp: [1, 2]": false,
  "stages.count.to: [1, 2]": true,
  "name: [a, b]": false,
  "compute: [wasm, cpu]": true,
};

Deno.test("pipelineJsonSchema() accepts the sweeps that the runner accepts", async () => {
  await using project = await Project.make();
  for (const [sweep, right] of Object.entries(SWEEPS)) {
    const yaml = `sweep: { ${sweep} }\nstages: { count: , tune: { rate: 0.5 } }\n`;
    assert.equal(validate(parse(yaml)), right, `schema: ${sweep}`);
    await project.write({ "pipeline.yaml": yaml });
    const base = await project.plan(), { folder } = project, values = {};
    const call = {
      names: ["pipeline"],
      values,
      cwd: folder,
      project: folder,
      stages,
      reporter: {},
    };
    const points = Promise.try(readSweep, base.source, { values })
      .then((sweep) => pointsOf(sweep, base, call as never));
    assert.equal(await points.then(() => true, () => false), right, `run: ${sweep}`);
  }
});

Deno.test("pipelineJsonSchema() describes everything that can be written", () => {
  const missing: string[] = [];
  const walk = (node: Record<string, unknown>, path: string) => {
    for (const [name, inner] of Object.entries(node.properties ?? {})) {
      const child = inner as Record<string, unknown>;
      if (!child.description && !child.if) missing.push(`${path}.${name}`);
      walk(child, `${path}.${name}`);
    }
  };
  walk(schema, "");
  for (const [name, definition] of Object.entries(schema.definitions!)) walk(definition, name);
  assert.deepEqual(missing, []);
  assert.doesNotMatch(JSON.stringify(schema), /"path"/);
});

Deno.test("pipeline.schema.json takes pipeline.yaml and every experiment, and refuses mistakes", async () => {
  const root = new URL("../../../../", import.meta.url);
  const own = JSON.parse(await Deno.readTextFile(new URL("pipeline.schema.json", root)));
  const validate = new Ajv({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    inlineRefs: false, // compiles in half of the time
  }).compile(own);
  const text = await Deno.readTextFile(new URL("pipeline.yaml", root));
  assert.equal(validate(parse(text)), true, JSON.stringify(validate.errors));
  for (
    const [right, wrong] of [["datasets", "dataset"], ["  split:", "  splt:"], ["16", "sixteen"]]
  ) {
    assert.ok(text.includes(right!));
    assert.equal(validate(parse(text.replace(right!, wrong!))), false, wrong);
  }
  for (const folder of ["experiments/", "experiments/shared/"]) {
    for await (const { name } of Deno.readDir(new URL(folder, root))) {
      if (!name.endsWith(".yaml")) continue;
      const text = await Deno.readTextFile(new URL(folder + name, root));
      const first = /^# yaml-language-server: \$schema=(\.\.\/)+pipeline\.schema\.json\n/;
      assert.match(text, first, name);
      assert.equal(
        validate(parse(text, { merge: true })),
        true,
        `${name} ${JSON.stringify(validate.errors)}`,
      );
    }
  }
  const names = builtIn.map(({ name }) => name);
  assert.deepEqual(Object.keys(own.definitions.whole.properties), names);
});

Deno.test("referenceMarkdown() lists every parameter with its values and default", () => {
  const tune = stageList.find(({ name }) => name === "tune")!;
  const compare = stageList.find(({ name }) => name === "compare")!;
  const text = referenceMarkdown({
    stages: [tune, compare],
    commands: { go: "Go somewhere.\n\n  deno task go" },
    sections: "## More\n\nfrom the app",
  });
  assert.match(text, /^<!-- deno-fmt-ignore-file -->\n\n# Reference\n/);
  assert.match(text, /\n\n## More\n\nfrom the app\n\n## Commands\n/);
  assert.ok(text.endsWith("### deno task go\n\n```text\nGo somewhere.\n\n  deno task go\n```\n"));
  assert.match(text, /\| `seed` \| whole number, at least 0, at most 4294967295 \| `42` \| /);
  assert.match(text, /\n### Kind numbers\n\n/);
  const stages = text.slice(text.indexOf("## Stages"), text.indexOf("## Artifact kinds"));
  assert.equal(
    stages,
    `## Stages

### tune

Have many parameters (takes [numbers](#kind-numbers); makes [total](#kind-total)).

| parameter | values | default | |
| --- | --- | --- | --- |
| \`rate\` | number, more than 0, less than 1 | required | Has no default |
| \`rates\` | list of number | \`[1]\` | A list |
| \`stop.monitor\` | \`val_loss\` \`val_metric\` | \`"val_loss"\` | What is watched |
| \`stop.patience\` | whole number, at least 0 | \`3\` | How long |
| \`size\` | whole number or \`auto\` | \`"auto"\` | How large |
| \`on\` | boolean | \`true\` | Whether |
| \`text\` | string |  | Any |
| \`part\` | \`{ name }\` or \`{ fold, of }\` |  | Which part |
| \`part.name\` | string | required |  |
| \`part.fold\` | whole number | required |  |
| \`part.of\` | whole number | required |  |
| \`sides\` | whole number, at least 1, at most 9 or list of 2, each whole number, at least 1, at most 9 |  | Pixels |
| \`weights\` | object | \`{}\` | Name → weight |

### compare

Put all totals side by side (takes every [total](#kind-total); makes [comparison](#kind-comparison)).

No parameters.

`,
  );
});

Deno.test("referenceMarkdown() lists an optional map beside its options, which it alone requires", () => {
  const gate = z.strictObject({
    from: z.number().describe("Age"),
    to: z.number().default(9).describe("Age"),
  });
  const stage = defineStage({
    name: "guard",
    summary: "Guard",
    inputs: {},
    outputs: {},
    run: () => Promise.resolve(),
    params: z.strictObject({ gate: gate.optional().describe("Default: none") }),
  });
  assert.match(
    referenceMarkdown({ stages: [stage], commands: {} }),
    /`gate` \| `\{ from, to \}` \| +\| Default: none \|\n\| `gate\.from` .* required .*\n.* `9` \|/,
  );
});
