/**
 * Cores that a run may use: all of the machine's, or as many as CORES says, which a sweep sets for
 * runs side by side.
 */
export function cores(): number {
  const granted = Math.floor(Number(Deno.env.get("CORES"))) || Infinity;
  return Math.max(1, Math.min(granted, navigator.hardwareConcurrency));
}
