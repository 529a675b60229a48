/** Every example in a doc comment runs. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
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
