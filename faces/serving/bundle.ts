/** From the page's TypeScript to scripts that browsers take. */
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const project = fileURLToPath(new URL("../../", import.meta.url));
const shims = join(project, "faces", "serving", "web", "shims");

/** Modules of ours that the page cannot run → what stands in for them. */
const replaced: Readonly<Record<string, string>> = {
  [join(project, "packages", "compute", "open_backend.ts")]: join(shims, "backend.ts"),
  [join(project, "faces", "training", "predictor.ts")]: join(shims, "predictor_shim.ts"),
};
/** Packages that the page cannot run → what stands in for them. */
const standIns: Readonly<Record<string, string>> = {
  sharp: join(shims, "sharp.ts"),
  "node:path": join(shims, "path.ts"),
};

/** Bundles a module of the page and all that it imports. */
export async function bundle(entry: string): Promise<Uint8Array<ArrayBuffer>> {
  const { outputFiles } = await build({
    entryPoints: [join(project, "faces", "serving", "web", entry)],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
  });
  return Uint8Array.from(outputFiles[0].contents);
}

/**
 * Bundles what computes in the page: the server's modules and TensorFlow.js, with stand-ins for what
 * browsers lack.
 */
export async function bundleCompute(): Promise<Uint8Array<ArrayBuffer>> {
  const { outputFiles } = await build({
    entryPoints: [join(shims, "page_worker.ts")],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "eof", // TensorFlow.js's licence
    logLevel: "silent",
    inject: [join(shims, "deno.ts")],
    define: { "import.meta.resolve": "resolveAsset" },
    plugins: [packages],
  });
  return Uint8Array.from(outputFiles[0].contents);
}

/** Finds packages where Deno keeps them, as ES modules. */
const packages: Plugin = {
  name: "packages",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir }) => {
      const target = replaced[resolve(resolveDir, path)];
      return target ? { path: target } : undefined;
    });
    onResolve({ filter: /^[^./]/ }, async ({ path, importer, kind }) => {
      if (kind === "entry-point") return undefined;
      if (path in standIns) return { path: standIns[path] };
      const [name, inside] = split(path);
      const place = find(name, importer);
      if (!place) return { path, namespace: "missing" };
      const description = JSON.parse(await Deno.readTextFile(place));
      // What a package says that browsers do without.
      const { browser = {}, module, main = "index.js" } = description;
      if (browser[path] === false) return { path, namespace: "missing" };
      return { path: await file(join(dirname(place), inside ?? module ?? main)) };
    });
    // Modules of Node that TensorFlow.js asks for where it is not in a browser.
    onLoad({ filter: /.*/, namespace: "missing" }, () => ({ contents: "export default {};" }));
  },
};

/** A module's file; what packages import of each other goes without ".js". */
async function file(path: string): Promise<string> {
  for (const ending of ["", ".js", "/index.js"]) {
    const info = await Deno.stat(path + ending).catch(() => undefined);
    if (info?.isFile) return path + ending;
  }
  return path; // esbuild says what is wrong
}

/** "@scope/name/inside/it" → "@scope/name" and "inside/it". */
function split(specifier: string): [string, string | undefined] {
  const parts = specifier.split("/");
  const name = parts.splice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  return [name, parts.length > 0 ? parts.join("/") : undefined];
}

/** Path of a package's package.json, as its importer sees it. */
function find(name: string, importer: string): string | undefined {
  try {
    const ours = importer.startsWith(project) && !importer.includes("node_modules");
    return ours
      ? fileURLToPath(import.meta.resolve(`${name}/package.json`))
      : createRequire(importer).resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
}
