/** A plugin that adds to a parameter's values, as a detector does. */
import assert from "node:assert/strict";
import { pipelineJsonSchema } from "../../../../packages/pipeline/config/json_schema.ts";
import { readTopLevel } from "../../../../packages/pipeline/config/config.ts";
import { History } from "../../../../packages/pipeline/history.ts";
import { Registry } from "../../../../packages/pipeline/registry.ts";
import { Project, stageUrl } from "../toy/project.ts";
import { stages } from "../toy/stages.ts";

const defineUrl = new URL("../../../../packages/pipeline/define.ts", import.meta.url).href;
const toys = new URL("../toy/stages.ts", import.meta.url).href;

/** A stage whose numbers are chosen: one of its own, or what a plugin adds. */
const PICK = `import { z } from "zod";
import { define, definedChoice } from "${defineUrl}";
import { defineStage } from "${stageUrl}";
import { numbers } from "${toys}";
const [one, two] = ["one", "two"].map((name) =>
  define({ kind: "number", name, summary: "A number" })
);
export default defineStage({
  name: "pick", summary: "Pick a number", inputs: {}, outputs: { numbers },
  params: z.strictObject({
    of: definedChoice("number", [one, two]).default("one").describe("Which number"),
    other: definedChoice("number", [one]).optional(),
    named: z.record(z.string(), definedChoice("number", [one])).optional(),
    several: z.array(z.strictObject({ of: definedChoice("number", [one]) })).optional(),
    digit: definedChoice("number", [one], undefined, ["nine"]).optional(),
  }),
  async run(_, { of }, context) {
    const module = context.extension("number", of);
    const value = module ?? (of === "one" ? "1" : "2");
    await Deno.writeTextFile(context.outputs.numbers + "/numbers.txt", value);
  },
});
`;
const number = (name: string, value: number) =>
  `import { value } from "./value${value}.ts";
export default [{ extends: "number", name: "${name}", summary: "A number", value }];
`;

async function make(yaml: string): Promise<Project> {
  return await Project.make({
    "pipeline.yaml": yaml,
    "deno.json": '{"imports":{"zod":"npm:zod@4.6.7"}}',
    "plugins/pick.ts": PICK,
    "plugins/three.ts": number("three", 3),
    "plugins/value3.ts": "export const value = 3;",
    "plugins/four.ts": number("four", 4),
    "plugins/value4.ts": "export const value = 4;",
    "plugins/one.ts": number("one", 4),
  });
}

Deno.test("an extension's value is taken, told to the stage, and its code counts", async () => {
  await using project = await make(
    "plugins: [plugins/pick.ts, plugins/three.ts, plugins/four.ts]\nstages: { pick: { of: three } }",
  );
  const first = await project.run();
  assert.equal(await project.output(first, "pick", "numbers.txt"), "plugins/three.ts");
  await project.write({ "plugins/value4.ts": "export const value = 44;" });
  assert.equal((await project.run()).statuses.pick, "cached");
  await project.write({ "plugins/value3.ts": "export const value = 33;" });
  assert.equal((await project.run()).why.pick, "plugins/value3.ts changed");
  const own = await project.run({ set: ["pick.of=two"] });
  assert.equal(await project.output(own, "pick", "numbers.txt"), "2");
});

Deno.test("a run records which values of an extension's metric are better", async () => {
  await using project = await make(
    "plugins: [plugins/pick.ts, plugins/three.ts]\nstages: { pick: { of: three } }",
  );
  const declared = number("three", 3).replace("value }]", 'value, better: "more" }]');
  await project.write({ "plugins/three.ts": declared });
  await project.run();
  await project.run({ set: ["pick.of=one"] });
  const runs = await new History(project.path("artifacts")).list();
  assert.deepEqual(runs.map(({ better }) => better), [{ three: "more" }, undefined]);
});

