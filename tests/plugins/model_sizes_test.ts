import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { reportPage } from "../../faces/evaluation/report_page.ts";
import { chooseSections } from "../../faces/evaluation/report_sections.ts";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import modelSizes from "../../plugins/modelSizes.ts";
import { stages } from "../../stages/mod.ts";
import { madeUpReport } from "../faces/evaluation/fixture.ts";

Deno.test("evaluate takes a plugin's section of the report, with its options", async () => {
  const project = fileURLToPath(new URL("../../", import.meta.url));
  const folder = await Deno.makeTempDir(), file = join(folder, "p.yaml");
  const read = async (sections: string) => {
    const plugin = JSON.stringify(join(project, "plugins/modelSizes.ts"));
    await Deno.writeTextFile(
      file,
      `extends: ${project}pipeline.yaml\nplugins: [${plugin}]\nstages:\n  evaluate: { sections: ${sections} }\n`,
    );
    const registry = new Registry().add(stages);
    const config = await readConfig(file, { project, cwd: folder, registry, overrides: [] });
    return config.stages.find(({ id }) => id === "evaluate")!;
  };
  const { params, extensions } = await read("[provenance, { use: modelSizes, title: Weights }]");
  assert.deepEqual(extensions.map(({ name }) => name), ["modelSizes"]);
  const report = await madeUpReport();
  const page = await reportPage(report, chooseSections(params.sections as string[], [modelSizes]));
  assert.match(page, /<a href="#made">Provenance<\/a>\s*<a href="#sizes">/);
  assert.doesNotMatch(page, /id="faces"/);
  assert.ok(page.indexOf('id="made"') < page.indexOf('<h2 id="sizes">Weights</h2>'));
  const count = report.models[0].network.weights.toLocaleString("en");
  assert.ok(page.slice(page.indexOf('id="sizes"')).includes(`<td>${count}</td>`));
  await assert.rejects(read("[modelSize]"), /Did you mean "modelSizes"/);
  assert.match(await reportPage(report), /id="faces"[^]*id="made"/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a section that returns no markup or no links of it is an error that names it", async () => {
  const report = await madeUpReport();
  const written = (part: object) =>
    reportPage(
      report,
      chooseSections(["modelSizes"], [
        { ...modelSizes, ...part } as typeof modelSizes,
      ]),
    );
  const refused = (part: object, message: RegExp) => assert.rejects(written(part), message);
  await refused({ render: () => undefined }, /"modelSizes": render\(\) returned undefined\./);
  await refused({ render: () => "<b>a</b>" }, /render\(\) returned "<b>a<\/b>"\. Return html`/);
  await refused({ links: () => ["mine"] }, /links\(\) returned \["mine"\]\. Return pairs/);
  await refused({ links: () => [["mine", "Mine"]] }, /render\(\) wrote no id="mine", which links/);
});
