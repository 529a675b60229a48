/** Versions of Python's packages, as far as releases go (PEP 440): no pre-releases, no epochs. */

/** The numbers of a release, or undefined for anything else, such as 2.21.0rc1. */
export function parseVersion(text: string): number[] | undefined {
  return /^\d+(\.\d+)*$/.test(text) ? text.split(".").map(Number) : undefined;
}

/** Negative if a is older than b. Missing numbers count as 0. */
export function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Whether a version meets a list of conditions, as "<13.0,>=12.5.3.2" or "==2.21.*".
 * @throws if a condition is of a kind that is not known here
 */
export function satisfies(version: readonly number[], conditions: string): boolean {
  return conditions.split(",").map((part) => part.trim()).filter(Boolean).every((condition) => {
    const [, sign, text, open] = condition.match(/^(==|!=|<=|>=|<|>|~=)\s*([\d.]+?)(\.\*)?$/) ?? [];
    const limit = parseVersion(text ?? "");
    if (limit === undefined) {
      throw new Error(`Cannot understand the version condition "${condition}".`);
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

/** A package that another one needs. */
export interface Requirement {
  readonly name: string;
  readonly conditions: string;
}

/** What a wheel's METADATA requires for an extra, such as the `nvidia-*` of "and-cuda". */
export function requirementsOf(metadata: string, extra: string): Requirement[] {
  const head = metadata.split(/\r?\n\r?\n/)[0];
  return head.split(/\r?\n/).flatMap((line) => {
    const match = line.match(/^Requires-Dist: ([\w.-]+)\s*(?:\(?([^;()]*)\)?)\s*;(.*)$/);
    if (!match || !new RegExp(`extra == ["']${extra}["']`).test(match[3])) return [];
    return [{ name: match[1], conditions: match[2].trim() }];
  });
}
