/** What a stage is made of: which files, which packages, and what of them counts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ImportMap } from "../../../../packages/pipeline/cache/import_map.ts";
import { ModuleHasher } from "../../../../packages/pipeline/cache/module_graph.ts";
import { toFileUrl } from "../../../../packages/pipeline/paths.ts";
import { writeState } from "../../../../packages/pipeline/state.ts";
import { Project } from "../toy/project.ts";

/** A project and a way to look at the modules of its stage.ts. */
async function modulesOf(files: Record<string, string>, imports: Record<string, string> = {}) {
  const project = await Project.make({ "deno.json": JSON.stringify({ imports }), ...files });
  const importMap = await ImportMap.read(project.folder);
  const open = () =>
    new ModuleHasher(project.folder, project.path("cache/modules.json"), importMap);
  const look = async (modules = open()) => {
    const graph = await modules.graph(toFileUrl(project.path("stage.ts")), [
      project.path("runner/"),
    ]);
    await modules.close();
    return graph;
  };
  return { project, look, open, [Symbol.asyncDispose]: () => project[Symbol.asyncDispose]() };
}

const STAGE = `import { helper } from "./lib/helper.ts";
import type { Shape } from "./lib/types.ts";
import { type Colour } from "./lib/colours.ts";
import { Kind } from "./lib/kinds.ts";
import "./runner/stage.ts";

// Adds up.
export function run(shape: Shape, colour: Colour, kind: Kind): number {
  return helper(shape.size) + 1;
}
`;
const FILES = {
  "stage.ts": STAGE,
  "lib/helper.ts":
    'import { deep } from "./deep.ts";\nexport const helper = (n: number) => deep(n);\n',
  "lib/deep.ts": "export function deep(n: number) {\n  return n * 2;\n}\n",
  "lib/types.ts": "export interface Shape { size: number }\n",
  "lib/colours.ts": 'export type Colour = "red";\n',
  "lib/kinds.ts": "export interface Kind { name: string }\n",
  "packages/pipeline/stage.ts": "export const defineStage = 1;\n",
};

Deno.test("graph() follows imports that are left when types are gone", async () => {
  await using toy = await modulesOf(FILES);
  const { modules, packages } = await toy.look();
  assert.deepEqual(Object.keys(modules), ["lib/deep.ts", "lib/helper.ts", "stage.ts"]);
  assert.deepEqual(packages, []);
});

Deno.test("graph() counts what code does", async (t) => {
  await using toy = await modulesOf(FILES);
  const { project, look } = toy;
  const before = await look();
  /** Which modules differ when files are as given. */
  const changed = async (files: Record<string, string>) => {
    await project.write(files);
    const now = await look();
    await project.write(FILES);
    return Object.keys(now.modules).filter((name) => now.modules[name] !== before.modules[name]);
  };
  await t.step("not comments", async () => {
    const text = STAGE.replace("// Adds up.", "/** Adds\n * much\n */ // more\n//! legal");
    assert.deepEqual(await changed({ "stage.ts": text }), []);
  });
  await t.step("not formatting", async () => {
    const text = STAGE.replaceAll('"', "'").replaceAll(";\n", "\n").replace(
      "  return",
      "\n\n\treturn",
    )
      .replace("colour: Colour, kind", "\n colour : Colour ,\nkind").replace("+ 1", "+ (0x1)");
    assert.deepEqual(await changed({ "stage.ts": text }), []);
    assert.deepEqual(await changed({ "stage.ts": STAGE.replaceAll("\n", "\r\n") }), []);
  });
  await t.step("not types", async () => {
    const text = STAGE.replace("shape: Shape", "shape: Shape & { more?: string }")
      .replace("+ 1", "+ (1 as number)!") + "export interface Another { x: 1 }\ntype Own = 3;\n";
    assert.deepEqual(await changed({ "stage.ts": text }), []);
  });
  await t.step("not modules of types", async () => {
    const files = {
      "lib/types.ts": "export interface Shape { size: number; name: string }\n",
      "lib/colours.ts": "console.log(1);\nexport type Colour = 'blue';\n",
      "lib/kinds.ts": "export interface Kind { name: string; age: 3 }\n",
    };
    assert.deepEqual(await changed(files), []);
  });
  await t.step("not what is left out", async () => {
    assert.deepEqual(
      await changed({ "packages/pipeline/stage.ts": "export const defineStage = 2;\n" }),
      [],
    );
  });
  await t.step("but code, also of what is imported by an import", async () => {
    assert.deepEqual(await changed({ "stage.ts": STAGE.replace("+ 1", "+ 2") }), ["stage.ts"]);
    const deep = FILES["lib/deep.ts"].replace("2", "3");
    assert.deepEqual(await changed({ "lib/deep.ts": deep }), ["lib/deep.ts"]);
  });
  await t.step("and text that only looks like a comment", async () => {
    const one = 'export const a = "// one";\n';
    const two = 'export const a = "// two";\n';
    await project.write({ "lib/deep.ts": FILES["lib/deep.ts"] + one });
    const first = await look();
    await project.write({ "lib/deep.ts": FILES["lib/deep.ts"] + two });
    assert.notEqual((await look()).modules["lib/deep.ts"], first.modules["lib/deep.ts"]);
  });
});

