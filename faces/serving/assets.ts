/** The page's files, made once when the server starts; no path of a request reaches the disk. */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { DetectorConfig, Setup } from "./inference_session.ts";
import { bundle, bundleCompute } from "./bundle.ts";
import { card, type CardFacts } from "./model_card_page.ts";
import { renderPage } from "./render_page.ts";

export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers:
    & { readonly "content-type": string; readonly etag: string }
    & Readonly<
      Record<string, string>
    >;
}

/** By path, such as "/page.js". */
export type Assets = ReadonlyMap<string, Asset>;

export interface AssetOptions extends CardFacts {
  /** The report's page, if there is one. */
  readonly report?: string;
  /** Whether the server listens on this machine alone. */
  readonly local: boolean;
  /** What is opened on the server, and in the page if that is to compute. */
  readonly setup: Setup;
}

const web = new URL("./web/", import.meta.url);
const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  wasm: "application/wasm",
} as const;

/** Where the weights of face-api's detectors are listed. */
const manifests = {
  ssdMobilenetv1: "@vladmandic/face-api/model/ssd_mobilenetv1_model-weights_manifest.json",
  tinyFaceDetector: "@vladmandic/face-api/model/tiny_face_detector_model-weights_manifest.json",
} as const;

/** The report brings its style along, and needs nothing else. */
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Reads and bundles the page. What it has to know of the service is written into it. */
export async function buildAssets(options: AssetOptions): Promise<Assets> {
  const read = (name: string) => Deno.readTextFile(new URL(name, web));
  const page = renderPage(await read("index.html"), options.service, options.local);
  const assets = new Map([
    ["/", asset(types.html, page)],
    ["/style.css", asset(types.css, await read("style.css"))],
    ["/favicon.svg", asset(types.svg, await read("favicon.svg"))],
    ["/page.js", asset(types.js, await bundle("page.ts"))],
    ["/card", asset(types.html, card(options))],
  ]);
  if (options.report !== undefined) {
    const headers = { "content-security-policy": reportPolicy };
    assets.set("/report", asset(types.html, options.report, headers));
  }
  if (options.service.mode === "browser") {
    for (const [path, one] of await computing(options.setup)) assets.set(path, one);
  }
  return assets;
}

/** All that the page needs to compute: code, networks, and TensorFlow.js's WebAssembly. */
async function computing(setup: Setup): Promise<Assets> {
  const assets = new Map([["/compute.js", asset(types.js, await bundleCompute())]]);
  const add = async (path: string, file: string) => {
    const type = types[file.split(".").at(-1) as keyof typeof types] ?? "application/octet-stream";
    assets.set(path, asset(type, await Deno.readFile(file)));
  };
  const models = [];
  for (const [i, { path, ...model }] of setup.models.entries()) {
    for (const name of ["model.json", "weights.bin", "training.json"]) {
      await add(`/models/${i}/${name}`, join(path, name));
    }
    models.push({ ...model, path: `/models/${i}` });
  }
  for (const detector of Object.values(setup.detectors)) {
    for (const file of await detectorFiles(detector)) {
      await add(`/detectors/${basename(file)}`, file);
    }
  }
  // The plain one is for browsers without SIMD, such as Safari before 16.4.
  for (const name of ["tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm.wasm"]) {
    const file = import.meta.resolve(`@tensorflow/tfjs-backend-wasm/dist/${name}`);
    await add(`/wasm/${name}`, fileURLToPath(file));
  }
  const served = (choice: DetectorConfig): DetectorConfig =>
    choice.weights === undefined
      ? choice
      : { ...choice, weights: `/detectors/${basename(choice.weights)}` };
  const { photo, live } = setup.detectors;
  const detectors = { photo: served(photo), live: served(live) };
  const written: Setup = { ...setup, backend: "wasm", detectors, models };
  assets.set("/setup.json", asset(types.json, JSON.stringify(written)));
  return assets;
}

/** The files that a detector reads when it is opened. */
async function detectorFiles({ name, weights }: DetectorConfig): Promise<string[]> {
  if (name === "dlibCnn") {
    return [
      import.meta.resolve("../detection/detectors/dlib/kernels.wasm"),
      import.meta.resolve("../detection/detectors/dlib/kernels.simd.wasm"),
      weights === undefined
        ? import.meta.resolve("../detection/detectors/dlib/mmod_human_face_detector.dat")
        : pathToFileURL(weights),
    ].map((url) => fileURLToPath(url));
  }
  // A plugin's is refused before.
  const specifier = manifests[name as keyof typeof manifests];
  const manifest = fileURLToPath(import.meta.resolve(specifier));
  const listed: { paths: string[] }[] = JSON.parse(await Deno.readTextFile(manifest));
  return listed.flatMap(({ paths }) => paths.map((path) => join(dirname(manifest), path)));
}

function asset(
  type: string,
  content: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Asset {
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { body, headers: { "content-type": type, "cache-control": "no-cache", etag, ...headers } };
}
