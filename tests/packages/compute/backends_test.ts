import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findInstallation, requireBackend } from "../../../packages/compute/backends.ts";

Deno.test("requireBackend() says how to get a backend that is missing, and nothing of the others", async () => {
  const before = Deno.env.get("FACES_CACHE");
  const cache = await Deno.makeTempDir({ prefix: "cache-" });
  Deno.env.set("FACES_CACHE", cache);
  try {
    await assert.rejects(
      requireBackend("node-gpu"),
      /Cannot compute on "node-gpu": .*Run deno task compute install node-gpu, or choose compute: wasm/,
    );
    for (const backend of ["wasm", "webgpu", "cpu"] as const) await requireBackend(backend);
    await Deno.mkdir(join(cache, "node"));
    await Deno.writeTextFile(join(cache, "node", "installation.json"), "{}");
    const found = await findInstallation("node");
    assert.equal(found?.binding, join(cache, "node", "tensorflow", "tfjs_binding.node"));
  } finally {
    if (before === undefined) Deno.env.delete("FACES_CACHE");
    else Deno.env.set("FACES_CACHE", before);
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test("asking which backends are installed loads nothing of TensorFlow.js", async () => {
  for (
    const path of [
      "packages/compute/backends.ts",
      "faces/commands/compute.ts",
    ]
  ) {
    const module = new URL(`../../../${path}`, import.meta.url);
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", fileURLToPath(module)],
      stdout: "piped",
    }).output();
    assert.ok(success);
    const { modules, roots } = JSON.parse(new TextDecoder().decode(stdout));
    const loaded = new Set<string>();
    const visit = (specifier: string) => {
      if (loaded.has(specifier)) return;
      loaded.add(specifier);
      const { dependencies = [] } = modules.find((one: { specifier: string }) =>
        one.specifier === specifier
      ) ?? {};
      for (const { code, isDynamic } of dependencies) {
        if (code?.specifier && !isDynamic) visit(code.specifier);
      }
    };
    visit(roots[0]);
    // Every run has loaded it.
    const light = /^(node:|file:|npm:zod@)/;
    assert.deepEqual([...loaded].filter((name) => !light.test(name)), [], path);
  }
});
