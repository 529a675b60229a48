/** The HTTP application: read-only JSON over the artifacts, and the page. */
import { join } from "node:path";
import { type Context, Hono } from "hono";
import { getMimeType } from "hono/utils/mime";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { METRIC_DIRECTIONS } from "../evaluation/metrics.ts";
import { bundle, packages } from "../serving/bundle.ts";
import { Problem, toProblem } from "../serving/problem.ts";
import { checkHostAndOrigin, REPORT_POLICY, securityHeaders } from "../serving/security.ts";
import type { Client } from "../serving/server.ts";
import { fileOf, imageOf, layersOf, RunFiles, tableOf } from "./run_files.ts";
import type { UiComparison, UiStep } from "./ui_api.ts";
import { RunIndex } from "./run_index.ts";

/** `left` is aborted when the page that waits for a process is closed. */
export interface UiOptions {
  readonly artifacts: string;
  /** Pipelines whose dry run the page may request. */
  readonly pipelines: readonly string[];
  /** Compares runs by their ids, as `deno task compare --json` does. */
  compare(ids: readonly string[], left: AbortSignal): Promise<UiComparison>;
  /** Returns the output of a dry run as JSON. */
  explain(pipeline: string, left: AbortSignal): Promise<unknown>;
  /** Returns what an image's prediction hung on, given the paths of the model and of the images. */
  occlude(model: string, images: string, row: number, left: AbortSignal): Promise<UiStep>;
  warn(message: string): void;
}

const web = new URL("./web/", import.meta.url);
/** Maximum number of bytes of a file that are shown. */
const MAX_BYTES = 64e6;
/** Results never change: their folder is named by everything that they depend on. */
const FOREVER = { "cache-control": "private, max-age=31536000, immutable" };

