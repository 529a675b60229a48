/**
 * Returns the number of cores that a run may use: the environment variable CORES, which sweeps set for
 * concurrent runs. Default: all cores of the machine.
 */
export function cores(): number {
  const granted = Math.floor(Number(Deno.env.get("CORES"))) || Infinity;
  return Math.max(1, Math.min(granted, navigator.hardwareConcurrency));
}
