/**
 * Which of our modules, and which packages, a stage is made of.
 *
 * A module counts by what it does: esbuild strips types, comments and formatting before it is
 * hashed, and an import that only names types vanishes with them. What a module says about a file
 * changes only with the file, so it is kept between runs and a run with nothing to do parses nothing.
 */
import { createHash } from "node:crypto";
import { extname, join } from "node:path";
import { fromFileUrl, readTextIfThere, short, writeWhole } from "./paths.ts";

/** What a module imports and what it does. */
interface ModuleFacts {
  /** Changes when the file may have changed: size and time of last writing. */
  readonly stamp: string;
  /** SHA-256 of the code without types, comments and formatting. */
  readonly hash: string;
  /** Import specifiers, and files named by `new URL("...", import.meta.url)`. */
  readonly imports: readonly string[];
}

export interface ModuleGraph {
  /** Path from the project → hash. */
  readonly modules: Record<string, string>;
  /** Package specifiers as imported: "sharp", "npm:foo@1.0.0". */
  readonly packages: readonly string[];
}

/** Bumped when `analyse` changes what it finds. */
const FORMAT = 1;

const CODE = new Set([".ts", ".mts", ".tsx", ".js", ".mjs", ".jsx"]);

export class Modules {
  #facts: Record<string, ModuleFacts> = {};
  #loaded = false;
  #changed = false;

  /**
   * @param project folder that paths are told from
   * @param cache file that keeps the facts between runs
   * @param importMap bare specifier → what deno.json maps it to
   */
  constructor(
    readonly project: string,
    readonly cache: string,
    readonly importMap: Readonly<Record<string, string>>,
  ) {}

  /** Walks all that a module imports. Files below a folder of `without` are not entered. */
  async graph(entry: string, without: readonly string[]): Promise<ModuleGraph> {
    const modules: Record<string, string> = {};
    const packages = new Set<string>();
    if (!entry.startsWith("file:")) return { modules, packages: [entry] };
    await this.#load();
    const queue = [fromFileUrl(entry)];
    const seen = new Set(queue);
    while (queue.length > 0) {
      const path = queue.pop()!;
      const { hash, imports } = await this.#read(path);
      modules[short(path, this.project)] = hash;
      for (const specifier of imports) {
        const target = this.#resolve(specifier, path);
        if (target === undefined) continue;
        if ("package" in target) packages.add(target.package);
        else if (!seen.has(target.path) && !without.some((dir) => target.path.startsWith(dir))) {
          seen.add(target.path);
          queue.push(target.path);
        }
      }
    }
    return { modules: sorted(modules), packages: [...packages].sort() };
  }

  /** Keeps what was learnt for the next run, and ends the helper process that learning took. */
  async close(): Promise<void> {
    if (!this.#changed) return;
    await (await import("esbuild")).stop();
    await Deno.mkdir(join(this.cache, ".."), { recursive: true });
    await writeWhole(this.cache, JSON.stringify({ format: FORMAT, facts: this.#facts }));
    this.#changed = false;
  }

  async #load(): Promise<void> {
    if (this.#loaded) return;
    this.#loaded = true;
    try {
      const kept = JSON.parse(await readTextIfThere(this.cache) ?? "{}");
      if (kept.format === FORMAT) this.#facts = kept.facts;
    } catch (error) {
      // A damaged cache costs only the time to build it again.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  async #read(path: string): Promise<ModuleFacts> {
    const info = await Deno.stat(path);
    const stamp = `${info.size} ${info.mtime?.getTime()} ${info.ino}`;
    const known = this.#facts[path];
    if (known?.stamp === stamp) return known;
    const facts = { stamp, ...await readFile(path) };
    this.#facts[path] = facts;
    this.#changed = true;
    return facts;
  }

  #resolve(specifier: string, from: string): { path: string } | { package: string } | undefined {
    let mapped = this.importMap[specifier] ?? specifier;
    if (mapped === specifier) {
      // "sharp/lib/x" is under "sharp" in the import map.
      const base = Object.keys(this.importMap).find((key) => specifier.startsWith(`${key}/`));
      if (base) mapped = this.importMap[base]!;
    }
    if (mapped.startsWith("/")) return { path: mapped };
    if (/^\.{1,2}\//.test(mapped)) {
      const root = mapped === specifier ? from : join(this.project, "deno.json");
      return { path: join(root, "..", mapped) };
    }
    if (mapped.startsWith("file:")) return { path: fromFileUrl(mapped) };
    if (/^(node|data|https?):/.test(mapped)) return undefined;
    return { package: mapped };
  }
}

async function readFile(path: string): Promise<Omit<ModuleFacts, "stamp">> {
  const bytes = await Deno.readFile(path);
  return CODE.has(extname(path))
    ? await analyse(path)
    : { hash: createHash("sha256").update(bytes).digest("hex"), imports: [] };
}

/** Loaded only when a file has changed since the last run. */
async function analyse(path: string): Promise<Omit<ModuleFacts, "stamp">> {
  const { build } = await import("esbuild");
  const imports = new Set<string>();
  const result = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: "esm",
    target: "esnext",
    minifyWhitespace: true,
    treeShaking: false,
    legalComments: "none",
    logLevel: "silent",
    // Type-only imports are gone by the time esbuild resolves what is left.
    plugins: [{
      name: "collect",
      setup(build) {
        build.onResolve({ filter: /.*/ }, ({ path, kind }) => {
          if (kind === "entry-point") return undefined;
          imports.add(path);
          return { path, external: true };
        });
      },
    }],
  });
  const code = result.outputFiles[0]!.text;
  // Workers, WebAssembly, tables. A folder ("../") is a place, not something that is read.
  for (const [, asset] of code.matchAll(/new URL\("(\.[^"]*[^"/])",import\.meta\.url\)/g)) {
    imports.add(asset!);
  }
  return {
    hash: createHash("sha256").update(code).digest("hex"),
    imports: [...imports].sort(),
  };
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1));
}
