/** deno.lock: which version of a package is installed, and of all that it needs in turn. */
import { sha256 } from "../fingerprint.ts";

type Packages = Record<
  string,
  { integrity?: string; dependencies?: string[]; optionalDependencies?: string[] }
>;

/** Versions as locked, with the packages beneath. */
export class DenoLock {
  readonly #lock: { specifiers?: Record<string, string>; npm?: Packages; jsr?: Packages };
  readonly #packages: Packages;
  /** Name → its first key. */
  readonly #firstKeys = new Map<string, string>();
  readonly #closures = new Map<string, string>();

  /** @param text deno.lock; without it packages count by the specifier alone */
  constructor(text: string | undefined) {
    this.#lock = text === undefined ? {} : JSON.parse(text);
    this.#packages = { ...this.#lock.npm, ...this.#lock.jsr };
    for (const key of Object.keys(this.#packages)) {
      this.#firstKeys.getOrInsert(key.replace(/(?<=.)@.*/, ""), key);
    }
  }

  /**
   * Package → version, each with a hash of what it depends on. A further version of a package has its
   * name and the version that is asked for.
   * @param specifiers such as "npm:sharp@0.35.5" and "jsr:@std/csv@1"
   */
  versions(specifiers: readonly string[]): Record<string, string> {
    const found: Record<string, string> = {};
    for (const specifier of specifiers) {
      const [, registry = "npm", plain] = specifier.match(/^(?:(npm|jsr):\/?)?(.*)$/)!;
      // A subpath belongs to its package: npm:@scope/name@1.0.0/file.js
      const [, id = plain!, name = plain!, wanted = ""] =
        plain!.match(/^((@[^/]+\/[^@/]+|[^@/]+)(?:@([^/]+))?)/) ?? [];
      const version = this.#lock.specifiers?.[`${registry}:${id}`] ?? wanted;
      const below = this.#closure(`${name}@${version}`);
      const text = `${version.split("_")[0]}${below && ` (with ${below})`}`;
      found[(found[name] ?? text) === text ? name : id] = text;
    }
    return found;
  }

  /** A short hash of all packages that one needs, or "" when it needs none. */
  #closure(key: string): string {
    return this.#closures.getOrInsertComputed(key, () => {
      const found = new Set(this.#needsOf(key));
      // A loop over a set goes on to what is added meanwhile.
      for (const next of found) this.#needsOf(next).forEach((name) => found.add(name));
      return found.size === 0 ? "" : sha256([...found].sort().join("\n")).slice(0, 8);
    });
  }

  #needsOf(key: string): string[] {
    const { dependencies = [], optionalDependencies = [] } = this.#packages[key] ?? {};
    return [...dependencies, ...optionalDependencies].map((name) => this.#fullKey(name));
  }

  /** The lock names a dependency without its version where only one version is there. */
  #fullKey(name: string): string {
    if (name in this.#packages) return name;
    // A dependency of a JSR package is a specifier: jsr:@std/streams@^1.0.9
    const plain = name.replace(/^(npm|jsr):/, "");
    const version = this.#lock.specifiers?.[name];
    if (version !== undefined) return plain.replace(/(?<=.)@.*/, `@${version}`);
    return this.#firstKeys.get(plain) ?? name;
  }
}
