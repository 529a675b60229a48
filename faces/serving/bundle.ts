/** Bundles the page's TypeScript for browsers. */
import { createRequire } from "node:module";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions, type Plugin } from "esbuild";

const project = fileURLToPath(new URL("../../", import.meta.url));
const shims = join(project, "faces", "serving", "web", "shims");

/** Modules and packages that the page cannot run → their replacements. */
const REPLACED: Readonly<Record<string, string>> = {
  [join(project, "packages", "compute", "open_backend.ts")]: join(shims, "platform.ts"),
  [join(project, "faces", "training", "predictor.ts")]: join(shims, "platform.ts"),
  "node:path": join(shims, "platform.ts"),
  sharp: join(shims, "sharp.ts"),
};

/** Bundles a module of a page with its imports. */
export async function bundle(
  entry: URL,
  options: BuildOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
    ...options,
  });
  return Uint8Array.from(outputFiles![0].contents);
}

/** Bundles the page's inference: modules of the server and TensorFlow.js. */
export function bundleCompute(): Promise<Uint8Array<ArrayBuffer>> {
  return bundle(new URL("./web/shims/page_worker.ts", import.meta.url), {
    minify: true,
    legalComments: "eof", // TensorFlow.js's license
    inject: [join(shims, "deno.ts")],
    define: { "import.meta.resolve": "resolveAsset" },
    plugins: [packages],
  });
}

/** Resolves packages in Deno's cache, as ES modules. */
export const packages: Plugin = {
  name: "packages",
  setup({ onResolve, onLoad, resolve: find }) {
    onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir }) => {
      const target = REPLACED[resolve(resolveDir, path)];
      return target ? { path: target } : undefined;
    });
    onResolve({ filter: /^[^./]/ }, async ({ path, importer, kind }) => {
      if (kind === "entry-point") return undefined;
      if (path in REPLACED) return { path: REPLACED[path] };
      const [, name, inside] = path.match(/^(@[^/]+\/[^/]+|[^/]+)\/?(.*)$/)!;
      const found = locate(`${name}/package.json`, importer);
      if (!found) {
        // Packages with "exports" are ES modules, and hide their package.json.
        const file = locate(path, importer) ?? "";
        return isAbsolute(file) ? { path: file } : { path, namespace: "missing" };
      }
      const { browser = {}, module, main = "index.js" } = JSON.parse(
        await Deno.readTextFile(found),
      );
      // Packages list modules that browsers do without.
      if (browser[path] === false) return { path, namespace: "missing" };
      const file = `./${inside || module || main}`;
      // Packages omit extensions in imports.
      return { path: (await find(file, { resolveDir: dirname(found), kind })).path };
    });
    // Modules of Node that TensorFlow.js imports outside of browsers.
    onLoad({ filter: /.*/, namespace: "missing" }, () => ({ contents: "export default {};" }));
  },
};

/** Returns the path of a package's file, resolved from its importer. */
function locate(file: string, importer: string): string | undefined {
  try {
    const own = importer.startsWith(project) && !importer.includes("node_modules");
    return own ? fileURLToPath(import.meta.resolve(file)) : createRequire(importer).resolve(file);
  } catch {
    return undefined;
  }
}
