/** Routes of the service: validation of requests, headers, error responses. */
import { type Context, type Handler, Hono } from "hono";
import { etag } from "hono/etag";
import { routePath } from "hono/route";
import { z } from "zod";
import type { Service } from "./api.ts";
import type { Assets } from "./assets.ts";
import type { InferencePool } from "./inference_pool.ts";
import type { LiveViews } from "./live.ts";
import { openapi } from "./openapi.ts";
import { notReady, Problem, toProblem } from "./problem.ts";
import { type BodyLimits, MemoryBudget, readImage } from "./read_image.ts";
import { checkHostAndOrigin, securityHeaders } from "./security.ts";
import type { Client } from "./server.ts";
import type { ServiceMetrics } from "./service_metrics.ts";

/** Number of images of the maximum size that fit into memory. */
const MAX_IMAGES = 8;

interface AppOptions {
  readonly pool: InferencePool;
  readonly service: Service;
  readonly assets: Assets;
  readonly live: LiveViews;
  readonly metrics: ServiceMetrics;
  readonly limits: BodyLimits;
  /** Accepted hosts. */
  readonly hosts: { readonly names: readonly string[]; readonly local: boolean };
  warn(message: string): void;
}

const predictQuery = z.strictObject({ crops: z.enum(["true", "false"]).default("false") });
/** Names of methods in metrics; clients' are unbounded. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Creates the application that answers requests. */
export function createApp(options: AppOptions): Hono<{ Bindings: Client }> {
  const { pool, service, assets, live, metrics, limits, hosts, warn } = options;
  const memory = new MemoryBudget(MAX_IMAGES * limits.bytes);
  const app = new Hono<{ Bindings: Client }>();
  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    const method = METHODS.find((one) => one === c.req.method) ?? "other";
    metrics.request(routeOf(c), method, c.res.status, (performance.now() - began) / 1000);
    c.res.headers.set("cache-control", assets.has(c.req.path) ? "no-cache" : "no-store");
  });
  app.use(securityHeaders, checkHostAndOrigin(hosts));

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
    const given = Object.fromEntries(
      Object.entries(c.req.queries()).map(([name, all]) => [name, all.length > 1 ? all : all[0]]),
    );
    const query = predictQuery.safeParse(given);
    if (!query.success) {
      const asked = JSON.stringify(given).slice(0, 120);
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
  route("GET", "/live", (c) => live.upgrade(c.req.raw, c.env));
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
