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
