/** The rules of the house that a compiler does not keep: who imports whom, and what loads when. */
import assert from "node:assert/strict";
import { basename, join, relative } from "node:path";
import { build, stop } from "esbuild";
import { z } from "zod";
import { stages } from "../stages/mod.ts";

const root = new URL("../", import.meta.url).pathname;

/** Room → rooms that it may import, besides itself. Whatever is not listed may import nothing. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  runner: [],
  formats: [],
  compute: [],
  engine: [],
  faces: ["formats", "compute"],
  models: ["formats", "compute"],
  sample: ["formats", "compute"],
  training: ["formats", "compute", "engine", "faces", "models"],
  evaluation: ["formats", "compute", "faces", "models", "training"],
  serving: ["formats", "compute", "faces", "models", "training", "evaluation"],
  web: ["formats", "compute", "faces", "models", "training", "serving"],
  stages: ["formats", "compute", "faces", "models", "sample", "training", "evaluation", "serving"],
  commands: [
    "runner",
    "formats",
    "compute",
    "faces",
    "models",
    "training",
    "evaluation",
    "serving",
    "fleet",
  ],
  fleet: ["runner", "faces"],
  accelerators: ["formats", "compute", "models", "training", "runner"],
  plugins: ["formats", "compute", "faces", "models", "sample", "training", "evaluation", "stages"],
};

/** Modules that other rooms may import, too: contracts, words of the page, a way to download. */
const FOR_ALL: Record<string, readonly string[]> = {
  "runner/stage.ts": ["faces", "sample", "training", "evaluation", "serving", "stages", "plugins"],
  "runner/words.ts": ["faces", "training", "evaluation", "serving", "stages", "web"],
  "web/words.ts": ["serving"],
  "stages/download/http.ts": ["accelerators"],
  "assemblyscript/compile.ts": ["engine", "faces"],
};

/** Packages that take long to load, or open what a run with nothing to do does not need. */
const HEAVY =
  /^(@tensorflow\/|@vladmandic\/|sharp|esbuild|assemblyscript|@observablehq\/|hono|puppeteer|onnx|linkedom|bullmq|ioredis)/;

interface Import {
  from: string;
  to: string;
  dynamic: boolean;
}

async function modules(): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
      const path = join(folder, name);
      // Kernels are in AssemblyScript, a language of its own.
      if (basename(path) === "assembly") continue;
      if (isDirectory) await walk(path);
      else if (/\.ts$/.test(name)) found.push(path);
    }
  };
  for (const room of Object.keys(MAY_IMPORT)) {
    if (await Deno.stat(join(root, room)).catch(() => undefined)) await walk(room);
  }
  return found.sort();
}

/** All imports of values; those of types only are nobody's dependency at run time. */
async function importsOf(paths: readonly string[]): Promise<Import[]> {
  const { metafile } = await build({
    entryPoints: paths.map((path) => join(root, path)),
    ...{ bundle: false, write: false, metafile: true, outdir: root, outbase: root },
    ...{ format: "esm", tsconfigRaw: {}, logLevel: "silent", absWorkingDir: root },
  });
  await stop();
  return Object.values(metafile.outputs).flatMap(({ entryPoint, imports }) =>
    imports.map(({ path, kind }) => ({
      from: entryPoint!,
      to: path.startsWith(".") ? relative(root, join(root, entryPoint!, "..", path)) : path,
      dynamic: kind === "dynamic-import",
    }))
  );
}

const paths = await modules();
const imports = await importsOf(paths);
const roomOf = (path: string) => path.split("/")[0]!;

Deno.test("imports go one way", () => {
  const wrong = imports.filter(({ from, to }) => {
    const [room, other] = [roomOf(from), roomOf(to)];
    if (!to.endsWith(".ts") || room === other) return false;
    return !MAY_IMPORT[room]!.includes(other) && !FOR_ALL[to]?.includes(room);
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("the runner knows no other room, not even its types", async () => {
  for (const path of paths.filter((path) => roomOf(path) === "runner")) {
    const text = await Deno.readTextFile(join(root, path));
    for (const [, specifier] of text.matchAll(/(?:from |import\()"(\.[^"]*)"/g)) {
      assert.equal(roomOf(join(path, "..", specifier!)), "runner", `${path} imports ${specifier}`);
    }
  }
});

Deno.test("tensors are read by compute/read.ts, which waits for them, as GPUs need", async () => {
  const free = ["compute/read.ts", "training/engineTrainer.ts"]; // the latter reads on wasm alone
  for (const path of paths) {
    if (free.includes(path) || path.startsWith("compute/kernels/")) continue;
    const text = await Deno.readTextFile(join(root, path));
    assert.doesNotMatch(text, /\.(dataSync|arraySync|bytesSync)\b/, path);
  }
});

Deno.test("no room imports main.ts or a test", () => {
  const wrong = imports.filter(({ to }) => to === "main.ts" || to.startsWith("tests/"));
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
  for (const path of paths.filter((path) => roomOf(path) === "runner")) visit(path, []);
  visit("stages/mod.ts", []);
});

Deno.test("every stage is a module of its name, listed once, with parameters that explain themselves", async (t) => {
  const files = await Array.fromAsync(Deno.readDir(join(root, "stages")));
  const names = files.filter(({ isFile }) => isFile).map(({ name }) => basename(name, ".ts"));
  const shared = ["mod", "artifacts", "archives"];
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
      for (const key of stage.unaffecting) assert.ok(key in stage.params.shape, key);
    });
  }
});

/** Every field is described, and every object refuses what it does not know. */
function describe(schema: z.ZodType, path: string): void {
  const { innerType } = schema.def as unknown as { innerType?: z.ZodType };
  if (innerType) return describe(innerType, path);
  if (!(schema instanceof z.ZodObject)) return;
  assert.ok(schema.def.catchall instanceof z.ZodNever, `${path}: use z.strictObject`);
  for (const [key, field] of Object.entries(schema.shape)) {
    let described: z.ZodType | undefined = field as z.ZodType;
    while (described && !described.description) {
      described = (described.def as unknown as { innerType?: z.ZodType }).innerType;
    }
    assert.ok(described, `${path}.${key} is not described`);
    describe(field as z.ZodType, `${path}.${key}`);
  }
}
