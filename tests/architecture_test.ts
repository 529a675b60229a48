/** The rules of the house that a compiler does not keep: who imports whom, and what loads when. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, stop } from "esbuild";
import { z } from "zod";
import { stages } from "../stages/mod.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/**
 * The rooms, from the bottom up: a file imports from rooms before its own and from its own. `packages`
 * know nothing of faces; `faces/commands` stand above the stages, since a command composes everything.
 */
const ROOMS = [
  "packages/assemblyscript",
  "packages/random",
  "packages/formats",
  "packages/workers",
  "packages/statistics",
  "packages/pipeline",
  "packages/download",
  "packages/compute",
  "packages/engine",
  "faces/images",
  "faces/synthetic",
  "faces/datasets",
  "faces/detection",
  "faces/training",
  "faces/evaluation",
  "faces/serving",
  "faces/ui",
  "models",
  "stages",
  "plugins",
  "faces/commands",
  "main.ts",
];

/** Packages that take long to load, or open what a run with nothing to do does not need. */
const HEAVY =
  /^(@tensorflow\/|@vladmandic\/|sharp|esbuild|assemblyscript|@observablehq\/|hono|puppeteer|onnx|linkedom|bullmq|ioredis)/;

interface Import {
  from: string;
  to: string;
  dynamic: boolean;
}

async function modules(): Promise<string[]> {
  const found: string[] = ["main.ts"];
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
      const path = join(folder, name);
      // Kernels are in AssemblyScript, a language of its own.
      if (/\/assembly\/(?!abi\.ts)/.test(path) || path === "packages/assemblyscript/asc.ts") {
        continue;
      }
      if (isDirectory) await walk(path);
      else if (/\.ts$/.test(name)) found.push(path);
    }
  };
  for (const top of ["packages", "faces", "models", "stages", "plugins"]) await walk(top);
  return found.sort();
}

/** Returns what a module's specifier names: a path from the root, or a package. */
function resolve(from: string, specifier: string): string {
  if (specifier.startsWith(".")) return join(from, "..", specifier);
  return specifier.replace(/^@reproducible\/(.*)/, "packages/$1.ts");
}

/** All imports of values; those of types only are nobody's dependency at run time. */
async function importsOf(paths: readonly string[]): Promise<Import[]> {
  const { metafile } = await build({
    entryPoints: paths.map((path) => join(root, path)),
    bundle: false,
    write: false,
    metafile: true,
    outdir: root,
    outbase: root,
    format: "esm",
    tsconfigRaw: {},
    logLevel: "silent",
    absWorkingDir: root,
  });
  await stop();
  return Object.values(metafile.outputs).flatMap(({ entryPoint, imports }) =>
    imports.map(({ path, kind }) => ({
      from: entryPoint!,
      to: resolve(entryPoint!, path),
      dynamic: kind === "dynamic-import",
    }))
  );
}

const paths = await modules();
const imports = await importsOf(paths);
const texts = new Map(
  await Promise.all(
    paths.map(async (path) => [path, await Deno.readTextFile(join(root, path))] as const),
  ),
);

/** Imports as written, those of types alone included. */
const written = paths.flatMap((from) =>
  [...texts.get(from)!.matchAll(
    /(?:\bfrom|\bimport\(|\bimport)\s*"((?:\.|@reproducible\/)[^"]*)"/g,
  )]
    .map(([, specifier]) => ({ from, to: resolve(from, specifier!) }))
);

const roomOf = (path: string) =>
  ROOMS.find((room) => path === room || path.startsWith(`${room}/`)) ?? `no room: ${path}`;

