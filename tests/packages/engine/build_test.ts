import { deepEqual } from "node:assert/strict";
import { build } from "../../../packages/engine/build_engine.ts";

Deno.test("build() gives the committed kernels, byte for byte", async () => {
  for (const [name, bytes] of Object.entries(await build())) {
    const committed = await Deno.readFile(
      new URL(`../../../packages/engine/${name}`, import.meta.url),
    );
    deepEqual(
      [name, committed.length, committed.every((byte, i) => byte === bytes[i])],
      [name, bytes.length, true],
      `engine/${name} is not what engine/assembly compiles to. Run: deno task build:engine`,
    );
  }
});