Deno.test("graph() finds what is loaded in other ways", async () => {
  await using toy = await modulesOf({
    "stage.ts": `
export * from "./again.ts";
export type { T } from "./types.ts";
import data from "./data.json" with { type: "json" };
export async function run(name: string) {
  const { late } = await import("./late.ts");
  new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const bytes = Deno.readFileSync(new URL('table.bin', import.meta.url));
  const where = import.meta.resolve("./resolved.wasm");
  await import(\`./\${name}.ts\`);
  return [late, bytes, where, data, new URL("../../", import.meta.url), new URL("./none.txt", import.meta.url),
    new URL("./folder", import.meta.url), new URL("./https://example.org/x.ts", import.meta.url),
    new URL("./deno.json", import.meta.url)];
}`,
    "again.ts": "export const again = 1;",
    "types.ts": "export type T = 1;",
    "data.json": "{}",
    "late.ts": "export const late = 1;",
    "worker.ts": 'import "./inWorker.ts";',
    "inWorker.ts": "self.close();",
    "table.bin": "123",
    "resolved.wasm": "wasm",
    "folder/inside.ts": "",
  });
  const before = await toy.look();
  assert.deepEqual(Object.keys(before.modules), [
    ...["again.ts", "data.json", "inWorker.ts", "late.ts", "resolved.wasm", "stage.ts"],
    ...["table.bin", "worker.ts"],
  ]);
  await toy.project.write({ "table.bin": "124", "inWorker.ts": "self.close(1);" });
  const now = await toy.look();
  const changed = Object.keys(now.modules).filter((k) => now.modules[k] !== before.modules[k]);
  assert.deepEqual(changed, ["inWorker.ts", "table.bin"]);
});

Deno.test("graph() finds files beside a module, and modules that may read others", async () => {
  const reads = (code: string) => `import { join } from "node:path";\n${code}`;
  const forms = {
    'join(import.meta.dirname!, "lib", "a.txt")': ["lib/a.txt"],
    "`${import.meta.dirname}/lib/a.txt`": ["lib/a.txt"],
    'import.meta.dirname + "/lib/a.txt"': ["lib/a.txt"],
    'new URL("lib/a.txt", import.meta.url)': ["lib/a.txt"],
    'new URL("lib/ä.txt", import.meta.url)': ["lib/ä.txt"],
    'import.meta.resolve("./lib/ä.txt")': ["lib/ä.txt"],
    'join(import.meta.dirname!, "lib", "ä.txt")': ["lib/ä.txt"],
    'join(import.meta.dirname!, "lib", "5% #1: a?.txt")': ["lib/5% #1: a?.txt"],
    'join(import.meta.dirname!, "lib", name)': "computed",
    'join(import.meta.dirname!, "lib")': "computed",
    'import.meta.dirname + "/lib/a.txt" + name': "computed",
    "`${import.meta.dirname}/lib/${name}.txt`": "computed",
    'new URL("./lib", import.meta.url)': "computed",
    "new URL(name, import.meta.url)": "computed",
    "import.meta.resolve(name)": "computed",
    "await import(name)": "computed",
    "import.meta.main": [],
  };
  for (const [form, found] of Object.entries(forms)) {
    await using toy = await modulesOf({
      "stage.ts": reads(`export const run = (name: string) => [join, name, ${form}];`)
        .replace(
          "(name: string) => [join, name, await",
          "async (name: string) => [join, name, await",
        ),
      "lib/a.txt": "a",
      "lib/b.txt": "b",
      "lib/ä.txt": "ä",
      "lib/5% #1: a?.txt": "5",
    });
    const { modules, computed } = await toy.look();
    const named = found === "computed" ? [] : found;
    assert.deepEqual(Object.keys(modules), [...named, "stage.ts"], form);
    assert.deepEqual(computed, found === "computed" ? ["stage.ts"] : [], form);
  }
});

