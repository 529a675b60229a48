/** From the page's TypeScript to one script that browsers take. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Bundles a module and all that it imports. */
export async function bundle(entry: URL): Promise<Uint8Array<ArrayBuffer>> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
  });
  return Uint8Array.from(outputFiles[0].contents);
}
