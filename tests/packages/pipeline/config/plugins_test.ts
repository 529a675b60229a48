/** Stages from outside: how they are named, and what is told of those that are wrong. */
import assert from "node:assert/strict";
import { loadPlugin } from "../../../../packages/pipeline/config/plugins.ts";
import { Project, stageUrl } from "../toy/project.ts";

/** A plugin with a stage of a name. */
const plugin = (name: string, params = "") => `
import { z } from "zod";
import { defineStage } from "${stageUrl}";
import { numbers } from "${new URL("../toy/stages.ts", import.meta.url).href}";
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
  await t.step("may not turn parameters into what JSON cannot hold", async () => {
    const field = (name: string, to: string) =>
      `${name}: z.string().default("a").transform((x) => ${to}),`;
    await project.write({
      "plugins/turns.ts": plugin(
        "turns",
        field("pattern", "new RegExp(x)") + field("names", "[new Set([x])]") +
          field("day", "new Date(0)") + field("map", "({ a: {} })") +
          field("bytes", "new Uint8Array(2)"),
      ),
    });
    await says(
      "plugins: [./plugins/turns.ts]\nstages:\n  count:\n  turns: { pattern: a }",
      /4:10: turns\.day: it becomes/,
      /4:10: turns\.names: it becomes what JSON cannot hold, so any value would have the same cache/,
      /4:21: turns\.pattern: it becomes what JSON cannot hold/,
    );
  });
  await t.step("are named when they take long to load", async () => {
    await project.write({ "plugins/never.ts": "await new Promise(() => {});" });
    const { setTimeout } = globalThis, { error } = console;
    const logged = Promise.withResolvers<string>();
    try {
      globalThis.setTimeout = ((act: () => void) => queueMicrotask(act)) as typeof setTimeout;
      console.error = logged.resolve;
      void loadPlugin(new URL(`file://${project.path("plugins/never.ts")}`).href);
      assert.match(await logged.promise, /^waiting for plugin ".*never\.ts" to load$/);
    } finally {
      globalThis.setTimeout = setTimeout;
      console.error = error;
    }
  });
  await t.step("must be there", () =>
    says(
      "plugins:\n  - ./plugins/negat.ts\nstages:\n  count:",
      `pipeline.yaml:2:5: cannot load plugin "${project.path("plugins/negat.ts")}"`,
      /because: Module not found[^]*negat\.ts"\.\n {6}- /,
    ));
  await t.step("that are written as from the project are found from their file", async () => {
    await project.write({
      "experiments/a/b.yaml": "plugins: [./plugins/negate.ts]\nstages:\n  count:",
    });
    const message = await project.mistakes("extends: experiments/a/b.yaml");
    assert.match(
      message,
      /b\.yaml:1:11: cannot load plugin [^]*did you mean "\.\.\/\.\.\/plugins\/negate\.ts"\?/,
    );
  });
  await t.step("must parse and load", async () => {
    await says(
      "plugins: [plugins/bad.ts]\nstages: { count: }",
      /cannot load plugin.*\n.*because: /,
    );
    await says(
      "plugins: [plugins/throws.ts]\nstages: { count: }",
      `, which throws at ${project.path("plugins/throws.ts")}:1:7`,
      "because: no luck",
    );
  });
  await t.step("that does not load is the only error, whatever it would have brought", async () => {
    const message = await project.mistakes(
      "plugins: [plugins/throws.ts]\nstages:\n  count:\n  negate: { times: 2 }\n" +
        "  sum: { inputs: { numbers: negate } }",
    );
    assert.match(message, /^pipeline\.yaml:1:11: cannot load plugin [^]*$/);
    assert.doesNotMatch(message, /pipeline\.yaml:[2-9]/);
    await says(
      "plugins: [plugins/throws.ts]\nstages:\n  count: { to: 0 }\n  negate:",
      "pipeline.yaml:3:16: count.to: expected at least 1, got 0.",
    );
  });
  await t.step("must be made by defineStage, with inputs and outputs", async () => {
    const plain = plugin("plain").replace("defineStage({", "({");
    await project.write({
      "plugins/plain.ts": plain,
      "plugins/flags.ts": plain.replace("params:", "seeded: () => true, params:"),
      "plugins/inputs.ts": plugin("open").replace("inputs: { numbers },", ""),
      "plugins/outputs.ts": plugin("closed").replace("outputs: { numbers }", "outputs: { a: 3 }"),
      "plugins/runs.ts": plugin("still").replace("run()", "runs()"),
      "plugins/named.ts": plugin("my stage"),
    });
    const told = /1:11: stage "plain" of plugin ".*" is a plain object\. Write: export default def/;
    await says("plugins: [plugins/plain.ts]\nstages: { plain: }", told);
    await says("plugins: [plugins/flags.ts]\nstages: { plain: }", told);
    await says(
      "plugins: [plugins/inputs.ts]\nstages: { open: }",
      /"open" .*: inputs: expected name: kind, /,
    );
    await says(
      "plugins: [plugins/outputs.ts]\nstages: { x: }",
      /"closed" .*: outputs: expected name: kind, as in \{ images \}, or \{\}, got \{"a":3\}\./,
    );
    await says(
      "plugins: [plugins/runs.ts]\nstages: { still: }",
      /1:11: stage "still" of plugin ".*runs\.ts": run: expected a function, it is missing\./,
    );
    await says(
      "plugins: [plugins/named.ts]\nstages: { x: { use: my stage } }",
      /1:11: stage "my stage" of .*: name: expected a name in camelCase, got "my stage"\./,
    );
  });
  await t.step("must have a stage as their default export", async () => {
    const none =
      /pipeline.yaml:1:11: plugin ".*none.ts" has no stage as its default export. Write: /;
    await says("plugins: [plugins/none.ts]\nstages: { count: }", none);
    await says("plugins: [plugins/empty.ts]\nstages: { count: }", /has no stages in its list/);
    await project.write({
      "plugins/bare.js": `export default (api) => api.define({ kind: "loss", name: "bare" });`,
    });
    const bare = /1:11: loss "bare" of plugin ".*bare.js": summary: expected a text, it is missing/;
    await says("plugins: [plugins/bare.js]\nstages: { count: }", bare);
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
  await t.step("may be a function of the API, without an import", async () => {
    const made = `api.defineStage({
      name: "twice", summary: "Twice", inputs: {}, params: api.z.strictObject({}), async run() {},
      outputs: { n: api.defineKind({ kind: "n", summary: "N", files: { "n.txt": "n" } }) },
    })`;
    await project.write({
      "plugins/api.js": `export const apiVersion = 1; export default async (api) => [${made}];`,
      "plugins/plain.js": `export default (api) => ${made}`,
      "plugins/later.js": `export const apiVersion = 2; export default (api) => ${made}`,
      "plugins/text.js": `export const apiVersion = "1"; export default (api) => ${made}`,
      "plugins/throwing.js": `export default (api) => api.defineNothing()`,
      "pipeline.yaml": "plugins: [plugins/api.js]\nstages: { twice: }",
    });
    for (const name of ["api", "plain"]) {
      const { stages } = await project.config("pipeline.yaml", [`plugins=[plugins/${name}.js]`]);
      assert.equal(stages[0]!.use, "twice");
    }
    await says(
      "plugins: [plugins/later.js]\nstages: { twice: }",
      /1:11: cannot load plugin ".*later.js"\n.*because: its apiVersion is 2, and this is version 1/,
    );
    await says(
      "plugins: [plugins/text.js]\nstages: { twice: }",
      /because: its apiVersion is "1", and this is version 1\. Take another version/,
    );
    await says(
      "plugins: [plugins/throwing.js]\nstages: { twice: }",
      /cannot load plugin ".*", which throws at .*throwing.js:1:29\n/,
    );
  });
  await t.step("are told that a file of the project moved", async () => {
    await project.write({
      "plugins/former.ts": 'import { defineStage } from "../runner/stage.ts";\nvoid defineStage;',
    });
    await says(
      "plugins: [plugins/former.ts]\nstages: { count: }",
      /former.ts", which imports a missing file at .*former.ts:1:29. CHANGELOG.md lists files that m/,
    );
  });
  await t.step("cannot take a name twice", () =>
    says(
      "plugins: [./plugins/again.ts]\nstages:\n  count:",
      /1:11: Cannot register stage "count" of \/.*plugins\/again.ts: \/.*toy\/stages.ts has/,
      "Rename one of them.",
    ));
  await t.step("are not listed twice", () =>
    says(
      "plugins: [./plugins/negate.ts, ./plugins/negate.ts]\nstages:\n  count:",
      "1:32",
      "Remove one of them.",
    ));
  await t.step("of the project have all rights, so that bounds are refused", async () => {
    await says(
      "plugins: [{ use: ./plugins/negate.ts, allow: [net] }]\nstages:\n  count:",
      "1:11: allow: [net] bounds no file of the project: it has all rights.",
    );
    for (const bound of ["minutes: 5", "memory: 4", "disk: 0.5"]) {
      await says(
        `plugins: [{ use: ./plugins/negate.ts, ${bound} }]\nstages:\n  count:`,
        `1:11: ${bound} bounds no file of the project: it has all rights. Remove ${
          bound.split(":")[0]
        }`,
      );
    }
    await says(
      "plugins: [{ use: npm:negate, allow: [all], minutes: 5 }]\nstages:\n  count:",
      "1:11: minutes: 5 bounds no plugin with allow: [all]: it has all rights. Remove minutes or all",
    );
    await says(
      "plugins: [{ use: npm:negate, minutes: 40000 }]\nstages:\n  count:",
      "minutes: expected at most 35000, got 40000",
    );
    await project.write({
      "pipeline.yaml": "plugins: [{ use: ./plugins/negate.ts, allow: [all] }]\nstages:\n  count:",
    });
    assert.equal((await project.config()).stages.length, 1);
  });
});

