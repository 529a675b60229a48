import assert from "node:assert/strict";
import { installNode } from "../../../packages/compute/install_node.ts";

const onLinux = { ignore: Deno.build.os !== "linux" };

Deno.test({
  ...onLinux,
  name: "installNode() names what is missing before anything is downloaded",
  async fn() {
    const before = Deno.env.get("CXX");
    Deno.env.set("CXX", "/no/such/compiler");
    try {
      await assert.rejects(
        installNode("node", "2.21"),
        /Cannot run "\/no\/such\/compiler --version": .*Install a C\+\+ compiler, or set CXX/,
      );
    } finally {
      if (before === undefined) Deno.env.delete("CXX");
      else Deno.env.set("CXX", before);
    }
    await assert.rejects(
      installNode("node", "latest"),
      /Cannot install TensorFlow "latest": expected a version, as in 2\.21/,
    );
  },
});

Deno.test({
  ...onLinux,
  name: "installNode() leaves nothing where pip finds no TensorFlow",
  async fn() {
    const cache = await Deno.makeTempDir();
    const variables = { FACES_CACHE: cache, PIP_NO_INDEX: "1", CXX: "true" };
    for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
    try {
      await assert.rejects(
        installNode("node", "2.21"),
        /Cannot run "python3 -m pip .*Select another version with --tensorflow, or an index|Install Python 3 with pip/,
      );
      assert.deepEqual(await Array.fromAsync(Deno.readDir(cache)), []);
    } finally {
      for (const name of Object.keys(variables)) Deno.env.delete(name);
      await Deno.remove(cache, { recursive: true });
    }
  },
});
