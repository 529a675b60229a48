/** Every example in a doc comment runs, and those of modules in documents pass the type check. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { markdownFiles, root } from "../markdown.ts";
import { temporaryFolder } from "../temporary_folder.ts";

Deno.test("the examples of doc comments run", async () => {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    // Types are checked with the modules; an example declares what it does not use again.
    args: [
      ...["test", "--doc", "--quiet", "--no-prompt", "--no-check", "--allow-all"],
      // Examples of READMEs write files beside themselves: publish_test.ts runs them elsewhere.
      "--ignore=**/*.md",
      ...["packages", "faces", "models", "stages", "plugins"],
    ],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: { NO_COLOR: "1", TMPDIR: temporaryFolder("examples-") }, // they leave files there
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.ok(success, text);
  const [, passed] = text.match(/ok \| (\d+) passed/)!;
  assert.ok(Number(passed) > 20, text);
});

Deno.test("every TypeScript example that names its file passes the type check", async () => {
  const examples = (await markdownFiles()).flatMap(({ fences }) => fences).flatMap(
    ({ info, code }) => {
      const path = info === "ts" ? code.match(/^\/\/ (\S+\.ts)\n/)?.[1] : undefined;
      return path === undefined ? [] : [{ path, code }];
    },
  );
  assert.ok(examples.length > 0);
  const written = examples.map(({ path, code }) => {
    const from = pathToFileURL(join(root, path));
    return code.replace(/"(\.[^"]*\.ts)"/g, (_, to) => `"${new URL(to, from).href}"`);
  });
  const folder = temporaryFolder("examples-");
  const paths = await Promise.all(written.map(async (code, i) => {
    const path = join(folder, `${i}.ts`);
    await Deno.writeTextFile(path, code);
    return path;
  }));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--config", join(root, "deno.json"), ...paths],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});
