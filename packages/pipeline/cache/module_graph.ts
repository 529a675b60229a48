/**
 * Which of our modules, and which packages, a stage is made of.
 *
 * A module counts by what it does: esbuild strips types, comments and formatting before it is
 * hashed, and an import that only names types vanishes with them. What a module says about a file
 * changes only with the file, so it is kept between runs and a run with nothing to do parses nothing.
 */
import { createHash } from "node:crypto";
import { extname, join } from "node:path";
import type { Metafile } from "esbuild";
import { z } from "zod";
import type { ImportMap } from "./import_map.ts";
import { displayPath, fromFileUrl, ignoreNotFound, toFileUrl } from "../paths.ts";
import { readState, writeState } from "../state.ts";

/** What a module imports and what it does. */
interface ModuleFacts {
  /** Differs when the file may have changed: size and dates. */
  readonly stamp: string;
  /** SHA-256 of the code without types, comments and formatting. */
  readonly hash: string;
  /** Specifiers of imports and of `import.meta.resolve("...")`. */
  readonly imports: readonly string[];
  /** Files named by `new URL("...", import.meta.url)`: workers, WebAssembly, tables. */
  readonly assets: readonly string[];
}

export interface ModuleGraph {
  /** Path from the project → hash. */
  readonly modules: Record<string, string>;
  /** Package specifiers as imported: "sharp", "npm:foo@1.0.0". */
  readonly packages: readonly string[];
}

/** Bumped when `analyse` changes what it finds. */
const CACHE_VERSION = 4;

const cacheShape = z.looseObject({
  format: z.literal(CACHE_VERSION),
  facts: z.record(
    z.string(),
    z.strictObject({
      ...{ stamp: z.string(), hash: z.string() },
      ...{ imports: z.array(z.string()), assets: z.array(z.string()) },
    }),
  ),
});

/** In ms, more than the step in which a file system counts time. */
const MTIME_RESOLUTION_MS = 100;

const CODE = new Set([".ts", ".mts", ".tsx", ".js", ".mjs", ".jsx"]);

export class ModuleHasher {
  #facts: Record<string, ModuleFacts> = {};
  /** A run imports a module once, so its facts hold for the run, whatever is edited meanwhile. */
  readonly #read = new Map<string, Promise<ModuleFacts | undefined>>();
  #loaded = false;
  #changed = false;

  /**
   * @param project folder that paths are told from
   * @param cache file that keeps the facts between runs
   * @param imports what the project's deno.json and its workspace declare
   */
  constructor(
    readonly project: string,
    readonly cache: string,
    readonly imports: ImportMap,
  ) {}

  /** Walks all that a module imports. Files below a folder of `without` are not entered. */
  async graph(entry: string, without: readonly string[]): Promise<ModuleGraph> {
    const modules: Record<string, string> = {};
    const packages = new Set<string>();
    if (!entry.startsWith("file:")) return { modules, packages: [this.imports.mapped(entry)] };
    await this.#load();
    const queue = [fromFileUrl(entry)];
    // deno.json counts by the packages that it maps to, not by its tasks.
    const seen = new Set([...queue, join(this.project, "deno.json")]);
    const add = (path: string) => {
      if (seen.has(path) || without.some((folder) => path.startsWith(folder))) return;
      seen.add(path);
      queue.push(path);
    };
    while (queue.length > 0) {
      const path = queue.pop()!;
      const facts = await this.#factsOf(path);
      // What is not there is told by the import that misses it; a folder is only a place.
      if (!facts) continue;
      modules[displayPath(path, this.project)] = facts.hash;
      for (const specifier of facts.imports) {
        const target = this.imports.resolve(specifier, path);
        if (target === undefined) continue;
        if ("package" in target) packages.add(target.package);
        else add(target.path);
      }
      for (const asset of facts.assets) add(fromFileUrl(new URL(asset, toFileUrl(path))));
    }
    return { modules: sorted(modules), packages: [...packages].sort() };
  }

  /** Keeps what was learnt for the next run, and ends the helper process that learning took. */
  async close(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    await (await import("esbuild")).stop();
    try {
      await Deno.mkdir(join(this.cache, ".."), { recursive: true });
      await writeState(this.cache, { format: CACHE_VERSION, facts: this.#facts });
    } catch {
      // No place to keep it (a read-only folder, a full disk): the next run learns it again.
    }
  }

  async #load(): Promise<void> {
    if (this.#loaded) return;
    this.#loaded = true;
    // A cache that is damaged, or of another version, costs only the time to build it again.
    const { value } = await readState<{ facts: Record<string, ModuleFacts> }>(
      ...[this.cache, { shape: cacheShape }] as const,
    );
    if (value) this.#facts = value.facts;
  }

  #factsOf(path: string): Promise<ModuleFacts | undefined> {
    let facts = this.#read.get(path);
    if (!facts) this.#read.set(path, facts = this.#learn(path));
    return facts;
  }

  async #learn(path: string): Promise<ModuleFacts | undefined> {
    const info = await Deno.stat(path).catch(ignoreNotFound);
    if (!info?.isFile) return undefined;
    // The time of the last change of any kind (ctime) also tells of a copy that kept its dates.
    const times = [info.mtime, info.ctime].map((time) => time?.getTime() ?? 0);
    const stamp = [info.size, ...times, info.ino].join(" ");
    const known = this.#facts[path];
    if (known?.stamp === stamp) return known;
    // Dates move in ticks: a file of this very moment can change once more and look the same.
    const settled = Date.now() - Math.max(...times) > MTIME_RESOLUTION_MS;
    const facts = { stamp: settled ? stamp : "", ...await readFile(path) };
    this.#facts[path] = facts;
    this.#changed = true;
    return facts;
  }
}

async function readFile(path: string): Promise<Omit<ModuleFacts, "stamp">> {
  const bytes = await Deno.readFile(path);
  return CODE.has(extname(path))
    ? await analyse(path)
    : { hash: createHash("sha256").update(bytes).digest("hex"), imports: [], assets: [] };
}

/** Loaded only when a file has changed since the last run. */
async function analyse(path: string): Promise<Omit<ModuleFacts, "stamp">> {
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [path],
    // Nothing is bundled: `import(`./${name}.ts`)` would pull in all that it could mean.
    bundle: false,
    write: false,
    metafile: true,
    format: "esm",
    target: "esnext",
    minifyWhitespace: true,
    treeShaking: false,
    legalComments: "none",
    logLevel: "silent",
    // A tsconfig.json in some folder above is not ours.
    tsconfigRaw: {},
  });
  const [{ imports: found }] = Object.values(result.metafile.outputs) as [Metafile["outputs"][""]];
  // Type-only imports are gone by now.
  const imports = new Set(found.map((record) => record.path));
  const code = result.outputFiles[0]!.text;
  const named = (pattern: RegExp) => [...code.matchAll(pattern)].map(([, name]) => name!);
  for (const name of named(/import\.meta\.resolve\("([^"]*)"\)/g)) imports.add(name);
  // A folder ("../") is a place, not something that is read; nor is an address ours.
  const assets = named(/new URL\("([^"]*[^"/])",import\.meta\.url\)/g)
    .filter((name) => !/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(name));
  return {
    hash: createHash("sha256").update(code).digest("hex"),
    imports: [...imports].sort(),
    assets: assets.sort(),
  };
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1));
}