Deno.test("graph() follows CommonJS", async () => {
  await using toy = await modulesOf({
    "stage.ts": 'import { helper } from "./helper.cjs"; export const run = () => helper();',
    "helper.cjs": `// Adds up.
const { join } = require("node:path"), deep = require("./deep.cjs"), data = require("./data.json");
const text = require("node:fs").readFileSync(join(__dirname, "a.txt"), "utf8");
exports.helper = () => [deep, data, text];`,
    "deep.cjs": "module.exports = 1;",
    "data.json": "{}",
    "a.txt": "a",
  });
  const { modules, computed, packages } = await toy.look();
  const names = ["a.txt", "data.json", "deep.cjs", "helper.cjs", "stage.ts"];
  assert.deepEqual([Object.keys(modules), computed, packages], [names, [], []]);
  await toy.project.write({ "deep.cjs": "module.exports = require(process.argv[2]);" });
  const now = await toy.look();
  assert.notEqual(now.modules["deep.cjs"], modules["deep.cjs"]);
  assert.deepEqual(now.computed, ["deep.cjs"]);
});

Deno.test("graph() names packages as imported and goes through the import map", async () => {
  const imports = { sharp: "npm:sharp@0.35.5", "@/": "./lib/", tools: "./lib/tools.ts" };
  await using toy = await modulesOf({
    "stage.ts":
      `import sharp from "sharp"; import x from "sharp/lib/x.js"; import type { Z } from "zod";
import { a } from "@/a.ts"; import { t } from "tools"; import { join } from "node:path";
import left from "npm:left-pad@1.0.0"; sharp(x, a, t, join, left);
export const wasm = import.meta.resolve("weights/model.bin");`,
    "lib/a.ts": "export const a = 1;",
    "lib/tools.ts": "export const t = 1;",
  }, imports);
  const { modules, packages } = await toy.look();
  assert.deepEqual(Object.keys(modules), ["lib/a.ts", "lib/tools.ts", "stage.ts"]);
  assert.deepEqual(packages, ["npm:left-pad@1.0.0", "npm:sharp@0.35.5", "weights/model.bin"]);
});

Deno.test("graph() of a package is the package", async () => {
  await using toy = await modulesOf({ "stage.ts": "" });
  const graph = await toy.open().graph("npm:stages@1.0.0", []);
  assert.deepEqual(graph, { modules: {}, packages: ["npm:stages@1.0.0"], computed: [] });
});

