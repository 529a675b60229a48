/** Stands in for node:path where the page computes: what is joined are paths of URLs. */

export function join(...parts: string[]): string {
  return parts.join("/");
}
