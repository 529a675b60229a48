/** Resolves specifiers as Deno does: `imports` of deno.json and the members of its workspace. */
import { dirname, join } from "node:path";
import { fromFileUrl } from "../paths.ts";

interface DenoConfig {
  readonly name?: string;
  readonly exports?: string | Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly workspace?: readonly string[] | { readonly members?: readonly string[] };
}

/** The imports that one folder declares; paths in them start at that folder. */
interface Scope {
  readonly folder: string;
  readonly imports: Readonly<Record<string, string>>;
}

export type Resolved = { readonly path: string } | { readonly package: string };

export class ImportMap {
  /**
   * Prepared for thousands of lookups in each run. `prefix`: start of the paths of its modules;
   * `bases`: start of the specifiers that a name covers, and the name; the longest first.
   */
  readonly #scopes;
  readonly #mapsRelative: boolean;
  /** Relative specifiers behind their folder → path: files of a folder import the same others. */
  readonly #joined = new Map<string, string>();

  /** @param scopes members of the workspace, then the project: the first that has a name wins */
  constructor(scopes: readonly Scope[]) {
    this.#scopes = scopes.map((scope) => ({
      ...scope,
      prefix: join(scope.folder, "/"),
      bases: Object.keys(scope.imports).sort((a, b) => b.length - a.length)
        .map((name) => [name.endsWith("/") ? name : `${name}/`, name] as const),
    }));
    this.#mapsRelative = scopes.some(({ imports }) =>
      Object.keys(imports).some((name) => name.startsWith("."))
    );
  }

  /**
   * Reads the project's deno.json and, of each workspace member, its exported names and its imports.
   * @param project folder of deno.json
   */
  static async read(project: string): Promise<ImportMap> {
    const { imports, workspace = [] } = await readConfig(project);
    const members = "members" in workspace ? workspace.members ?? [] : workspace as string[];
    const scopes: Scope[] = [];
    const names: Record<string, string> = {};
    const folders = members.map((member) => join(project, member));
    for (const [i, config] of (await Promise.all(folders.map(readConfig))).entries()) {
      const { name, exports = {}, imports = {} } = config, folder = folders[i]!;
      scopes.push({ folder, imports });
      if (name === undefined) continue;
      const entries = typeof exports === "string" ? { ".": exports } : exports;
      for (const [entry, file] of Object.entries(entries)) {
        names[join(name, entry)] = join(folder, file);
      }
    }
    return new ImportMap([...scopes, { folder: project, imports: { ...imports, ...names } }]);
  }

  /** Returns what the project declares for a name; another specifier as it is. */
  mapped(specifier: string): string {
    return this.#lookUp(specifier)?.target ?? specifier;
  }

  /**
   * @param from path of the importing module
   * @returns a file, a package, or undefined for what is no part of the code (`node:`, `data:`)
   */
  resolve(specifier: string, from: string): Resolved | undefined {
    // Most specifiers of a project, and few are mapped.
    if (specifier.startsWith(".") && !this.#mapsRelative) {
      return { path: this.#joined.getOrInsertComputed(`${dirname(from)}/${specifier}`, join) };
    }
    const found = this.#lookUp(specifier, from);
    const target = found?.target ?? specifier;
    if (target.startsWith("/")) return { path: target };
    if (/^\.{1,2}\//.test(target)) return { path: join(found?.folder ?? dirname(from), target) };
    if (target.startsWith("file:")) return { path: fromFileUrl(target) };
    return /^(node|data|https?):/.test(target) ? undefined : { package: target };
  }

  /** Looks a specifier up in the project, and before that in the member that a module is of. */
  #lookUp(specifier: string, from = ""): { target: string; folder: string } | undefined {
    for (const [i, { folder, prefix, imports, bases }] of this.#scopes.entries()) {
      if (i < this.#scopes.length - 1 && !from.startsWith(prefix)) continue;
      const exact = imports[specifier];
      if (exact !== undefined) return { target: exact, folder };
      // "sharp/lib/x" is under "sharp" in the import map, "@/x.ts" under "@/".
      const base = bases.find(([start]) => specifier.startsWith(start));
      if (base === undefined) continue;
      const [, name] = base;
      const rest = name.endsWith("/") ? specifier.slice(name.length) : "";
      return { target: imports[name]! + rest, folder };
    }
    return undefined;
  }
}

async function readConfig(folder: string): Promise<DenoConfig> {
  return JSON.parse(await Deno.readTextFile(join(folder, "deno.json")));
}
