/** Which changes of code make a result again. */
import assert from "node:assert/strict";
import { Project, stageUrl } from "../toy/project.ts";

/** A stage of its own module, which has a helper and some types. */
const PLUGIN = `import { z } from "zod";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
import type { Row } from "./types.ts";
import { many } from "./lib.ts";
export default defineStage({
  name: "own", summary: "Own", inputs: {}, outputs: { numbers },
  params: z.strictObject({}),
  async run(_, __, { outputs }) {
    const row: Row = { n: many };
    await Deno.writeTextFile(outputs.numbers + "/numbers.txt", String(row.n));
  },
});
`;

Deno.test("code counts", async (t) => {
  const deno = (yaml: string) => JSON.stringify({ imports: { zod: "npm:zod@4.6.7", yaml } });
  const lock = (text: string) =>
    JSON.stringify({ specifiers: { "npm:zod@4.6.7": text }, npm: { [`zod@${text}`]: {} } });
  await using project = await Project.make({
    "pipeline.yaml": "plugins: [own.ts]\nstages:\n  own:\n  sum:\n",
    "own.ts": PLUGIN,
    "types.ts": "export interface Row { n: number }",
    "lib.ts": "export const many = 3;",
    "deno.json": deno("npm:yaml@2.9.1"),
    "deno.lock": lock("4.6.7"),
  });
  await project.run();
  const why = async (files: Record<string, string>) => {
    await project.write(files);
    const { why: { own, sum } } = await project.run();
    return [own, sum];
  };
  await t.step("not comments, formatting, types and other packages", async () => {
    const told = await why({
      "own.ts": `// Mine.\n${PLUGIN.replaceAll("  ", "    ")}`,
      "types.ts": "export interface Row { n: number; m?: string }",
      "lib.ts": "/** Three. */\nexport const many: number = 3",
      "deno.json": deno("npm:yaml@3.0.0"),
    });
    assert.deepEqual(told, ["cached", "cached"]);
  });
  await t.step("what a module imports", async () => {
    const told = await why({ "lib.ts": "export const many = 4;" });
    // The module in memory is still the old one, so the result is as it was.
    assert.deepEqual(told, ["lib.ts changed", "cached"]);
  });
  await t.step("versions of packages", async () => {
    const told = await why({ "deno.lock": lock("4.6.8") });
    const zod = "zod changed from 4.6.7 to 4.6.8";
    assert.deepEqual(told, [zod, zod]);
  });
  await t.step("all that differs, the first four by name", async () => {
    const extra = ["a", "b", "c", "d"].map((name) => [`${name}.ts`, `export const ${name} = 1;`]);
    const told = await why({
      ...Object.fromEntries(extra),
      "lib.ts": 'export * from "./a.ts"; export * from "./b.ts"; export * from "./c.ts";\n' +
        'export * from "./d.ts"; export const many = 5;',
    });
    const [own] = told;
    assert.equal(own, "lib.ts changed, a.ts is new, b.ts is new, c.ts is new and 1 more");
  });
});

/** Returns a project whose plugin waits for its turn behind a gate. @param last its last stage */
const gated = (last: string) => ({
  "pipeline.yaml": "plugins: [own.ts]\nstages:\n  count: { to: 4 }\n  slow: " +
    `{ inputs: { numbers: count }, ms: 0, gate: gate }\n  own:\n  ${last}\n`,
  "deno.json": '{"imports":{"zod":"npm:zod@4.6.7"}}',
  "own.ts": PLUGIN,
  "types.ts": "export interface Row { n: number }",
  "lib.ts": "export const many = 3;",
  gate: "",
});

Deno.test("code that changes during a run counts in the next", async () => {
  await using project = await Project.make(gated("sum: { inputs: { numbers: own } }"));
  // The edit falls between the start of the run and the stage's turn.
  const running = project.run();
  await project.atTheGate();
  await project.write({ "lib.ts": "export const many = 33;" });
  await Deno.remove(project.path("gate"));
  assert.equal((await running).statuses.own, "ran");
  assert.equal((await project.run()).why.own, "lib.ts changed");
});

Deno.test("a stage that would load code which changed during the run is refused", async () => {
  await using project = await Project.make(gated("more: { use: own }"));
  const running = project.run({ builtIn: "own" });
  await project.atTheGate();
  await project.write({ "lib.ts": "export const many = 33;" });
  await Deno.remove(project.path("gate"));
  const { statuses, why } = await running;
  assert.deepEqual([statuses.slow, statuses.own], ["ran", "failed"]);
  assert.equal(why.own, "lib.ts changed after the run began. Run again.");
  const next = await project.run({ builtIn: "own" });
  assert.deepEqual([next.statuses.own, next.statuses.more], ["ran", "cached"]);
});