export async function createUi(options: UiOptions): Promise<Hono<{ Bindings: Client }>> {
  const { artifacts, pipelines, warn } = options;
  const store = new ArtifactStore(artifacts);
  const index = new RunIndex(store);
  const app = new Hono<{ Bindings: Client }>();
  app.use(securityHeaders, checkHostAndOrigin());

  const open = async (id?: string) => await RunFiles.open(await index.record(id), store);
  const started = crypto.randomUUID();

  const json = (
    path: string,
    answer: (
      query: Record<string, string>,
      c: Context<{ Bindings: Client }>,
    ) => Promise<unknown>,
  ) => app.get(path, async (c) => c.json(await answer(c.req.query(), c) as object));

  app.get("/health", (c) => c.json({ status: "ready" }));
  const about = { artifacts, pipelines, better: METRIC_DIRECTIONS };
  app.get("/api/about", (c) => c.json(about));
  app.get("/api/runs", async (c) => {
    const { text, version } = await index.answer();
    const etag = `"${started}-${version}"`;
    if (c.req.header("if-none-match") === etag) return c.body(null, 304, { etag });
    return c.body(text, 200, { etag, "content-type": "application/json" });
  });
  app.get("/api/live/:id{[0-9a-f]{8}}", async (c) => {
    const path = join(artifacts, ".live", `${c.req.param("id")}.jsonl`);
    const from = Math.max(0, Number(c.req.query("from")) || 0);
    const text = await Deno.readTextFile(path).catch(() => "");
    // A line may be under way.
    return c.text(text.slice(from, text.lastIndexOf("\n") + 1));
  });
  json("/api/details", async ({ ids = "" }) => {
    const all = ids.split(",").filter(Boolean).slice(0, 60).map(async (id) => {
      const details = open(id).then((files) => files.details())
        .catch(({ message: problem }: Error) => ({ curves: [], intervals: {}, problem }));
      return [id, await details];
    });
    return Object.fromEntries(await Promise.all(all));
  });
  json("/api/compare", async ({ ids = "" }, { env }) => {
    const runs = await Promise.all(ids.split(",").slice(0, 40).map((id) => index.record(id)));
    return options.compare(runs.map(({ id }) => id), env.left);
  });
  json("/api/evaluation", async ({ id }) => (await open(id)).evaluation());
  json("/api/faces", async (query) => {
    const other = query.other ? await open(query.other) : undefined;
    return (await open(query.id)).faces(query, other);
  });
  json("/api/way", async ({ id, row, report }) => (await open(id)).way(Number(row), report));
  json("/api/problems", async (query) => (await open(query.id)).problems(query));
  json("/api/occlusion", async ({ id, row, model = "", report }, { env }) => {
    const { folder, images } = await (await open(id)).modelOf(model, Number(row), report);
    return options.occlude(folder, images, Number(row), env.left);
  });
  json("/api/files", async ({ id }) => {
    const { outputs, problem } = await open(id);
    const listed = outputs.map(({ stage, kind, place, files }) => ({ stage, kind, place, files }));
    return { problem, outputs: listed };
  });
  json("/api/why", ({ pipeline = "" }, { env }) => {
    if (pipelines.includes(pipeline)) return options.explain(pipeline, env.left);
    throw new Problem(404, "no_pipeline", `Start it with deno task ui ${pipeline}.`);
  });

  const pathOf = (c: Context) => {
    const { use = "", print = "", output = "", file = "images.npy" } = c.req.param();
    return fileOf(store, { use, print, output, file });
  };
  app.get("/image/:use/:print/:output/:row{[0-9]{1,9}}", async (c) => {
    const png = imageOf(await pathOf(c), Number(c.req.param("row")));
    return c.body(png, 200, { "content-type": "image/png", ...FOREVER });
  });
  const file = ":use/:print/:output/:file{.+}";
  json(`/api/table/${file}`, async (query, c) => tableOf(await pathOf(c), query));
  json(`/api/layers/${file}`, async (_, c) => layersOf(await pathOf(c)));
  app.get(`/file/${file}`, async (c) => {
    const path = await pathOf(c);
    using file = new RandomAccessFile(path);
    const { offset = "0", size = String(file.size) } = c.req.query();
    if (!(Number(size) <= MAX_BYTES)) {
      const message = `Cannot show "${path}": it has more than 64 MB. Open it in its folder.`;
      throw new Problem(413, "too_large", message);
    }
    const bytes = file.read(Number(offset), Number(size));
    const name = c.req.param("file")!;
    const image = bytes[0] === 0xff ? "image/jpeg" : bytes[0] === 0x89 ? "image/png" : undefined;
    const type = image ??
      (/\.(md|csv|json)$/.test(name) ? "text/plain; charset=utf-8" : getMimeType(name));
    return c.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      "content-type": type ?? "application/octet-stream",
      // The page's own policy would run the scripts of an SVG or XHTML that a plugin wrote.
      "content-security-policy": REPORT_POLICY,
      // A report has durations: it differs when a damaged result is made again.
      ...(c.req.query("offset") ? FOREVER : { "cache-control": "no-cache" }),
    });
  });

  for (const [path, { type, body }] of Object.entries(await pageFiles())) {
    app.get(path, (c) => c.body(body, 200, { "content-type": type, "cache-control": "no-cache" }));
  }
  app.notFound((c) => c.json(new Problem(404, "not_found", "Nothing is here.").toJSON(), 404));
  app.onError((error, c) => {
    // Damaged results are no errors of this program, and this page is for their owner.
    const problem = error instanceof Problem || !/^Cannot /.test(error.message)
      ? toProblem(error, warn)
      : new Problem(409, "damaged", error.message);
    return c.json(problem.toJSON(), problem.status);
  });
  return app;
}

/** Reads the page and bundles its script, with the chart library that the report uses. */
async function pageFiles() {
  const script = await bundle(new URL("ui_page.ts", web), { minify: true, plugins: [packages] });
  const serving = new URL("../serving/web/", import.meta.url);
  const read = (name: string, folder = serving) => Deno.readTextFile(new URL(name, folder));
  return {
    "/": { type: "text/html; charset=utf-8", body: await read("index.html", web) },
    "/page.js": { type: "text/javascript", body: script },
    "/style.css": {
      type: "text/css",
      body: await read("style.css") + await read("ui_style.css", web),
    },
    "/favicon.svg": { type: "image/svg+xml", body: await read("favicon.svg") },
  };
}
