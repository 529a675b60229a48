/** deno.lock: which version of a package is installed, and of all that it needs in turn. */
import { createHash } from "node:crypto";

interface LockFile {
  specifiers?: Record<string, string>;
  npm?: Record<
    string,
    { integrity?: string; dependencies?: string[]; optionalDependencies?: string[] }
  >;
}

/** Versions as locked, with the packages beneath. */
export class DenoLock {
  readonly #lock: LockFile;
  readonly #closures = new Map<string, string>();

  /** @param text deno.lock; without it packages count by the specifier alone */
  constructor(text: string | undefined) {
    this.#lock = text === undefined ? {} : JSON.parse(text);
  }

  /**
   * Package → version, each with a hash of what it depends on.
   * @param specifiers such as "npm:sharp@0.35.5"
   */
  versions(specifiers: readonly string[]): Record<string, string> {
    return Object.fromEntries(specifiers.map((specifier) => {
      const plain = specifier.replace(/^npm:\/?/, "");
      // A subpath belongs to its package: npm:@scope/name@1.0.0/file.js
      const [, id = plain, name = plain, wanted = ""] =
        plain.match(/^((@[^/]+\/[^@/]+|[^@/]+)(?:@([^/]+))?)/) ?? [];
      const version = this.#lock.specifiers?.[`npm:${id}`] ?? wanted;
      const below = this.#closure(`${name}@${version}`);
      return [
        name,
        below === "" ? version.split("_")[0]! : `${version.split("_")[0]} (with ${below})`,
      ];
    }));
  }

  /** A short hash of all packages that one needs, or "" when it needs none. */
  #closure(key: string): string {
    const known = this.#closures.get(key);
    if (known !== undefined) return known;
    const found = new Set<string>();
    const queue = [key];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const entry = this.#lock.npm?.[next];
      for (const name of [...entry?.dependencies ?? [], ...entry?.optionalDependencies ?? []]) {
        const full = this.#fullKey(name);
        if (!found.has(full)) {
          found.add(full);
          queue.push(full);
        }
      }
    }
    const hash = found.size === 0
      ? ""
      : createHash("sha256").update([...found].sort().join("\n")).digest("hex").slice(0, 8);
    this.#closures.set(key, hash);
    return hash;
  }

  /** The lock names a dependency without its version where only one version is there. */
  #fullKey(name: string): string {
    const npm = this.#lock.npm ?? {};
    if (name in npm) return name;
    return Object.keys(npm).find((key) => key.startsWith(`${name}@`)) ?? name;
  }
}
