/**
 * Modules and packages that a stage is made of.
 *
 * esbuild strips types, comments and formatting before a module is hashed; imports of types alone
 * vanish with them. Hashes and imports of unchanged files are kept between runs, so a run with
 * nothing to do parses nothing.
 */
import { extname, join } from "node:path";
import type { Metafile } from "esbuild";
import { z } from "zod";
import { sha256 } from "../fingerprint.ts";
import type { ImportMap } from "./import_map.ts";
import { displayPath, fromFileUrl, ignoreNotFound, toFileUrl } from "../paths.ts";
import { readState, writeState } from "../state.ts";

/** A module on disk: its imports and its hash. */
interface ModuleFacts {
  /** Differs when the file may have changed: size and dates. */
  readonly stamp: string;
  /** SHA-256 of the code without types, comments and formatting. */
  readonly hash: string;
  /** Specifiers of imports and of `import.meta.resolve("...")`. */
  readonly imports: readonly string[];
  /** Files named by `new URL("...", import.meta.url)`: workers, WebAssembly, tables. */
  readonly assets: readonly string[];
  /** True if it may read or import files whose names are not written in it. */
  readonly computed: boolean;
}

interface ModuleNode {
  /** Path from the project. */
  readonly shown: string;
  readonly hash: string;
  readonly computed: boolean;
  /** Absolute paths of the modules and assets that it names. */
  readonly paths: readonly string[];
  readonly packages: readonly string[];
}

export interface ModuleGraph {
  /** Path from the project → hash. */
  readonly modules: Record<string, string>;
  /** Package specifiers as imported: "sharp", "npm:foo@1.0.0". */
  readonly packages: readonly string[];
  /** Modules in the folder of the first one that may read or import files that are not listed here. */
  readonly computed: readonly string[];
}

/** Bumped when `analyze` changes what it finds. */
const CACHE_VERSION = 8;

/**
 * The facts are one text, which the checksum covers: a run with nothing to do checks it within a
 * millisecond, and thousands of strings within thirty.
 */
const cacheSchema = z.object({ format: z.literal(CACHE_VERSION), facts: z.string() });

/** Upper bound of the resolution of file times, in ms. */
const MTIME_RESOLUTION_MS = 100;

const CODE = new Set([".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"]);

export class ModuleHasher {
  #facts: Record<string, ModuleFacts> = {};
  /** Several graphs at once wait for one read of the cache. */
  #loading: Promise<void> | undefined;
  /** A node holds for a whole run; `edited()` finds files that changed since. */
  readonly #nodes = new Map<string, Promise<ModuleNode | undefined>>();
  #changed = false;

  /**
   * @param project folder that paths start from
   * @param cache file that keeps the facts between runs
   * @param imports what the project's deno.json and its workspace declare
   */
  constructor(readonly project: string, readonly cache: string, readonly imports: ImportMap) {}

  /** Returns everything that a module imports. Files below a folder of `without` are left out. */
  async graph(entry: string, without: readonly string[]): Promise<ModuleGraph> {
    const modules: Record<string, string> = {};
    const packages = new Set<string>();
    const computed: string[] = [];
    if (!entry.startsWith("file:")) {
      return { modules, packages: [this.imports.mapped(entry)], computed };
    }
    await (this.#loading ??= this.#load());
    const queue = [fromFileUrl(entry)], own = join(fromFileUrl(entry), "../");
    // deno.json counts by the packages that it maps to, not by its tasks.
    const seen = new Set([...queue, join(this.project, "deno.json")]);
    while (queue.length > 0) {
      const path = queue.pop()!;
      const node = await this.#nodes.getOrInsertComputed(path, (path) => this.#read(path));
      // The import itself reports a missing file; a folder is only a place.
      if (!node) continue;
      modules[node.shown] = node.hash;
      if (node.computed && path.startsWith(own)) computed.push(node.shown);
      node.packages.forEach((name) => packages.add(name));
      for (const next of node.paths) {
        if (seen.has(next) || without.some((folder) => next.startsWith(folder))) continue;
        seen.add(next);
        queue.push(next);
      }
    }
    const sorted = Object.entries(modules).sort(([a], [b]) => a < b ? -1 : 1);
    return { modules: Object.fromEntries(sorted), packages: [...packages].sort(), computed };
  }

  /** Returns the path of a module that was edited since it was hashed. @param counts selects paths */
  async edited(counts: (path: string) => boolean = () => true): Promise<string | undefined> {
    const fresh = new ModuleHasher(this.project, this.cache, this.imports);
    fresh.#facts = { ...this.#facts }; // what did not change is not analyzed again
    const edits = await Promise.all(
      this.#nodes.entries().map(async ([path, node]) => {
        const shown = displayPath(path, this.project);
        if (!counts(shown)) return [];
        const [before, now] = await Promise.all([node, fresh.#read(path)]);
        return before?.hash === now?.hash ? [] : shown;
      }),
    );
    await fresh.close();
    return edits.flat()[0];
  }

  /** Writes the cache for the next run, and ends the process of esbuild. */
  async close(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    const { stop } = await import("esbuild");
    // That of all hashers: it would never answer the others, which may have begun meanwhile.
    if (analyses === 0) await stop();
    try {
      await Deno.mkdir(join(this.cache, ".."), { recursive: true });
      const there = Object.entries(this.#facts).filter(([path]) => fileInfo(path));
      const facts = JSON.stringify(Object.fromEntries(there));
      await writeState(this.cache, { format: CACHE_VERSION, facts });
    } catch {
      // A read-only folder or a full disk: the next run analyzes the files again.
    }
  }

  async #load(): Promise<void> {
    // A cache that is damaged, or of another version, costs only the time to build it again.
    const form = { shape: cacheSchema };
    const { value } = await readState<z.output<typeof cacheSchema>>(this.cache, form);
    try {
      if (value) this.#facts = JSON.parse(value.facts);
    } catch {
      // Text that is not JSON counts as damage.
    }
  }

  async #read(path: string): Promise<ModuleNode | undefined> {
    // Hundreds of files take a few ms this way, and some 100 ms asynchronously.
    const info = fileInfo(path);
    if (!info) return undefined;
    const { hash, imports, assets, computed } = await this.#factsOf(path, info);
    const targets = imports.flatMap((specifier) => this.imports.resolve(specifier, path) ?? []);
    return {
      shown: displayPath(path, this.project),
      hash,
      computed,
      packages: targets.flatMap((target) => "package" in target ? [target.package] : []),
      paths: [
        ...targets.flatMap((target) => "path" in target ? [target.path] : []),
        ...assets.map((asset) => fromFileUrl(new URL(asset, toFileUrl(path)))),
      ],
    };
  }

