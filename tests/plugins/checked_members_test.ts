/** A plugin's definitions are checked as it loads, by the members that their kind declares. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import { stages } from "../../stages/mod.ts";
import { project } from "../project_run.ts";

const FUNCTION = "expected a function, it is missing";
const METRIC =
  '"metric", of: "years", title: "m", unit: "", decimals: 1, compute, ofRows: compute, interval: compute';

/** Members of a definition, its kind first → its error. */
const MALFORMED: Readonly<Record<string, string>> = {
  [`${METRIC}, better: "higher"`]: 'better: expected "more" or "less", got "higher"',
  [METRIC.replace("years", "class")]:
    'of: expected "classes" or "years", got "class". Did you mean "classes"?',
  [METRIC.replace("compute,", "computes: compute,")]: `compute: ${FUNCTION}`,
  '"loss", of: ["years"]': `head: ${FUNCTION}`,
  '"loss", of: "years", head: compute': 'of: expected a list, got "years"',
  '"reportSection", links: compute': `render: ${FUNCTION}`,
  '"reportSection", render: compute': `links: ${FUNCTION}`,
  '"detector", opens: compute': `open: ${FUNCTION}`,
  '"network"': `trunk: ${FUNCTION}`,
  '"optimizer", state: "mean", prepare: compute': 'state: expected a list, got "mean"',
  '"schedule"': `factor: ${FUNCTION}`,
  '"sampling", order: 3': "order: expected a function, got 3",
  '"augmentation", apply: 3': "apply: expected a function, got 3",
  '"preset", preset: { layout: "ful" }': 'preset.layout: expected "full", "crop" or "aligned"',
};

Deno.test("definitions are checked on load, of files of the project and of third parties", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "members-" }));
  const file = join(folder, "pipeline", "p.yaml");
  await Deno.mkdir(dirname(file));
  const cases = Object.entries(MALFORMED);
  const kindOf = (members: string) => /"(\w+)"/.exec(members)![1]!;
  const message = async (plugin: string) => {
    await Deno.writeTextFile(
      file,
      `extends: ${join(project, "pipeline.yaml")}\nplugins:\n  - ${plugin}\nstages: {}\n`,
    );
    const options = {
      project,
      cwd: folder,
      registry: new Registry().add(stages),
      pluginApi: import.meta.resolve("../../plugins/plugin_process.ts"),
    };
    return await readConfig(file, options).then(
      () => "it is valid",
      (error: Error) => error.message,
    );
  };
  try {
    for (const [i, [members, expected]] of cases.entries()) {
      const path = join(folder, `${i}.js`);
      const definition = `{ extends: ${members}, name: "mine", summary: "Mine" }`;
      await Deno.writeTextFile(path, `const compute = () => 0;\nexport default ${definition};\n`);
      const text = `:3:5: ${kindOf(members)} "mine" of plugin "${path}": ${expected}`;
      const shown = await message(`{ use: ${path}, allow: [all] }`);
      assert.ok(shown.includes(text), shown);
    }
    // A process for each takes its time.
    const path = join(folder, "0.js");
    const shown = await message(path);
    assert.ok(shown.includes(`metric "mine" of plugin "${path}": ${cases[0]![1]}`), shown);
    assert.match(shown, /p\.yaml:3:5: /);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
