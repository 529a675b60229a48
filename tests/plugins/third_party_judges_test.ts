/**
 * A detector, a metric and a report section from outside the project: their functions run in a process
 * of few rights, the stages that call them do not.
 */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openForeign } from "../../faces/detection/foreign_detector.ts";
import { drawnFace, startService } from "../faces/serving/fixture.ts";
import { project, run } from "../project_run.ts";

const JUDGES = new URL("../fixtures/third_party/judges.js", import.meta.url);

Deno.test("third-party detectors, metrics and sections compute in processes of their own", async (t) => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "judges-" }));
  try {
    await Deno.mkdir(join(folder, "plugin"));
    await Deno.copyFile(JUDGES, join(folder, "plugin", "judges.js"));
    const write = (name: string, allow: string) =>
      Deno.writeTextFile(
        join(folder, name),
        `
extends: ${join(project, "tests/pipelines/kills.yaml")}
plugins: [{ use: ./plugin/judges.js${allow} }]
stages:
  faceCrop: { detector: middle }
  trainGender: { epochs: 1 }
  evaluate: { metrics: [sure, auc], sections: [models, contact, provenance] }
`,
      );
    await write("bounded.yaml", "");
    await write("free.yaml", ", allow: [all]");
    const outputs = async (name: string) => {
      const { code, text, stages } = await run(join(folder, name), join(folder, `${name}.yaml`));
      assert.equal(code, 0, text);
      const of = (id: string) => stages.find((stage) => stage.id === id)!.outputs;
      const [faces, report] = [of("faceCrop").faces!, of("evaluate").report!];
      const read = (path: string) => Deno.readTextFile(resolve(project, path));
      return {
        text,
        metrics: await read(`${report}/metrics.json`),
        fairness: await read(`${report}/fairness.json`),
        html: await read(`${report}/report.html`),
        rights: JSON.parse(await read(`${report}/../record.json`)).rights,
        digest: JSON.parse(await read(`${faces}/../record.json`)).outputs.faces.digest,
      };
    };
    const bounded = await outputs("bounded"), free = await outputs("free");
    await t.step("as if they were the project's own", () => {
      assert.equal(bounded.metrics, free.metrics);
      assert.equal(bounded.fairness, free.fairness);
      assert.match(bounded.metrics, /"sure": 0\.\d+/);
      assert.match(bounded.metrics, /"name": "sure"[^]*"low": 0\.\d+/);
      assert.match(bounded.text, /faceCrop +.*third-party code, allow: \[\]/);
      assert.match(bounded.text, /evaluate +.*third-party code, allow: \[\]/);
      assert.deepEqual(bounded.rights, []);
      assert.match(
        bounded.html.replace(/\s+/g, " "),
        /third-party code<\/dt> <dd>faceCrop \(allow: \[\]\), evaluate \(allow: \[\]\)</,
      );
      assert.deepEqual(free.rights, ["all"]);
      assert.match(free.text, /evaluate +.*third-party code, allow: \[all\]/);
      const plugins = /plugins:\n {2}- (.*)\n/;
      assert.match(bounded.html.match(plugins)![1]!, /^[^"{]*\/plugin\/judges\.js$/);
      assert.match(free.html, /plugins:\n {2}- use: .*judges\.js\n {4}allow:\n {6}- all\n/);
    });
    await t.step("in a page without their scripts", () => {
      const policy = /<meta http-equiv="Content-Security-Policy" content="default-src 'none'/;
      assert.match(bounded.html.slice(0, 800), policy);
      assert.doesNotMatch(free.html.slice(0, 800), policy);
      assert.ok(bounded.html.includes('<a href="#contact">Contact &amp; more</a>'));
      assert.ok(bounded.html.includes("<p>trainGender & <script>")); // blocked by the policy
    });
    await t.step("which costs their stage only, and names the right", async () => {
      const refused = async (stage: string, set: string) => {
        const given = ["--set", set, "--only", stage];
        const { code, stages } = await run(
          join(folder, "bounded"),
          join(folder, "bounded.yaml"),
          ...given,
        );
        assert.equal(code, 1);
        return stages.find(({ id }) => id === stage)!.why;
      };
      const right =
        /no right to that: .*add to its line of plugins: allow: \["read:\/etc\/passwd"\]/;
      const reads = 'reads: "/etc/passwd"';
      assert.match(await refused("faceCrop", `faceCrop.detector={ use: middle, ${reads} }`), right);
      const sets = [`metrics=[{ use: sure, ${reads} }]`, `sections=[{ use: contact, ${reads} }]`];
      for (const set of sets) assert.match(await refused("evaluate", `evaluate.${set}`), right);
      const redirects = "evaluate.sections=[{ use: contact, redirects: true }]";
      assert.match(await refused("evaluate", redirects), /has a <meta>/);
      const empty = "evaluate.sections=[{ use: contact, empty: true }]";
      assert.match(await refused("evaluate", empty), /expected markup: return html`\.\.\.`/);
      for (const answer of ["x", "nothing"]) {
        assert.match(
          await refused("evaluate", `evaluate.metrics=[{ use: sure, answer: ${answer} }]`),
          /^compute\(\) of metric "sure" of plugin ".*judges\.js" answered .*expected a number/,
        );
      }
      assert.match(
        await refused("faceCrop", 'faceCrop.detector={ use: middle, reads: "null" }'),
        /^Cannot use the detector "middle": open\(\) returned no detect\(\)/,
      );
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the service finds faces with a third-party plugin's detector", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "judges-" }));
  try {
    await Deno.copyFile(JUDGES, join(folder, "judges.js"));
    const sandbox = {
      specifier: pathToFileURL(join(folder, "judges.js")).href,
      project,
      api: import.meta.resolve("../../plugins/plugin_process.ts"),
      allow: [],
      memory: 4,
      disk: 1,
      minutes: 1,
      modules: [],
    };
    const plugin = { sandbox, own: ["reads"] };
    {
      const detectors = { middle: { module: "middle.ts", foreign: plugin } };
      await using server = await startService({ detector: "middle", detectors });
      const answer = await server.predict(await drawnFace(), "image/png");
      const { detector, faces } = await answer.json();
      assert.deepEqual([detector, faces.length], ["middle", 9]);
    }
    // The second error is not that the process has ended.
    const model = await openForeign("middle", plugin, { reads: "/etc/passwd", other: 1 });
    const image = { data: new Uint8Array(27), width: 3, height: 3 };
    for (const _ of [1, 2]) {
      await assert.rejects(model.detect(image), /allow: \["read:\/etc\/passwd"\]/);
    }
    model.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