Deno.test("Modules keeps what it learnt", async (t) => {
  await using toy = await modulesOf(FILES);
  const { project, look, open } = toy;
  const cache = project.path("cache/modules.json");
  // Files of this very moment are not taken as known.
  const settle = (ms = 150) => new Promise((resolve) => setTimeout(resolve, ms));
  await settle();
  const before = await look();
  const kept = await Deno.readTextFile(cache);
  await t.step("and parses nothing that is as it was", async () => {
    // A hash that nobody could compute shows where the answer comes from.
    await writeState(cache, JSON.parse(kept.replaceAll(before.modules["stage.ts"]!, "kept")));
    const { mtime } = await Deno.stat(cache);
    assert.equal((await look()).modules["stage.ts"], "kept");
    assert.deepEqual((await Deno.stat(cache)).mtime, mtime);
  });
  await t.step("nor for several graphs at once", async () => {
    await writeState(cache, JSON.parse(kept.replaceAll(before.modules["lib/deep.ts"]!, "kept")));
    const modules = open();
    const [, { modules: deep }] = await Promise.all(
      ["stage.ts", "lib/deep.ts"].map((path) => modules.graph(toFileUrl(project.path(path)), [])),
    );
    assert.deepEqual(deep, { "lib/deep.ts": "kept" });
    await modules.close();
    await writeState(cache, JSON.parse(kept));
  });
  await t.step("but not past an edit that leaves the size", async () => {
    await project.write({ "stage.ts": STAGE.replace("+ 1", "+ 3") });
    const { modules } = await look();
    assert.notEqual(modules["stage.ts"], "kept");
    assert.notEqual(modules["stage.ts"], before.modules["stage.ts"]);
    await project.write(FILES);
    assert.deepEqual(await look(), before);
    await settle();
    await look();
  });
  await t.step("nor past an edit that leaves size and date", async () => {
    const path = project.path("stage.ts");
    const { mtime, atime } = await Deno.stat(path);
    // Its other date counts in seconds.
    await settle(1050 - Date.now() % 1000);
    await project.write({ "stage.ts": STAGE.replace("+ 1", "+ 3") });
    await Deno.utime(path, atime!, mtime!);
    assert.notEqual((await look()).modules["stage.ts"], before.modules["stage.ts"]);
    await project.write(FILES);
  });
  await t.step("unless the file that keeps it is damaged or of another format", async () => {
    for (const text of [kept.slice(0, 100), "null", '{"format":0,"facts":{}}', "[]"]) {
      await Deno.writeTextFile(cache, text);
      assert.deepEqual(await look(), before);
    }
  });
  await t.step("or there is no place for it", async () => {
    await Deno.remove(cache);
    await Deno.mkdir(join(cache, "in the way"), { recursive: true });
    assert.deepEqual(await look(), before);
  });
  await t.step("and looks at a module once, whatever happens to it meanwhile", async () => {
    const modules = open();
    const first = await look(modules);
    await project.write({ "stage.ts": STAGE.replace("+ 1", "+ 4") });
    assert.deepEqual(await look(modules), first);
  });
});

Deno.test("graph() follows a workspace member by its name", async (t) => {
  await using toy = await modulesOf({
    "deno.json": '{"workspace": ["packages/a", "./packages/b"], "imports": {"zod": "npm:zod@4"}}',
    "packages/a/deno.json":
      '{"name": "@x/a", "exports": {".": "./mod.ts", "./sub": "./in/sub.ts"}}',
    "packages/a/mod.ts": 'export * from "./part.ts";',
    "packages/a/part.ts": "export const part = 1;",
    "packages/a/in/sub.ts": 'import { b } from "@x/b"; export const sub = b;',
    "packages/b/deno.json":
      '{"name": "@x/b", "exports": "./b.ts", "imports": {"yaml": "npm:yaml@2"}}',
    "packages/b/b.ts": 'import "zod"; import "yaml"; export const b = 1;',
    "stage.ts":
      'import { part } from "@x/a"; import { sub } from "@x/a/sub"; console.log(part, sub);',
  });
  const before = await toy.look();
  assert.deepEqual(before, {
    modules: { ...before.modules },
    packages: ["npm:yaml@2", "npm:zod@4"],
    computed: [],
  });
  assert.deepEqual(Object.keys(before.modules), [
    ...["packages/a/in/sub.ts", "packages/a/mod.ts", "packages/a/part.ts", "packages/b/b.ts"],
    "stage.ts",
  ]);
  await t.step("so that an edit in it counts", async () => {
    await toy.project.write({
      "packages/b/b.ts": 'import "zod"; import "yaml"; export const b = 2;',
    });
    const after = await toy.look();
    assert.notEqual(after.modules["packages/b/b.ts"], before.modules["packages/b/b.ts"]);
  });
});

Deno.test("a hasher that is closed does not end the work of another one", async () => {
  const chain = Array.from({ length: 40 }, (_, i) => [`${i}.ts`, `import "./${i + 1}.ts";`]);
  const files = { ...Object.fromEntries(chain), "40.ts": "export {};" };
  await using project = await Project.make(files);
  const count = async (first: number) => {
    const cache = project.path(`cache/${first}.json`);
    const hasher = new ModuleHasher(project.folder, cache, new ImportMap([]));
    const { modules } = await hasher.graph(toFileUrl(project.path(`${first}.ts`)), []);
    await hasher.close();
    return Object.keys(modules).length;
  };
  assert.deepEqual(await Promise.all([0, 10, 20, 30, 39].map(count)), [41, 31, 21, 11, 2]);
});