  async #factsOf(path: string, info: Deno.FileInfo): Promise<ModuleFacts> {
    // The time of the last change of any kind (ctime) also reveals a copy that kept its dates.
    const times = [info.mtime!, info.ctime!].map((time) => time.getTime());
    const stamp = [info.size, ...times, info.ino].join(" ");
    const known = this.#facts[path];
    if (known?.stamp === stamp) return known;
    // A file of this very moment can change once more within the resolution of its times.
    const settled = Date.now() - Math.max(...times) > MTIME_RESOLUTION_MS;
    const facts = { stamp: settled ? stamp : "", ...await readFile(path) };
    this.#facts[path] = facts;
    this.#changed = true;
    return facts;
  }
}

function fileInfo(path: string): Deno.FileInfo | undefined {
  try {
    const info = Deno.statSync(path);
    return info.isFile ? info : undefined;
  } catch (error) {
    return ignoreNotFound(error);
  }
}

async function readFile(path: string): Promise<Omit<ModuleFacts, "stamp">> {
  if (CODE.has(extname(path))) return await analyze(path);
  return { hash: sha256(await Deno.readFile(path)), imports: [], assets: [], computed: false };
}

/** Number of files that are being analyzed. */
let analyses = 0;

/** Loaded only when a file has changed since the last run. */
async function analyze(path: string): Promise<Omit<ModuleFacts, "stamp">> {
  const { build } = await import("esbuild");
  analyses++;
  const result = await build({
    entryPoints: [path],
    // Nothing is bundled: `import(`./${name}.ts`)` would pull in all that it could mean.
    bundle: false,
    write: false,
    metafile: true,
    format: /\.c[jt]s$/.test(path) ? "cjs" : "esm",
    target: "esnext",
    minifyWhitespace: true,
    charset: "utf8", // names of files as they are written
    treeShaking: false,
    legalComments: "none",
    logLevel: "silent",
    // A tsconfig.json in some folder above is not ours.
    tsconfigRaw: {},
  }).finally(() => analyses--);
  const [{ imports: found }] = Object.values(result.metafile.outputs) as [Metafile["outputs"][""]];
  const code = result.outputFiles[0]!.text;
  const named = (pattern: RegExp) =>
    [...code.matchAll(pattern)].map(([, ...names]) => names.find((name) => name !== undefined)!);
  // Type-only imports are gone by now.
  const imports = new Set([...found.map((record) => record.path), ...named(RESOLVED)]);
  // A folder ("../") is a place, not something that is read; nor is an address ours.
  const assets = [
    ...named(ASSET).filter((name) => !/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(name)),
    ...named(BESIDE).map((parts) =>
      join(".", ...parts.split('","')).replace(/[%#?:]/g, encodeURIComponent)
    ),
  ];
  // A name without an extension may be that of a folder.
  const rest = code.replace(ASSET, (text, name) => extname(name) === "" ? text : "")
    .replace(BESIDE, "").replace(RESOLVED, "");
  const computed = /\b(import|require)\((?!")|\bimport\.meta\.(dir|file|url|resolve)|\b__dirname/
    .test(rest);
  return { hash: sha256(code), imports: [...imports].sort(), assets: assets.sort(), computed };
}

/** Forms of names of files in code without whitespace. */
const RESOLVED = /import\.meta\.resolve\("([^"]*)"\)/g;
const ASSET = /new URL\("([^"]*[^"/])",import\.meta\.url\)/g;
/** `join(import.meta.dirname, "a", "b.txt")`, and the same as a template and as a sum. */
const BESIDE =
  /(?:import\.meta\.|__)dirname(?:,"((?:[^"]+",")*[^"]+\.\w+)"\)|\}\/([^`$]+\.\w+)`|\+"\/([^"]+\.\w+)"(?!\+))/g;