Deno.test("an extension's value is taken wherever a choice is", async () => {
  await using project = await make(
    "plugins: [plugins/pick.ts, plugins/three.ts, plugins/four.ts]\n" +
      "stages: { pick: { named: { a: three, b: one }, several: [{ of: four }] } }",
  );
  const { stages: [pick] } = await project.config();
  assert.deepEqual(pick!.extensions.map(({ name }) => name), ["three", "four"]);
});

Deno.test("without its plugin, or misspelt, an extension's value is refused", async () => {
  const with3 = "plugins: [plugins/pick.ts, plugins/three.ts]\n";
  await using project = await make("stages:\n");
  assert.match(
    await project.mistakes("plugins: [plugins/pick.ts]\nstages: { pick: { of: three } }"),
    /2:23: pick\.of: expected "one" or "two" or \{ use, \.\.\.options \}, got "three"/,
  );
  assert.match(
    await project.mistakes(`${with3}stages: { pick: { of: tree } }`),
    /2:23: pick\.of: expected "one", "two" or "three" or \{ use, \.\.\.options \}, got "tree"/,
  );
  assert.match(
    await project.mistakes("plugins: [plugins/three.ts, plugins/three.ts]\nstages: { count: }"),
    /1:29: Cannot register number "three" of \/.*three.ts: \/.*three.ts has that name already/,
  );
});

Deno.test("an extension cannot take the name of a stage's own value", async () => {
  await using project = await make("plugins: [plugins/pick.ts, plugins/one.ts]\nstages: { pick: }");
  await assert.rejects(
    project.config(),
    /yaml:1:28: Cannot add the number "one" of .*one\.ts: there is one/,
  );
});

Deno.test("an earlier name of an extension is checked and found as its name is", async () => {
  await using project = await make("stages:\n");
  const pipeline = async (former: string, stages: string) => {
    const text = number("three", 3).replace("value }]", `value, former: ["${former}"] }]`);
    await project.write({ [`plugins/${former}3.ts`]: text });
    const plugins = `[plugins/pick.ts, plugins/four.ts, plugins/${former}3.ts]`;
    return `plugins: ${plugins}\nstages: { pick: ${stages} }`;
  };
  for (const taken of ["one", "nine", "four"]) {
    const mistake = await project.mistakes(await pipeline(taken, ""));
    assert.match(
      mistake,
      new RegExp(`yaml:1:45: Cannot add the number "${taken}" of .*: there is one of that name`),
    );
  }
  await project.write({ "pipeline.yaml": await pipeline("drei", "{ of: drei }") });
  const { stages: [pick] } = await project.config();
  assert.deepEqual(pick!.extensions.map(({ name }) => name), ["three"]);
});

Deno.test("an extension shows in the schema, beside the stage's own values", async () => {
  await using project = await make(
    "plugins: [plugins/pick.ts, plugins/three.ts]\nstages: { pick: }",
  );
  const { registry } = await readTopLevel(project.path("pipeline.yaml"), {
    project: project.folder,
    cwd: project.folder,
    overrides: [],
    registry: new Registry().add(stages),
  });
  const { stage } = await registry.get("pick");
  const schema = JSON.stringify(pipelineJsonSchema([stage]));
  assert.match(
    schema,
    /"of":\{(?=[^}]*"enum":\["one","two","three"\])(?=[^}]*"description":"Which number")(?=[^}]*"default":"one")/,
  );
  assert.match(schema, /"other":\{[^}]*"enum":\["one","three"\]/);
  assert.doesNotMatch(schema, /"choice"/);
});

Deno.test("a value that a plugin would have brought is no second error when it does not load", async () => {
  await using project = await make("");
  const message = await project.mistakes(
    "plugins: [plugins/pick.ts, plugins/none.ts]\nstages:\n" +
      "  pick: { of: five, several: [{ of: six }] }",
  );
  assert.match(message, /^pipeline\.yaml:1:28: cannot load plugin/);
  assert.doesNotMatch(message, /pipeline\.yaml:3/);
});
