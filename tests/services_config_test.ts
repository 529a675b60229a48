/** The services' tests have packages that no other run needs, and otherwise those of the project. */
import assert from "node:assert/strict";

const read = async (path: string) =>
  JSON.parse(await Deno.readTextFile(new URL(`../${path}`, import.meta.url)));

Deno.test("tests/services has the project's packages, at the same versions", async () => {
  const { imports, compilerOptions } = await read("deno.json");
  const services = await read("tests/services/services.json");
  assert.deepEqual({ ...services.imports, ...imports }, services.imports);
  assert.deepEqual(services.compilerOptions, compilerOptions);
  const [project, own] = [await read("deno.lock"), await read("tests/services/deno.lock")];
  assert.deepEqual({ ...own.npm, ...project.npm }, own.npm);
});

Deno.test("deno.lock leaves out what no Deno can load: there is none for musl", async () => {
  const { npm } = await read("deno.lock");
  assert.deepEqual(Object.keys(npm).filter((name) => name.includes("musl")), []);
});

Deno.test("deno.lock has no package that only some need: each would be part of every first run", async () => {
  const names = Object.keys((await read("deno.lock")).npm).join("\n");
  for (const name of ["assemblyscript", "bullmq", "ioredis", "puppeteer"]) {
    assert.ok(!new RegExp(`^${name}`, "m").test(names), name);
  }
});
