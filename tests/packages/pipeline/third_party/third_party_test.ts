/** Third-party plugins: what they may do, what is refused, and what that costs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Project } from "../toy/project.ts";

const HOSTILE = new URL("./hostile.js", import.meta.url);

/** A project, and a plugin in a folder beside it. */
async function beside(files: Record<string, string | URL>) {
  const outside = await Deno.realPath(await Deno.makeTempDir({ prefix: "third-" }));
  await Deno.mkdir(join(outside, "plugin"));
  for (const [name, text] of Object.entries(files)) {
    const content = typeof text === "string" ? text : await Deno.readTextFile(text);
    await Deno.writeTextFile(join(outside, name), content);
  }
  const project = await Project.make();
  return {
    project,
    outside,
    plugin: join(outside, "plugin", "hostile.js"),
    async [Symbol.asyncDispose]() {
      await project[Symbol.asyncDispose]();
      await Deno.remove(outside, { recursive: true });
    },
  };
}

const SECRETS = { "secret.txt": "a secret", "secret.json": '{ "a": "secret" }' };

/** Attempt → the right that the message names. */
const REFUSED: Record<string, string> = {
  home: 'read:OUTSIDE"',
  above: 'read:OUTSIDE/secret.txt"',
  json: 'read:OUTSIDE/secret.json"',
  node: 'read:/etc/passwd"',
  link: 'all"',
  hardLink: 'read:/etc/passwd"',
  proc: 'read:/proc/self/environ"',
  input: "write:",
  net: 'net:example.org:80"',
  dns: "net:",
  nodeDns: 'net:example.org"',
  https: 'all"',
  env: 'env:HOME"',
  run: 'run:ls"',
  kill: 'run"',
  ffi: "ffi:",
};

/** Attempt → the message of another kind. */
const ENDED: Record<string, RegExp> = {
  npm: /not found in cache/,
  storage: /localStorage is not defined|setItem/,
  loop: /took more than 0\.05 minutes\. Set minutes: on its line of plugins/,
  memory: /took more than 0\.4 GB of memory\. Set memory: on its line of plugins/,
  channel: /the process of plugin ".*hostile\.js" ended: SIGKILL/,
  flood: /logs more than 10000 lines/,
  exit: /ended: exit code 3/,
  escape: /answered what is not valid/,
};

Deno.test("a hostile plugin is refused everything, and costs its stage only", async (t) => {
  await using place = await beside({ "plugin/hostile.js": HOSTILE, ...SECRETS });
  const { project, outside, plugin } = place;
  await project.write({
    "pipeline.yaml": `
plugins: [{ use: ${plugin}, minutes: 0.05, memory: 0.4 }]
stages:
  count: { to: 3 }
  hostile: { replaces: count, home: ${outside} }
`,
  });
  const attempt = (name: string) => project.run({ set: [`hostile.attempt=${name}`] });
  await t.step("does its work within its rights", async () => {
    const ran = await project.run({ set: ["hostile.times=2"] });
    assert.equal(await project.output(ran, "hostile", "numbers.txt"), "2\n4\n6", ran.text);
    assert.match(ran.text, /hostile: seed 42/);
  });
  for (const [name, right] of Object.entries(REFUSED)) {
    await t.step(`is refused: ${name}`, async () => {
      const { statuses, why, text } = await attempt(name);
      assert.deepEqual(statuses, { count: "cached", hostile: "failed" }, text);
      const told = `allow: ["${right.replace("OUTSIDE", outside)}`;
      assert.ok(why.hostile!.includes(told), why.hostile);
    });
  }
  for (const [name, message] of Object.entries(ENDED)) {
    await t.step(`is ended: ${name}`, async () => {
      const { statuses, why } = await attempt(name);
      assert.equal(statuses.hostile, "failed");
      assert.match(why.hostile!, message);
      assert.equal(({} as Record<string, unknown>).polluted, undefined);
    });
  }
});