Deno.test("an error of a plugin is reported with its place in it", async () => {
  const throwing = (what: string) =>
    plugin("negate").replace("async run() {}", `async run() {\n    await null;\n    ${what};\n  }`);
  await using project = await Project.make({
    "pipeline.yaml": "plugins: [plugins/negate.ts]\nstages: { count: , negate: }",
    "plugins/negate.ts": throwing("throw new Error('no luck', { cause: new Error('it rained') })"),
    "plugins/second.ts": throwing("throw 'no luck'"),
    "plugins/third.ts": throwing("await Deno.readTextFile('/none')"),
    "plugins/helped.ts": throwing("help()") + "import { help } from './help.ts';",
    "plugins/help.ts": "export function help() { throw new Error('too far'); }",
    "plugins/mistake.ts": throwing("null.x"),
  });
  const failed = async (name: string) => {
    const { report, text } = await project.run({ set: [`plugins=[plugins/${name}.ts]`] });
    const { why } = report.stages.find(({ id }) => id === "negate")!;
    return { why, text };
  };
  const at = (name: string) => `  at ${project.path(`plugins/${name}.ts`)}:10:`;
  const first = await failed("negate");
  assert.ok(first.why.startsWith(`no luck\n  because: it rained\n${at("negate")}11`), first.why);
  assert.ok(first.text.includes(at("negate")), first.text);
  assert.match((await failed("second")).why, /^no luck\n {2}at "negate" of file:.*second\.ts$/);
  for (const name of ["third", "helped"]) {
    const { why } = await failed(name);
    assert.ok(why.includes(`\n${at(name)}`), why);
  }
  const { text } = await failed("mistake");
  const place = project.path("plugins/mistake.ts");
  assert.match(
    text,
    /✗ negate {2}failed: Cannot read properties of null.*\n {2}at .*mistake\.ts:10:/,
  );
  assert.equal(text.split(place).length, 2);
  assert.doesNotMatch(text, /packages\/pipeline/);
});

