import assert from "node:assert/strict";
import { join } from "node:path";
import command, { measureBackend } from "../../../faces/commands/compute.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { UsageError } from "../../../packages/pipeline/errors.ts";

/** Runs a test with a cache of its own. */
async function withCache(
  files: Record<string, string>,
  test: () => Promise<void>,
): Promise<void> {
  const before = Deno.env.get("FACES_CACHE");
  const folder = await Deno.makeTempDir({ prefix: "cache-" });
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(join(folder, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
  Deno.env.set("FACES_CACHE", folder);
  try {
    await test();
  } finally {
    if (before === undefined) Deno.env.delete("FACES_CACHE");
    else Deno.env.set("FACES_CACHE", before);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("measureBackend() measures wasm: a step of 64 images", async () => {
  const finding = await measureBackend("wasm", undefined);
  assert.ok(finding.usable, finding.why);
  assert.deepEqual([finding.batch, finding.version], [64, "TensorFlow.js 4.22.0"]);
  assert.ok(finding.msPerStep >= 0);
});

Deno.test("measureBackend() returns why a backend is not usable, with the way out", async () => {
  await withCache({}, async () => {
    const gone = await measureBackend("node-gpu", undefined);
    assert.match(
      gone.why,
      /^TensorFlow is not installed.*deno task compute install/,
    );
    const blind = await measureBackend("webgpu", undefined);
    assert.match(blind.why, /^there is no GPU that Deno can use\. Linux needs/);
    assert.ok(!gone.usable && !blind.usable);
  });
  const broken = {
    "node/installation.json": "{}",
    "node/package/package.json": "{}",
    "node/tensorflow/tfjs_binding.node": "not a library",
  };
  await withCache(broken, async () => {
    const finding = await measureBackend("node", undefined);
    assert.ok(!finding.usable);
    assert.match(
      finding.why,
      /^cannot load ".*tfjs_binding\.node" \(.*\)\. Install it again: deno/,
    );
  });
});

Deno.test("deno task compute refuses wrong arguments", async () => {
  const refusals = {
    "instal node": /there is no "deno task compute instal node": expected install and a/,
    "install wasm": /missing backend: node or node-gpu\. wasm needs no installation/,
    "install": /missing backend: node or node-gpu\.$/,
    "--jsn": /compute has no option "--jsn"\. Did you mean "--json"/,
  };
  for (const [line, reason] of Object.entries(refusals)) {
    await withCache({}, async () => {
      await assert.rejects(command.run(line.split(" "), {} as CommandContext), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, reason);
        return true;
      });
    });
  }
});

Deno.test("deno task compute ends its progress bar where it cannot measure", async () => {
  let ended = 0;
  const bar = { start() {}, advance() {}, [Symbol.dispose]: () => ended++ };
  const { execPath } = Deno;
  Deno.execPath = () => "/no/deno";
  try {
    const call = { reporter: { startProgress: () => bar } } as unknown as CommandContext;
    await assert.rejects(command.run([], call), Deno.errors.NotFound);
  } finally {
    Deno.execPath = execPath;
  }
  assert.equal(ended, 1);
});
