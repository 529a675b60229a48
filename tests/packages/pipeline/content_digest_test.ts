/** Facts from outside count by content, and are remembered. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { contentDigest } from "../../../packages/pipeline/content_digest.ts";
import { Project, stageUrl } from "./toy/project.ts";

Deno.test("contentDigest() is of the content alone, and reads what did not change once", async () => {
  const folder = await Deno.makeTempDir({ prefix: "content-" });
  try {
    const [a, b, artifacts] = ["a", "b", "artifacts"].map((name) => join(folder, name));
    for (const path of [a!, b!]) await Deno.writeTextFile(path, "same");
    const settled = (ms = 150) => new Promise((resolve) => setTimeout(resolve, ms));
    await settled();
    const first = await contentDigest([a!], artifacts!);
    assert.equal(await contentDigest([b!], artifacts!), first);
    assert.notEqual(await contentDigest([a!, b!], artifacts!), first);
    // What is remembered stands for what is read.
    const cache = join(artifacts!, ".cache/contents.json");
    const { digests } = JSON.parse(await Deno.readTextFile(cache));
    assert.deepEqual(new Set(Object.values(digests)).size, 2);
    assert.deepEqual(Object.keys(digests).length, 3);
    // The date that this changes counts in seconds.
    await settled(1050 - Date.now() % 1000);
    await Deno.chmod(a!, 0);
    await settled();
    const root = await Deno.readTextFile(a!).then(() => true, () => false);
    if (!root) assert.notEqual(await contentDigest([a!], artifacts!), first, "its dates changed");
    await Deno.chmod(a!, 0o600);
    await Deno.writeTextFile(a!, "else");
    assert.notEqual(await contentDigest([a!], artifacts!), first);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("contentDigest() counts the bytes that it reads, and ends when it is interrupted", async () => {
  const folder = await Deno.makeTempDir({ prefix: "content-" });
  try {
    const paths = ["a", "b", "c"].map((name) => join(folder, name));
    for (const path of paths) await Deno.writeFile(path, new Uint8Array(3 << 20));
    const controller = new AbortController(), { signal } = controller;
    let total = 0, read = 0;
    const progress = {
      start: (bytes: number) => total = bytes,
      advance: (bytes = 1) => {
        read += bytes;
        controller.abort(new Error("interrupted"));
      },
    };
    await assert.rejects(contentDigest(paths, "", { signal, progress }), /^Error: interrupted/);
    assert.equal(total, 9 << 20);
    assert.ok(read > 0 && read < 3 << 20, String(read));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const PLUGIN = `import { z } from "zod";
import { defineStage, pathParam } from "${stageUrl}";
import { contentDigest } from "${new URL("content_digest.ts", stageUrl).href}";
import { numbers } from "${new URL("./toy/stages.ts", import.meta.url).href}";
export default defineStage({
  name: "own", summary: "Own", inputs: {}, outputs: { numbers },
  params: z.strictObject({
    file: pathParam({ byContent: true }).describe("A file"), by: z.int().default(0).describe("More"),
  }),
  external: async ({ file }, { artifacts }) => ({ "the file": await contentDigest([file], artifacts) }),
  async run(_, { file }, { outputs }) {
    await Deno.copyFile(file, outputs.numbers + "/numbers.txt");
  },
});
`;

Deno.test("results count wherever their data lies, and without it after a pull", async () => {
  const yaml = (data: string) =>
    `plugins: [own.ts]\nstages:\n  own: { file: ${data}/n.txt }\n  sum:\n`;
  await using maker = await Project.make({ "own.ts": PLUGIN, "data/n.txt": "1\n2" });
  await maker.write({ "pipeline.yaml": `remote: ${maker.path("shared")}\n${yaml("data")}` });
  await maker.run();
  await Deno.rename(maker.path("data"), maker.path("moved"));
  const remote = `remote: ${maker.path("shared")}\n`;
  await maker.write({ "pipeline.yaml": remote + yaml("moved") });
  assert.deepEqual((await maker.run()).statuses, { own: "cached", sum: "cached" });
  const mistyped = await maker.run({ set: ["own.file=movd/n.txt"] });
  assert.match(mistyped.why.own!, /No such file.*movd/);
  const pushed = await maker.cli("push");
  assert.equal(pushed.code, 0, pushed.out + pushed.err);

  await using puller = await Project.make({
    "own.ts": PLUGIN,
    "pipeline.yaml": remote + yaml("no"),
  });
  const pulled = await puller.cli("pull");
  assert.equal(pulled.code, 0, pulled.out + pulled.err);
  const { text, statuses } = await puller.run();
  assert.deepEqual(statuses, { own: "cached", sum: "cached" });
  assert.match(text, /^ {2}own: its data counts as it was pulled: .*No such file/);
  // The parameters are no longer those of the pulled result.
  const other = await puller.run({ set: ["own.by=1"] });
  assert.match(other.why.own!, /No such file/);
  await puller.write({ "no/n.txt": "3" });
  assert.equal((await puller.run()).why.own, "the file changed");
});
