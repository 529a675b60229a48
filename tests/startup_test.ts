/** What it takes to say that there is nothing to do. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Runs a script with permissions and returns its exit code, output and time in ms. */
async function deno(permissions: readonly string[], ...args: string[]) {
  const began = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, ...args],
    cwd: root,
    env: { INIT_CWD: root },
  }).output();
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return { code, text, ms: performance.now() - began };
}

Deno.test("a run with nothing to do starts no process, loads no native code and asks no server", async () => {
  const artifacts = await Deno.makeTempDir({ prefix: "artifacts-" });
  try {
    const dryRun = ["main.ts", "run", "pipeline", "--dry-run", "--set", `artifacts=${artifacts}`];
    const first = await deno(["--allow-all"], ...dryRun);
    assert.equal(first.code, 0, first.text);
    await Deno.stat(join(root, "artifacts/.cache/modules.json"));
    // esbuild is a process, sharp native code; TensorFlow.js asks the system about itself.
    const narrow = ["--allow-read", "--allow-env", "--deny-sys", "--deny-run", "--deny-ffi"];
    const times: Record<string, number[]> = { "nothing to do": [], "an empty .ts": [] };
    const empty = join(artifacts, "empty.ts");
    await Deno.writeTextFile(empty, "");
    for (let round = 0; round < 3; round++) {
      const again = await deno(narrow, ...dryRun);
      assert.deepEqual([again.code, again.text], [0, first.text]);
      times["nothing to do"]!.push(again.ms);
      times["an empty .ts"]!.push((await deno([], empty)).ms);
    }
    for (const [what, ms] of Object.entries(times)) {
      console.log(`${what}: ${Math.min(...ms).toFixed(0)} ms at best`);
    }
  } finally {
    await Deno.remove(artifacts, { recursive: true });
  }
});
