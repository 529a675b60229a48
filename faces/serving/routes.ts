/** The HTTP side: routes, validation and headers. What is computed is the pool's business. */
import { type Context, Hono } from "hono";
import { routePath } from "hono/route";
import { z } from "zod";
import type { AnalyzeOptions } from "./inference_session.ts";
import type { Service } from "./api.ts";
import type { Assets } from "./assets.ts";
import { notReady, toProblem } from "./error_response.ts";
import { checkHostAndOrigin, securityHeaders } from "./security.ts";
import type { Live } from "./live.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import type { ServiceMetrics } from "./service_metrics.ts";
import { openapi } from "./openapi.ts";
import { type PictureLimits, readImage } from "./read_image.ts";
import type { Pool } from "./inference_pool.ts";
import { Problem } from "./problem.ts";

export interface AppOptions {
  /** undefined until it is open. */
  pool(): Pool | undefined;
  readonly service: Service;
  readonly assets: Assets;
  readonly live: Live;
  readonly measures: ServiceMetrics;
  readonly limits: PictureLimits;
  readonly memory: MemoryBudget;
  /** Names by which others may ask; undefined: the server listens on this machine alone. */
  readonly names?: readonly string[];
  /** Told of errors that are not the client's. */
  warn(message: string): void;
}

const predictQuery = z.strictObject({ crops: z.enum(["true", "false"]).default("false") });

/** The application; `fetch` answers a request. */
export function createApp(
  { pool, service, assets, live, measures, limits, memory, names, warn }: AppOptions,
): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    const seconds = (performance.now() - began) / 1000;
    measures.request(routeOf(c), methodOf(c), c.res.status, seconds);
  });
  app.use(securityHeaders());
  app.use(checkHostAndOrigin(names));

  /** Registers a route, and what other methods are told. */
  const route = (
    method: "GET" | "POST",
    path: string,
    handle: (c: Context) => Response | Promise<Response>,
  ) => {
    app.on(method, path, handle);
    app.all(path, (c) => {
      const message = `${path} takes ${method}, not ${methodOf(c)}.`;
      throw new Problem(405, "wrong_method", message, { headers: { allow: method } });
    });
  };

  route("POST", "/predict", async (c) => {
    const query = predictQuery.safeParse(c.req.query());
    if (!query.success) {
      const [{ message }] = query.error.issues;
      throw new Problem(400, "query", `Only ?crops=true is known: ${message.slice(0, 120)}.`);
    }
    const wishes: AnalyzeOptions = { view: "photo", crops: query.data.crops === "true" };
    if (!pool()?.ready) throw notReady();
    using held = memory.hold();
    const photo = await readImage(c.req.raw, limits, held);
    const analysis = await pool()!.analyse(photo, wishes);
    measures.analysis("photo", analysis);
    return c.json(analysis);
  });
  route("GET", "/live", (c) => live.upgrade(c.req.raw));
  route("GET", "/model", (c) => c.json(service));
  const description = openapi(limits.bytes);
  route("GET", "/openapi.json", (c) => c.json(description));
  route("GET", "/metrics", (c) => {
    return c.text(measures.text(), 200, { "content-type": "text/plain; version=0.0.4" });
  });
  route("GET", "/health", (c) => {
    if (pool()?.ready) return c.json({ status: "ready" });
    return c.json({ status: pool() ? "stopping" : "starting" }, 503);
  });
  for (const [path, asset] of assets) {
    route("GET", path, (c) => {
      for (const [name, value] of Object.entries(asset.headers)) c.header(name, value);
      if (c.req.header("if-none-match") === asset.headers.etag) return c.body(null, 304);
      return c.body(asset.body);
    });
  }
  app.notFound((c) => {
    const path = JSON.stringify(c.req.path.slice(0, 80));
    const problem = new Problem(404, "not_found", `There is nothing at ${path}.`);
    return c.json(problem.toJSON(), problem.status);
  });
  app.onError((error, c) => {
    const problem = toProblem(error, warn);
    for (const [name, value] of Object.entries(problem.headers)) c.header(name, value);
    return c.json(problem.toJSON(), problem.status);
  });
  return app;
}

/** A route's path is ours; a request's path is the client's, and there is no end of those. */
function routeOf(c: Context): string {
  const path = routePath(c, -1);
  return path.includes("*") ? "other" : path;
}

function methodOf(c: Context): string {
  const { method } = c.req;
  return ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].includes(method)
    ? method
    : "other";
}
