/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="esnext" />
/**
 * Stands in for what the shared modules call of Deno where the page computes: files come from the
 * server, which has those that are needed and no others. Put into the bundle by `faces/serving/bundle.ts`.
 */

async function load(path: string | URL): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`The server has no "${path}" (${response.status}).`);
  return response;
}

export const Deno = {
  readFile: async (path: string | URL) => new Uint8Array(await (await load(path)).arrayBuffer()),
  readTextFile: async (path: string | URL) => await (await load(path)).text(),
};

/** In place of `import.meta.resolve`: a file of a detector, by the name that it has in its package. */
export function resolveAsset(specifier: string): string {
  return new URL(`/detectors/${specifier.split("/").at(-1)}`, location.href).href;
}
