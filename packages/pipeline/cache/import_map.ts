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
  /** @param scopes members of the workspace, then the project: the first that has a name wins */
  constructor(readonly scopes: readonly Scope[]) {}

  /**
   * Reads the project's deno.json and, of each workspace member, its exported names and its imports.
   * @param project folder of deno.json
   */
  static async read(project: string): Promise<ImportMap> {
    const { imports, workspace = [] } = await readConfig(project);
    const members = "members" in workspace ? workspace.members ?? [] : workspace as string[];
    const scopes: Scope[] = [];
    const names: Record<string, string> = {};
    for (const folder of members.map((member) => join(project, member))) {
      const { name, exports = {}, imports = {} } = await readConfig(folder);
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
    return lookUp(specifier, this.scopes.slice(-1))?.target ?? specifier;
  }

  /**
   * @param from path of the importing module
   * @returns a file, a package, or undefined for what is no part of the code (`node:`, `data:`)
   */
  resolve(specifier: string, from: string): Resolved | undefined {
    const last = this.scopes.length - 1;
    const found = lookUp(
      specifier,
      this.scopes.filter(({ folder }, i) => i === last || from.startsWith(join(folder, "/"))),
    );
    const target = found?.target ?? specifier;
    if (target.startsWith("/")) return { path: target };
    if (/^\.{1,2}\//.test(target)) return { path: join(found?.folder ?? dirname(from), target) };
    if (target.startsWith("file:")) return { path: fromFileUrl(target) };
    return /^(node|data|https?):/.test(target) ? undefined : { package: target };
  }
}

async function readConfig(folder: string): Promise<DenoConfig> {
  return JSON.parse(await Deno.readTextFile(join(folder, "deno.json")));
}

function lookUp(
  specifier: string,
  scopes: readonly Scope[],
): { target: string; folder: string } | undefined {
  for (const { folder, imports } of scopes) {
    const exact = imports[specifier];
    if (exact !== undefined) return { target: exact, folder };
    // "sharp/lib/x" is under "sharp" in the import map, "@/x.ts" under "@/".
    const base = Object.keys(imports)
      .filter((key) => specifier.startsWith(key.endsWith("/") ? key : `${key}/`))
      .sort((a, b) => b.length - a.length)[0];
    if (base === undefined) continue;
    const rest = base.endsWith("/") ? specifier.slice(base.length) : "";
    return { target: imports[base]! + rest, folder };
  }
  return undefined;
}
