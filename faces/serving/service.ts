/** Starts the service and stops it; its routes, validation and headers. */
import { type Context, type Handler, Hono } from "hono";
import { etag } from "hono/etag";
import { routePath } from "hono/route";
import { z } from "zod";
import type { Backend } from "../../packages/compute/backends.ts";
import type { ForeignDetector } from "../detection/detector.ts";
import {
  configureDetector,
  detectorName,
  notInPage,
  usesTensorFlow,
} from "../detection/detectors.ts";
import type { Choice } from "../../packages/pipeline/define.ts";
import { joinWords } from "../../packages/pipeline/errors.ts";
import type { DetectorConfig, Preprocessing } from "../images/preprocessing.ts";
import { stepsWarning } from "../training/trained_on.ts";
import type { Service } from "./api.ts";
import { type Assets, buildAssets } from "./assets.ts";
import { InferencePool } from "./inference_pool.ts";
import type { Setup } from "./inference_session.ts";
import { createLiveViews, type LiveViews } from "./live.ts";
import type { ReportedMetrics, Source } from "./model_sources.ts";
import { openapi } from "./openapi.ts";
import { notReady, Problem, toProblem } from "./problem.ts";
import { type BodyLimits, MemoryBudget, readImage } from "./read_image.ts";
import { checkHostAndOrigin, isLocal, securityHeaders } from "./security.ts";
import { type Client, listen, type ListenOptions, type Server } from "./server.ts";
import { createServiceMetrics, type ServiceMetrics } from "./service_metrics.ts";

export interface ServeOptions extends Omit<ListenOptions, "tls" | "connections"> {
  readonly sources: readonly Source[];
  readonly reported: ReportedMetrics;
  /** Sentences shown before all scores and predictions. */
  readonly cautions?: readonly string[];
  readonly backend: Backend;
  /** Accepted host names beside this machine's own and all addresses. */
  readonly names?: readonly string[];
  /** Paths of PEM files. */
  readonly tls?: ListenOptions["tls"];
  /** Default: the detector of the first model's training data. */
  readonly detector?: Choice;
  readonly liveDetector: Choice;
  readonly detectors?: PluginDetectors;
  /** Place of the page's inference. */
  readonly mode: Service["mode"];
  readonly maxBodyMegabytes: number;
  readonly workers: number;
  readonly queue: number;
  readonly viewers: number;
  readonly timeoutSeconds: number;
}

/** Name → detector of a plugin; `foreign` for one of a third party. */
type PluginDetectors = Readonly<
  Record<string, { module: string; params?: z.ZodObject; foreign?: ForeignDetector }>
>;

export interface Serving extends Server {
  readonly service: Service;
}

/** Number of images of the maximum size that fit into memory. */
const MAX_IMAGES = 8;
/** Connections beside those of live views and waiting requests. */
const SPARE_CONNECTIONS = 256;
/**
 * Maximum memory of an analysis in bytes. A JPEG of 64 megapixels takes 200 MB, a progressive one
 * 400 MB. An AVIF takes 18 bytes per pixel, though a flat one is 1.5 KB.
 */
const MAX_MEMORY = 600e6;

/** Starts the service; it answers when this returns. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { sources, reported, mode, host, timeoutSeconds: timeout, viewers, warn } = options;
  const local = isLocal(host);
  const [{ preprocessing }] = sources;
  const detectors = {
    photo: photoDetector(preprocessing, options.detector, options.detectors),
    live: detectorConfig(preprocessing, options.liveDetector, options.detectors),
  };
  const plugin = Object.values(detectors).find(({ module }) => module !== undefined);
  if (mode === "browser" && plugin) {
    throw new Error(notInPage(plugin.name));
  }
  const maxBodyBytes = Math.round(options.maxBodyMegabytes * 1e6);
  const service: Service = {
    models: sources.map(({ description }) => description),
    detectors: { photo: detectors.photo.name, live: detectors.live.name },
    mode,
    cautions: [
      ...options.cautions ?? [],
      ...useless(sources, reported),
      ...sources.flatMap(({ id, description: { steps } }) =>
        stepsWarning(id, steps, "the service").map((warning) => `${warning}.`)
      ),
    ],
    report: reported.page !== undefined,
    maxBodyBytes,
  };
  if (!local && options.tls === undefined) {
    warn(
      `${host} accepts requests from the whole network, without authentication. Browsers allow ` +
        "the camera on secure pages only: from other machines, photos work and the camera does " +
        "not. Set webcamServe.tls.cert and .key; for a test, run openssl req -x509 " +
        "-newkey rsa:2048 -nodes -days 30 -subj /CN=faces -keyout key.pem -out cert.pem",
    );
  }
  service.cautions.forEach(warn);
  const setup: Setup = {
    backend: options.backend,
    detectors,
    models: sources.map(({ id, error, path, preprocessing }) => ({
      id,
      error,
      path,
      preprocessing,
    })),
  };
  const name = Deno.hostname();
  const plugins = Object.fromEntries(
    Object.entries(options.detectors ?? {})
      .flatMap(([name, { foreign }]) => foreign ? [[name, foreign]] : []),
  );
  const opening = { ...setup, plugins, maxMemory: MAX_MEMORY };
  const pool = new InferencePool(opening, { ...options, timeout });
  const metrics = createServiceMetrics(pool);
  const live = createLiveViews({ pool, metrics, viewers, warn });
  const app = createApp({
    pool,
    service,
    assets: await buildAssets(service, setup, reported, local),
    live,
    metrics,
    limits: { bytes: maxBodyBytes, seconds: timeout },
    names: local ? undefined : [host, name, `${name}.local`, ...options.names ?? []],
    warn,
  });
  const tls = options.tls &&
    {
      cert: await Deno.readTextFile(options.tls.cert),
      key: await Deno.readTextFile(options.tls.key),
    };
  const connections = SPARE_CONNECTIONS + viewers + options.queue;
  // Listens before the models are open: /health answers "starting".
  const server = listen(app, { ...options, tls, connections });
  const stop = async () => {
    live.close();
    await Promise.all([pool.close(), server.stop()]);
  };
  try {
    await pool.open();
  } catch (error) {
    await stop();
    throw error;
  }
  return { urls: server.urls, service, stop };
}

/** Returns cautions on the models that are no better than the constant baseline. */
function useless(sources: readonly Source[], { models }: ReportedMetrics): string[] {
  const bad = sources.filter(({ id, constantBaseline }) =>
    models[id] ? models[id].verdict !== "better" : constantBaseline !== undefined
  );
  return [...Map.groupBy(bad, ({ id }) => models[id] ? "test" : "validation")].map(([set, all]) => {
    const ids = joinWords(all.map(({ id }) => `"${id}"`));
    const networks = all.length > 1 ? "these networks are" : "this network is";
    return `The predictions of ${ids} are of no use: on the ${set} set, ${networks} not better than ` +
      "the same answer for every face.";
  });
}

