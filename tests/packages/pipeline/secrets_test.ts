/** No user, password or query of a URL is kept or shown anywhere. */
import assert from "node:assert/strict";
import {
  hiddenIn,
  hideSecrets,
  hideUrl,
  withoutSecrets,
} from "../../../packages/pipeline/secrets.ts";
import { Project, stageUrl } from "./toy/project.ts";

Deno.test("hideUrl()", () => {
  const cases = {
    "https://u:p@h/x?sig=abc&y=2": "https://***@h/x?sig=***&y=***",
    "https://me@h/x": "https://***@h/x",
    "https://u:p/w@h/x": "https://***@h/x",
    "https://h?sig=a=b==": "https://h?sig=***",
    "https://h/x?token": "https://h/x?***",
    "https://h/x#a=b&c=d": "https://h/x#a=***&c=***",
    "http://[::1]:80/x?a=1#top": "http://[::1]:80/x?a=***#top",
    "redis://:pa/s#s@h:1/0": "redis://***@h:1/0",
    "redis://u:1/2@h": "redis://***@h",
  };
  for (const [url, hidden] of Object.entries(cases)) {
    assert.equal(hideUrl(url), hidden);
    assert.equal(hideUrl(hidden), hidden);
  }
  for (
    const url of [
      ...["https://h/x", "https://h:8080/x#top", "https://unpkg.com/@a/b@1", "redis://h:6379"],
      ...["rediss://user:password@host:6379", "file:///a/b", "npm:@a/b@1", "a/b?c=d"],
    ]
  ) assert.equal(hideUrl(url), url);
});

Deno.test("hideSecrets() and withoutSecrets() look into texts, lists and maps", () => {
  assert.equal(
    hideSecrets('Cannot get "https://u:p@h/x?sig=abc": 403. See https://h/help, (https://h?a=b).'),
    'Cannot get "https://***@h/x?sig=***": 403. See https://h/help, (https://h?a=***).',
  );
  const value = { a: ["https://u:p w@h/", 1, null], b: { c: "x", "http://h/?k=v": true } };
  assert.deepEqual(withoutSecrets(value), {
    a: ["https://***@h/", 1, null],
    b: { c: "x", "http://h/?k=***": true },
  });
  assert.deepEqual(hiddenIn({ s: { a: "https://***@h", b: "***", c: ["https://h?a=***"] } }), [
    ...["s.a", "s.c"],
  ]);
});

/** Takes a URL, fails on one that says so, and tells its own in every way that a stage has. */
const PLUGIN = `
import { z } from "zod";
import { defineKind, defineStage } from "${stageUrl}";
const out = defineKind({ kind: "out", summary: "out", files: { "out.txt": "out" } });
export default defineStage({
  name: "get", summary: "gets", inputs: {}, outputs: { out },
  params: z.strictObject({ url: z.string().describe("where"), more: z.array(z.string()).default([]).describe("m"), wrong: z.boolean().default(false).describe("w") }),
  async external({ url }) { return { [url]: url }; },
  async run(_inputs, { url, wrong }, context) {
    context.info("from " + url);
    context.warn("slowly from " + url);
    context.progress.start(1, "files");
    context.progress.advance(1, url);
    if (wrong) throw new Error("Cannot get " + url, { cause: new TypeError(url) });
    await Deno.writeTextFile(context.outputs.out + "/out.txt", "out");
    return { observed: { url } };
  },
});
`;
const URL = "https://u5er:pa55word@host/path?sig=s1gnature";

Deno.test("a URL's secrets are in no file and no line of a run", async (t) => {
  await using project = await Project.make({
    "get.ts": PLUGIN,
    "pipeline.yaml": "plugins: [./get.ts]\nstages:\n  get: { url: 'https://host/' }\n",
    "written.yaml": `plugins: [./get.ts]\nstages:\n  get: { url: '${URL}', more: ['${URL}'] }\n`,
  });
  const clean = async ({ out, err }: { out: string; err: string }) => {
    assert.doesNotMatch(out + err, /u5er|pa55word|s1gnature/);
    for (const name of await project.files()) {
      const text = name + await Deno.readTextFile(project.path("artifacts", name));
      assert.doesNotMatch(text, /u5er|pa55word|s1gnature/, name);
    }
    return out + err;
  };
  await t.step("from the command line", async () => {
    const told = await clean(await project.cli("run", "pipeline", "--set", `get.url=${URL}`));
    assert.match(told, /from https:\/\/\*\*\*@host\/path\?sig=\*\*\*/);
    assert.match(await clean(await project.cli("runs")), /get\.url=https:\/\/\*\*\*@host\/path/);
    await clean(await project.cli("runs", "--json"));
  });
  await t.step("from the file", async () => {
    await clean(await project.cli("run", "written", "--json"));
  });
  await t.step("in errors", async () => {
    const args = ["--set", `get.url=${URL}`, "--set", "get.wrong=true"];
    assert.equal((await project.cli("run", "pipeline", ...args)).code, 1);
    await clean(await project.cli("run", "pipeline", ...args, "--json"));
    await clean(await project.cli("run", "pipeline", "--set", `get.wrong=${URL}`));
    await clean(await project.cli("run", "pipeline", "--set", `get.nothing.${URL}`));
    await project.write({
      "bad.yaml": `plugins: [./get.ts]\nstages:\n  get: { wrong: '${URL}' }\n`,
    });
    await clean(await project.cli("run", "bad"));
  });
  await t.step("in a sweep", async () => {
    const axis = `get.url='${URL}','${URL}2'`;
    await clean(await project.cli("run", "pipeline", "--sweep", axis, "--jobs", "1"));
  });
  await t.step("and a run that had some cannot be repeated without them", async () => {
    const { runs } = JSON.parse((await project.cli("runs", "--json")).out);
    const [{ id }] = runs;
    const { code, err } = await project.cli("run", id);
    assert.equal(code, 2);
    assert.match(err, /was given a get\.url of which a part is recorded nowhere.*--set 'get\.url=/);
    assert.equal((await project.cli("run", id, "--set", `get.url=${URL}`)).code, 0);
  });
});
