/** Every `deno task build:…`, in a copy of the project, gives the committed kernels. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Buffer } from "node:buffer";
import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { tasks } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));

const BUILDS: Record<string, string[]> = {
  "build:engine": ["packages/engine/engine.wasm", "packages/engine/engine.simd.wasm"],
  "build:dlib": [
    "faces/detection/detectors/dlib/kernels.wasm",
    "faces/detection/detectors/dlib/kernels.simd.wasm",
  ],
  "build:resample": ["faces/images/resample/resample_kernels.ts"],
};

for (const [task, files] of Object.entries(BUILDS)) {
  Deno.test(`deno task ${task} gives the committed kernels, byte for byte`, async () => {
    const copy = await Deno.makeTempDir({ prefix: "build-" });
    try {
      for (const part of ["deno.json", "deno.lock", "packages", "faces"]) {
        await cp(join(root, part), join(copy, part), { recursive: true });
      }
      for (const file of files) await Deno.remove(join(copy, file));
      const { success, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "--quiet", task],
        cwd: copy,
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      for (const file of files) {
        const [built, committed] = await Promise.all(
          [copy, root].map((folder) => Deno.readFile(join(folder, file))),
        );
        assert.ok(
          Buffer.compare(built!, committed!) === 0,
          `${file} is not what assembly/ compiles to. Run: deno task ${task}`,
        );
      }
    } finally {
      await Deno.remove(copy, { recursive: true });
    }
  });
}

Deno.test("every task that builds kernels is tested", () => {
  const builds = Object.keys(tasks).filter((task) => task.startsWith("build:"));
  assert.deepEqual(Object.keys(BUILDS).sort(), builds.sort());
});
