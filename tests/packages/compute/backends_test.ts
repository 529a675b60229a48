import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  findInstallation,
  type Places,
  requireBackend,
} from "../../../packages/compute/backends.ts";

/** An empty project and an empty cache with these files. */
async function inPlaces(
  files: Record<string, string>,
  test: (places: Places) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "places-" });
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(join(folder, dirname(path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    await test({ root: join(folder, "project"), cache: join(folder, "cache") });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("findInstallation() finds what was compiled, else what npm installed", async () => {
  const npm = "project/node_modules/@tensorflow/tfjs-node/package.json";
  await inPlaces({}, async (places) => {
    assert.equal(await findInstallation("node", places), undefined);
  });
  await inPlaces({ [npm]: "{}" }, async (places) => {
    const found = await findInstallation("node", places);
    assert.equal(found?.from, "npm");
    assert.match(found!.binding, /tfjs-node\/lib\/napi-v8\/tfjs_binding\.node$/);
    assert.equal(await findInstallation("node-gpu", places), undefined);
  });
  await inPlaces({ [npm]: "{}", "cache/node/installation.json": "2.21" }, async (places) => {
    const found = await findInstallation("node", places);
    assert.equal(found?.from, "compiled");
  });
});

Deno.test("demand() says how to get a backend that is missing, and nothing of the others", async () => {
  await inPlaces({}, async (places) => {
    await assert.rejects(
      requireBackend("node-gpu", places),
      /Cannot compute on "node-gpu": @tensorflow\/tfjs-node-gpu is not installed.*Run deno task compute install node-gpu.*or npm install --no-save .*@tensorflow\/tfjs-node-gpu@4\.22\.0.*compute: wasm/,
    );
    for (const backend of ["wasm", "webgpu", "cpu"] as const) await requireBackend(backend, places);
  });
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