Deno.test("a run warns of plugins whose files the cache key may lack", async () => {
  const reading = (what: string, external = "") =>
    plugin("negate").replace("async run() {}", `${external}async run() { ${what}; }`);
  const computed = "for (const name of ['a.txt']) await Deno.stat(new URL(name, import.meta.url))";
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: , negate: }",
    "plugins/a.txt": "a",
    "plugins/literal.ts": reading("await Deno.stat(new URL('a.txt', import.meta.url))"),
    "plugins/computed.ts": reading(computed),
    "plugins/declared.ts": reading(computed, "external: async () => ({ a: 'its digest' }),"),
  });
  const run = async (name: string) =>
    (await project.run({ set: [`plugins=[plugins/${name}.ts]`] })).text;
  assert.match(
    await run("computed"),
    /negate: plugins\/computed\.ts may read or import files whose/,
  );
  for (const name of ["literal", "declared"]) {
    assert.doesNotMatch(await run(name), /may read/, name);
  }
});

Deno.test("what a plugin's stage returns is checked", async () => {
  const numbers = "await Deno.writeTextFile(`${context.outputs.numbers}/numbers.txt`, '1');";
  const returning = (result: string, more = "") =>
    plugin("negate").replace(
      "async run() {}",
      `${more}async run(_inputs, _params, context) { ${numbers} return ${result}; }`,
    );
  const external = (facts: string) => returning("undefined", `external: async () => (${facts}),`);
  const check = (found: string) => returning("undefined", `check: async () => (${found}),`);
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: , negate: }",
    "plugins/right.ts": returning("{ show: ['numbers/numbers.txt'], caution: 'A caution.' }"),
    "plugins/key.ts": returning("{ metric: {} }"),
    "plugins/text.ts": returning("'done'"),
    "plugins/shown.ts": returning("{ show: ['numbers.txt'] }"),
    "plugins/size.ts": external("{ size: 5 }"),
    "plugins/lost.ts": external("{ digest: undefined }"),
    "plugins/none.ts": external("undefined"),
    "plugins/names.ts": check("['wrong']"),
    "plugins/places.ts": check("[{ path: 'a', message: 'wrong' }]"),
    "plugins/syntax.ts": "export default {",
  });
  const run = async (name: string) => {
    const set = [`plugins=[plugins/${name}.ts]`];
    try {
      return (await project.run({ set })).text;
    } catch (error) {
      return `${(error as Error).message}`;
    }
  };
  assert.match(await run("right"), /✓ negate/);
  const kept = 'Cannot keep what stage "negate" returned: ';
  for (
    const [name, message] of Object.entries({
      key: `${kept}expected no "metric"`,
      text: `${kept}expected no "0"`,
      shown: `${kept}show names "numbers.txt", and it wrote no such OUTPUT/FILE`,
      size: 'stage "negate": external() returned { size: 5 }. Return texts by name',
      lost: 'stage "negate": external() returned { digest: undefined }. Return texts',
      none: 'stage "negate": external() returned undefined. Return texts',
    })
  ) {
    const text = await run(name);
    assert.ok(text.includes(message), `${name}: ${text}`);
  }
  for (const [name, shown] of [["names", '[ "wrong" ]'], ["places", '[ { path: "a", message: ']]) {
    const { stages: [stage] } = await loadPlugin(`file://${project.path(`plugins/${name}.ts`)}`);
    const { check } = (await stage!.load()).default;
    const given = { artifacts: "", inputs: {}, definitions: () => [] };
    await assert.rejects(check!({}, given), ({ message }: Error) => {
      assert.ok(message.includes(`stage "negate": check() returned ${shown}`), message);
      return message.endsWith('Return a list of { path: ["parameter"], message }.');
    });
  }
  assert.doesNotMatch(await run("syntax"), /missing file/);
});

