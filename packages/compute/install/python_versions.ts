/** Release versions of Python packages (PEP 440), without pre-releases and epochs. */

/** Parses a release; returns undefined for others, such as 2.21.0rc1. */
export function parseVersion(text: string): number[] | undefined {
  return /^\d+(\.\d+)*$/.test(text) ? text.split(".").map(Number) : undefined;
}

/** Compares two releases: negative if a is older. Missing numbers count as 0. */
export function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Checks a version against conditions such as "<13.0,>=12.5.3.2" or "==2.21.*".
 * @throws if a condition is not supported
 */
export function satisfies(version: readonly number[], conditions: string): boolean {
  return conditions.split(",").map((part) => part.trim()).filter(Boolean).every((condition) => {
    const [, sign, text, open] = condition.match(/^(==|!=|<=|>=|<|>|~=)\s*([\d.]+?)(\.\*)?$/) ?? [];
    const limit = parseVersion(text ?? "");
    if (limit === undefined) {
      throw new Error(`Cannot parse the version condition "${condition}".`);
    }
    const order = compareVersions(version, limit);
    const within = (length: number) =>
      compareVersions(version.slice(0, length), limit.slice(0, length)) === 0;
    switch (sign) {
      case "==":
        return open ? within(limit.length) : order === 0;
      case "!=":
        return open ? !within(limit.length) : order !== 0;
      case "<=":
        return order <= 0;
      case ">=":
        return order >= 0;
      case "<":
        return order < 0;
      case ">":
        return order > 0;
      default: // ~=: not older, and the same but for the last number
        return order >= 0 && within(limit.length - 1);
    }
  });
}

export interface Requirement {
  readonly name: string;
  readonly conditions: string;
}

/** Returns the requirements of an extra in a wheel's METADATA, such as `nvidia-*` of "and-cuda". */
export function requirementsOf(metadata: string, extra: string): Requirement[] {
  const head = metadata.split(/\r?\n\r?\n/)[0];
  return head.split(/\r?\n/).flatMap((line) => {
    const match = line.match(/^Requires-Dist: ([\w.-]+)\s*(?:\(?([^;()]*)\)?)\s*;(.*)$/);
    if (!match || !new RegExp(`extra == ["']${extra}["']`).test(match[3])) return [];
    return [{ name: match[1], conditions: match[2].trim() }];
  });
}