/** Returns the detector of the training data, or ssdMobilenetv1 where the data set has boxes. */
export function photoDetector(
  preprocessing: Preprocessing,
  wanted?: Choice,
  plugins?: PluginDetectors,
): DetectorConfig {
  const { detector } = preprocessing;
  if (detector.name !== "metadata" && (wanted ?? detector.name) === detector.name) {
    // Small faces beside a large one are wanted, unlike in training.
    return { ...detector, name: detector.name, minFace: 0 };
  }
  return detectorConfig(preprocessing, wanted, plugins);
}

function detectorConfig(
  { detector }: Preprocessing,
  choice: Choice | undefined,
  plugins: PluginDetectors = {},
): DetectorConfig {
  const name = detectorName(choice), { module, params } = plugins[name] ?? {};
  const options = typeof choice === "object" ? choice : {};
  // Thresholds are comparable between detectors whose scores are probabilities.
  const comparable = usesTensorFlow(name) && usesTensorFlow(detector.name);
  const minConfidence = comparable ? detector.minConfidence : undefined;
  return configureDetector(name, { minConfidence, ...options }, module, params);
}

interface AppOptions {
  readonly pool: InferencePool;
  readonly service: Service;
  readonly assets: Assets;
  readonly live: LiveViews;
  readonly metrics: ServiceMetrics;
  readonly limits: BodyLimits;
  /** Accepted host names. Default: local requests only. */
  readonly names?: readonly string[];
  warn(message: string): void;
}

const predictQuery = z.strictObject({ crops: z.enum(["true", "false"]).default("false") });
/** Names of methods in metrics; clients' are unbounded. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function createApp(options: AppOptions) {
  const { pool, service, assets, live, metrics, limits, names, warn } = options;
  const memory = new MemoryBudget(MAX_IMAGES * limits.bytes);
  const app = new Hono<{ Bindings: Client }>();
  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    const method = METHODS.find((one) => one === c.req.method) ?? "other";
    metrics.request(routeOf(c), method, c.res.status, (performance.now() - began) / 1000);
    c.res.headers.set("cache-control", assets.has(c.req.path) ? "no-cache" : "no-store");
  });
  app.use(securityHeaders, checkHostAndOrigin(names));

  const route = (
    method: "GET" | "POST",
    path: string,
    ...handlers: Handler<{ Bindings: Client }>[]
  ) => {
    app.on(method, [path], ...handlers);
    app.all(path, (c) => {
      const message = `${path} accepts ${method}, not ${c.req.method.slice(0, 20)}.`;
      throw new Problem(405, "wrong_method", message, { allow: method });
    });
  };

  route("POST", "/predict", async (c) => {
    const query = predictQuery.safeParse(c.req.query());
    if (!query.success) {
      const asked = JSON.stringify(c.req.query()).slice(0, 120);
      const message = `Cannot use the query ${asked}: /predict takes crops alone. ` +
        "Use ?crops=true or ?crops=false.";
      throw new Problem(400, "query", message);
    }
    if (pool.status !== "ready") throw notReady();
    using held = memory.hold();
    const photo = await readImage(c.req.raw, limits, held);
    const wanted = { view: "photo", crops: query.data.crops === "true" } as const;
    const analysis = await pool.analyze(photo, wanted, c.env.left);
    metrics.analysis("photo", analysis);
    return c.json(analysis);
  });
  route("GET", "/live", (c) => live.upgrade(c.req.raw));
  route("GET", "/model", (c) => c.json(service));
  const description = openapi(service);
  route("GET", "/openapi.json", (c) => c.json(description));
  const exposition = { "content-type": "text/plain; version=0.0.4" };
  route("GET", "/metrics", (c) => c.text(metrics.text(), 200, exposition));
  route("GET", "/health", (c) => {
    const { status } = pool;
    return c.json({ status }, status === "ready" ? 200 : 503);
  });
  for (const [path, { body, headers }] of assets) {
    route("GET", path, etag(), (c) => c.body(body, 200, headers));
  }
  const send = (c: Context, problem: Problem) =>
    c.json(problem.toJSON(), problem.status, problem.headers);
  app.notFound((c) => {
    const path = JSON.stringify(c.req.path.slice(0, 80));
    return send(c, new Problem(404, "not_found", `Nothing is at ${path}.`));
  });
  app.onError((error, c) => send(c, toProblem(error, warn)));
  return app;
}

/** Returns the path of the route, not of the request: clients' paths are unbounded. */
function routeOf(c: Context): string {
  const path = routePath(c, -1);
  return path.includes("*") ? "other" : path;
}