Deno.test("a plugin's stage that changes its input fails, and the input is made again", async () => {
  const writing = (path: string, text: string) =>
    plugin("negate").replace(
      "async run() {}",
      `async run({ numbers }, _params, { outputs }) {
        await Deno.writeTextFile(outputs.numbers + "/numbers.txt", "1");
        await Deno.writeTextFile(${path}, "${text}");
      }`,
    );
  const input = 'numbers.path + "/numbers.txt"', hidden = 'numbers.path + "/.DS_Store"';
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: { to: 3 }, negate: }",
    "plugins/content.ts": writing(input, "9\\n9\\n9"),
    "plugins/stranger.ts": writing('numbers.path + "/more.txt"', "9"),
    "plugins/right.ts": writing('outputs.numbers + "/more.txt"', "9"),
    "plugins/hidden.ts": writing(hidden, "9"),
  });
  const run = (name: string) => project.run({ set: [`plugins=[plugins/${name}.ts]`] });
  assert.equal((await run("hidden")).statuses.negate, "ran"); // as if a file manager did it
  const [numbers] = (await project.files()).filter((name) => /^count.*numbers\.txt$/.test(name));
  const left = `artifacts/${numbers!.replace("numbers.txt", "left.txt")}`;
  await project.write({ [left]: "9", "plugins/hidden.ts": writing(hidden, "99") });
  const after = await run("hidden"); // changes its input, but has not left the other file there
  assert.equal(after.statuses.negate, "ran", after.text);
  await Deno.remove(project.path(left));
  const changed =
    'Cannot keep what stage "negate" made: it changed the result of "count": numbers/';
  for (
    const [name, how] of [["content", "numbers.txt has another "], ["stranger", "more.txt is no"]]
  ) {
    const { text, statuses } = await run(name!);
    assert.equal(statuses.negate, "failed");
    assert.ok(text.includes(`${changed}${how}`), text);
    const again = await run("right");
    assert.deepEqual(again.statuses, {
      count: name === "content" ? "ran" : "cached",
      negate: "ran",
    });
    await project.write({ "plugins/right.ts": writing('outputs.numbers + "/more.txt"', "10") });
  }
});

Deno.test("a promise that a plugin's stage does not await fails the stage, not the program", async () => {
  const starting = (rest: string) =>
    plugin("negate").replace(
      "async run() {}",
      `async run(_inputs, _params, { outputs }) {
        globalThis.started.promise.then(() => { throw new Error("too late"); });
        ${rest}
      }`,
    );
  await using project = await Project.make({
    "pipeline.yaml": "stages: { count: { to: 3 }, negate: }",
    "plugins/early.ts": starting(`globalThis.started.resolve();
        await Deno.writeTextFile(outputs.numbers + "/numbers.txt", "1");`),
    "plugins/late.ts": starting(""),
  });
  const started = Promise.withResolvers<void>();
  Object.assign(globalThis, { started });
  const run = (name: string) => project.run({ set: [`plugins=[plugins/${name}.ts]`] });
  assert.match((await run("late")).text, /"negate" made: .* is missing .* await each call/);
  const { text } = await run("early");
  assert.match(text, /does not await failed\. Await it\.\n {2}because: too late/);
  Reflect.deleteProperty(globalThis, "started");
});
