/** Files of the page, built at the start; no path of a request reaches the disk. */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { getMimeType } from "hono/utils/mime";
import type { Service } from "./api.ts";
import { bundle, bundleCompute } from "./bundle.ts";
import type { DetectorConfig } from "../images/preprocessing.ts";
import type { Setup } from "./inference_session.ts";
import type { ReportedMetrics } from "./model_sources.ts";
import { renderCard, renderPage } from "./render_pages.ts";
import { REPORT_POLICY } from "./security.ts";

export interface Asset {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly headers: Record<string, string>;
}

/** Assets by path, such as "/page.js". */
export type Assets = ReadonlyMap<string, Asset>;

const web = new URL("./web/", import.meta.url);

/**
 * Reads and bundles the page.
 * @param setup of the server, and of the page in the mode "browser"
 * @param local true if the page is opened on the server's machine only
 */
export async function buildAssets(
  service: Service,
  setup: Setup,
  reported: ReportedMetrics,
  local: boolean,
): Promise<Assets> {
  const read = (name: string) => Deno.readTextFile(new URL(name, web));
  const assets = new Map([
    ["/", asset("index.html", renderPage(await read("index.html"), service, reported, local))],
    ["/style.css", asset("style.css", await read("style.css"))],
    ["/favicon.svg", asset("favicon.svg", await read("favicon.svg"))],
    ["/page.js", asset("page.js", await bundle(new URL("page.ts", web)))],
    ["/card", asset("card.html", renderCard(service, setup.models, reported))],
  ]);
  if (reported.page !== undefined) {
    const report = asset("report.html", reported.page);
    report.headers["content-security-policy"] = REPORT_POLICY;
    assets.set("/report", report);
  }
  if (service.mode === "browser") await addInference(assets, setup);
  return assets;
}

/** Adds all that the page needs for inference: code, models, and TensorFlow.js's WebAssembly. */
async function addInference(assets: Map<string, Asset>, setup: Setup): Promise<void> {
  assets.set("/compute.js", asset("compute.js", await bundleCompute()));
  const add = async (folder: string, file: string) => {
    const path = `${folder}/${basename(file)}`;
    assets.set(path, asset(file, await Deno.readFile(file)));
    return path;
  };
  if (setup.models.some(({ preprocessing: { crop } }) => crop.align !== undefined)) {
    for (const file of await weightFiles("face_landmark_68")) await add("/detectors", file);
  }
  const served = async (detector: DetectorConfig): Promise<DetectorConfig> => {
    const { weights, ...rest } = detector;
    for (const file of await detectorFiles(detector)) await add("/detectors", file);
    if (weights === undefined) return rest;
    // All files of such weights have one name, also those in the project.
    const place = createHash("sha256").update(weights).digest("hex");
    return { ...rest, weights: await add(`/detectors/${place}`, weights) };
  };
  const models = [];
  for (const [i, { path, detectors: { photo, live }, ...model }] of setup.models.entries()) {
    const folder = `/models/${i}`;
    for (const name of ["model.json", "weights.bin", "training.json"]) {
      await add(folder, join(path, name));
    }
    const detectors = { photo: await served(photo), live: await served(live) };
    models.push({ ...model, path: folder, detectors });
  }
  // The second is for browsers without SIMD, such as Safari before 16.4.
  for (const name of ["tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm.wasm"]) {
    await add("/wasm", fileOf(`@tensorflow/tfjs-backend-wasm/dist/${name}`));
  }
  const written: Setup = { backend: "wasm", models };
  assets.set("/setup.json", asset("setup.json", JSON.stringify(written)));
}

/** Returns the files that a built-in detector reads when it opens. */
async function detectorFiles({ name, weights }: DetectorConfig): Promise<string[]> {
  if (name === "dlibCnn") {
    const files = ["kernels.wasm", "kernels.simd.wasm"];
    if (weights === undefined) files.push("mmod_human_face_detector.dat");
    return files.map((file) => fileOf(`../detection/detectors/dlib/${file}`));
  }
  return await weightFiles(name === "ssdMobilenetv1" ? "ssd_mobilenetv1" : "tiny_face_detector");
}

/** Returns the files of a network of face-api: its manifest, and the weights beside it. */
async function weightFiles(model: string): Promise<string[]> {
  const manifest = fileOf(`@vladmandic/face-api/model/${model}_model-weights_manifest.json`);
  const groups: { paths: string[] }[] = JSON.parse(await Deno.readTextFile(manifest));
  const paths = groups.flatMap(({ paths }) => paths);
  return [manifest, ...paths.map((path) => join(dirname(manifest), path))];
}

function fileOf(specifier: string): string {
  return fileURLToPath(import.meta.resolve(specifier));
}

/** @param name a file name; its extension decides the content type */
function asset(name: string, body: Asset["body"]): Asset {
  return { body, headers: { "content-type": getMimeType(name) ?? "application/octet-stream" } };
}
