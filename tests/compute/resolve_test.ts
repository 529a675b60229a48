import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { resolveCompute } from "../../compute/resolve.ts";

/** An empty project with these files. */
async function inProject(
  files: Record<string, string>,
  test: (root: URL) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "project-" });
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(join(folder, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    await test(pathToFileURL(`${folder}/`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const gpu = "@tensorflow/tfjs-node-gpu";
const cpu = "@tensorflow/tfjs-node";

Deno.test("resolveCompute() takes wasm unless the user installed another", async () => {
  await inProject({ "deno.json": "{}" }, async (root) => {
    assert.deepEqual(await resolveCompute("auto", root), {
      backend: "wasm",
      why: "neither tfjs-node-gpu nor tfjs-node is installed",
    });
  });
});

Deno.test("resolveCompute() finds packages in deno.json's imports and in node_modules", async () => {
  const imports = (name: string) => JSON.stringify({ imports: { [name]: `npm:${name}@4.22.0` } });
  await inProject({ "deno.json": imports(cpu) }, async (root) => {
    assert.equal((await resolveCompute("auto", root)).backend, "node");
    assert.equal((await resolveCompute("node", root)).why, "the pipeline asks for it");
  });
  await inProject({ [`node_modules/${cpu}/package.json`]: "{}" }, async (root) => {
    assert.deepEqual(await resolveCompute("auto", root), {
      backend: "node",
      why: `${cpu} is installed`,
    });
  });
  await inProject({
    "deno.json": imports(cpu),
    [`node_modules/${gpu}/package.json`]: "{}",
  }, async (root) => {
    assert.equal((await resolveCompute("auto", root)).backend, "node-gpu");
  });
});

Deno.test("resolveCompute() says how to get a package that is missing", async () => {
  await inProject({}, async (root) => {
    await assert.rejects(
      resolveCompute("node-gpu", root),
      /Cannot compute on "node-gpu": @tensorflow\/tfjs-node-gpu is not installed.*Run: npm install --no-save .*@tensorflow\/tfjs-node-gpu@4\.22\.0/,
    );
    for (const backend of ["wasm", "cpu"] as const) {
      assert.equal((await resolveCompute(backend, root)).backend, backend);
    }
  });
});

Deno.test("resolveCompute() loads nothing of TensorFlow.js", async () => {
  const module = new URL("../../compute/resolve.ts", import.meta.url);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", fileURLToPath(module)],
    stdout: "piped",
  }).output();
  assert.ok(success);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout));
  const loaded = modules.map(({ specifier }: { specifier: string }) => specifier);
  assert.deepEqual(loaded.filter((name: string) => !name.startsWith("node:")), [
    module.href,
  ]);
});
