/** The HTTP application: routes, validation and headers. */
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
import { type BodyLimits, type MemoryBudget, readImage } from "./read_image.ts";
import { checkHostAndOrigin, securityHeaders } from "./security.ts";
import type { ServiceMetrics } from "./service_metrics.ts";

export interface AppOptions {
  /** Returns undefined until the pool is open. */
  pool(): InferencePool | undefined;
  readonly service: Service;
  readonly assets: Assets;
  readonly live: LiveViews;
  readonly metrics: ServiceMetrics;
  readonly limits: BodyLimits;
  readonly memory: MemoryBudget;
  /** Accepted host names. Default: local requests only. */
  readonly names?: readonly string[];
  /** Logs an internal error. */
  warn(message: string): void;
}

const predictQuery = z.strictObject({ crops: z.enum(["true", "false"]).default("false") });
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Creates the application. */
export function createApp(options: AppOptions): Hono {
  const { pool, service, assets, live, metrics, limits, memory, names, warn } = options;
  const app = new Hono();
  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    metrics.request(routeOf(c), methodOf(c), c.res.status, (performance.now() - began) / 1000);
    c.res.headers.set("cache-control", assets.has(c.req.path) ? "no-cache" : "no-store");
  });
  app.use(securityHeaders, checkHostAndOrigin(names));

  const route = (method: "GET" | "POST", path: string, ...handlers: Handler[]) => {
    app.on(method, [path], ...handlers);
    app.all(path, (c) => {
      const message = `${path} accepts ${method}, not ${methodOf(c)}.`;
      throw new Problem(405, "wrong_method", message, { allow: method });
    });
  };

  route("POST", "/predict", async (c) => {
    const query = predictQuery.safeParse(c.req.query());
    if (!query.success) {
      const [{ message }] = query.error.issues;
      throw new Problem(400, "query", `Only ?crops=true is supported: ${message.slice(0, 120)}.`);
    }
    if (!pool()?.ready) throw notReady();
    using held = memory.hold();
    const photo = await readImage(c.req.raw, limits, held);
    const analysis = await pool()!.analyze(photo, {
      view: "photo",
      crops: query.data.crops === "true",
    });
    metrics.analysis("photo", analysis);
    return c.json(analysis);
  });
  route("GET", "/live", (c) => live.upgrade(c.req.raw));
  route("GET", "/model", (c) => c.json(service));
  const description = openapi(limits.bytes);
  route("GET", "/openapi.json", (c) => c.json(description));
  route("GET", "/metrics", (c) => {
    return c.text(metrics.text(), 200, { "content-type": "text/plain; version=0.0.4" });
  });
  route("GET", "/health", (c) => {
    if (pool()?.ready) return c.json({ status: "ready" });
    return c.json({ status: pool() ? "stopping" : "starting" }, 503);
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

function methodOf(c: Context): string {
  return METHODS.includes(c.req.method) ? c.req.method : "other";
}
