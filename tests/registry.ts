/** The registry of packages, for tests that resolve packages beside those of deno.lock. */
const url = Deno.env.get("NPM_CONFIG_REGISTRY") || "https://registry.npmjs.org/";

/** Reason to skip them; undefined if it answers. */
const silent = await fetch(new URL("zod", url), { method: "HEAD" }).then(
  async ({ body }) => void await body?.cancel(),
  () => "the registry of packages does not answer",
);

/** Name of a test that needs the registry, and whether to skip it. */
export function needsRegistry(name: string): { name: string; ignore: boolean } {
  return { name: silent ? `${name} (ignored: ${silent})` : name, ignore: silent !== undefined };
}
