/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="esnext" />
/** Replaces Deno's API in the page's bundle: the server has the files that are needed. */

async function load(path: string | URL): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`The server has no "${path}" (${response.status}).`);
  return response;
}

export const Deno = {
  readFile: async (path: string | URL) => new Uint8Array(await (await load(path)).arrayBuffer()),
  readTextFile: async (path: string | URL) => await (await load(path)).text(),
};

/** Replaces `import.meta.resolve`: a detector's file, by its name. */
export function resolveAsset(specifier: string): string {
  return new URL(`/detectors/${specifier.split("/").at(-1)}`, location.href).href;
}
