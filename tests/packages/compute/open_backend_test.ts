import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import type { Backend } from "../../../packages/compute/backends.ts";

Deno.test("openBackend() opens wasm and cpu, again and again", async () => {
  for (const backend of ["wasm", "cpu", "wasm", "wasm"] as const) {
    await openBackend(backend);
    assert.equal(tf.getBackend(), backend);
    assert.deepEqual([...tf.tidy(() => tf.add(tf.tensor1d([1]), 1).dataSync())], [2]);
  }
});

Deno.test("openBackend() opens cpu without its advice to install a package of Node", async () => {
  tf.removeBackend("cpu");
  tf.registerBackend("cpu", () => new MathBackendCPU());
  const { warn } = console, warnings: unknown[] = [];
  console.warn = (...texts) => void warnings.push(texts);
  try {
    await openBackend("cpu");
    tf.dispose(tf.tensor1d([1]));
  } finally {
    console.warn = warn;
  }
  assert.deepEqual(warnings, []);
});

Deno.test("openBackend() says which backends there are, and how to get the others", async () => {
  await assert.rejects(
    openBackend("webgl" as Backend),
    /Cannot compute on "webgl": there is no such backend. Choose one of wasm, webgpu, cpu, node, node-gpu/,
  );
});

Deno.test("openBackend() needs no network for wasm", async () => {
  const module = new URL("../../../packages/compute/open_backend.ts", import.meta.url).href;
  const script = `import { openBackend } from "${module}"; await openBackend("wasm");`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, script);
  const config = fileURLToPath(new URL("../../../deno.json", import.meta.url));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--config",
      config,
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      "--cached-only",
      "--deny-net",
      file,
    ],
    stderr: "piped",
  }).output();
  await Deno.remove(file);
  assert.ok(success, new TextDecoder().decode(stderr));
});