Deno.test("every file is in a room, and no import runs up, of types neither", () => {
  for (const path of paths) assert.ok(ROOMS.includes(roomOf(path)), roomOf(path));
  const wrong = written.filter(({ from, to }) =>
    ROOMS.indexOf(roomOf(to)) > ROOMS.indexOf(roomOf(from)) || !texts.has(to)
  );
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("a room's top-level files are public, its subfolders private", () => {
  const wrong = written.filter(({ from, to }) =>
    roomOf(from) !== roomOf(to) && to.slice(roomOf(to).length + 1).includes("/")
  );
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("no file name stands twice where both could be meant", () => {
  const allowed = ["mod.ts", "main.ts", "worker.ts", "types.ts", "params.ts", "options.ts"];
  const twice = [...Map.groupBy(paths, (path) => basename(path))]
    .filter(([name, at]) => at.length > 1 && !allowed.includes(name));
  assert.deepEqual(twice, []);
});

Deno.test("tensors are read by packages/compute/read_tensor.ts, which waits for them, as GPUs need", async () => {
  const free = ["packages/compute/read_tensor.ts", "faces/training/engine_trainer.ts"]; // the latter reads on wasm alone
  for (const path of paths) {
    if (free.includes(path) || path.startsWith("packages/compute/kernels/")) continue;
    const text = await Deno.readTextFile(join(root, path));
    assert.doesNotMatch(text, /\.(dataSync|arraySync|bytesSync)\b/, path);
  }
});

Deno.test("each property of an object has a place of its own: no literal is spread into another", async () => {
  const templates = (await Array.fromAsync(Deno.readDir(join(root, "faces/commands/templates"))))
    .map(({ name }) => `faces/commands/templates/${name}`);
  for (const path of [...paths, ...templates]) {
    assert.doesNotMatch(await Deno.readTextFile(join(root, path)), /\.\.\.\{/, path);
  }
});

Deno.test("no room imports main.ts or a test", () => {
  const wrong = written.filter(({ to }) => to === "main.ts" || to.startsWith("tests/"));
  assert.deepEqual(wrong, []);
});

Deno.test("nothing imports itself in a circle", () => {
  const next = Map.groupBy(imports.filter(({ dynamic }) => !dynamic), ({ from }) => from);
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    assert.ok(!trail.includes(path), [...trail, path].join(" → "));
    if (done.has(path)) return;
    for (const { to } of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of paths) visit(path, []);
});

Deno.test("a run with nothing to do loads no heavy package", () => {
  const next = Map.groupBy(imports.filter(({ dynamic }) => !dynamic), ({ from }) => from);
  const visit = (path: string, trail: readonly string[]) => {
    for (const { to } of next.get(path) ?? []) {
      assert.doesNotMatch(to, HEAVY, `${[...trail, path].join(" → ")} loads ${to}`);
      if (!trail.includes(to)) visit(to, [...trail, path]);
    }
  };
  // What a stage imports within `run` comes later.
  for (const { name } of stages) visit(`stages/${name}.ts`, []);
  // Of the commands, all but those that are about models load nothing heavy.
  // Remote workers load their broker when a pipeline asks for them.
  const runner = paths.filter((path) => roomOf(path) === "packages/pipeline");
  for (const path of runner.filter((path) => !path.includes("/remote/"))) visit(path, []);
  visit("stages/mod.ts", []);
});

Deno.test("every stage is a module of its name, listed once, with parameters that explain themselves", async (t) => {
  const files = await Array.fromAsync(Deno.readDir(join(root, "stages")));
  const names = files.filter(({ isFile }) => isFile).map(({ name }) => basename(name, ".ts"));
  const shared = ["mod", "kinds", "input_checks", "training_stage"];
  assert.deepEqual(
    stages.map(({ name }) => name).sort(),
    names.filter((name) => !shared.includes(name)).sort(),
  );
  for (const { name, module, load } of stages) {
    await t.step(name, async () => {
      assert.equal(module, new URL(`../stages/${name}.ts`, import.meta.url).href);
      const { default: stage } = await load();
      assert.equal(stage.name, name);
      assert.match(stage.summary, /^[A-Z].*[^.]$/);
      describe(stage.params, name);
      for (const key of stage.ignoreInCacheKey) assert.ok(key in stage.params.shape, key);
    });
  }
});

/** Every field is described, and every object refuses what it does not know. */
function describe(schema: z.ZodType, path: string): void {
  const { innerType } = schema.def as unknown as { innerType?: z.ZodType };
  if (innerType) return describe(innerType, path);
  if (!(schema instanceof z.ZodObject)) return;
  const others = schema.def.catchall as z.ZodType | undefined;
  assert.ok(others && !(others instanceof z.ZodUnknown), `${path}: use z.strictObject`);
  describe(others, `${path}.*`);
  for (const [key, field] of Object.entries(schema.shape)) {
    let described: z.ZodType | undefined = field as z.ZodType;
    while (described && !described.description) {
      described = (described.def as unknown as { innerType?: z.ZodType }).innerType;
    }
    assert.ok(described, `${path}.${key} is not described`);
    describe(field as z.ZodType, `${path}.${key}`);
  }
}
