/** The HTTP application: routes, validation and headers. */
import { type Context, type Handler, Hono } from "hono";
import { etag } from "hono/etag";
import { z } from "zod";
import type { Service } from "./api.ts";
import type { Assets } from "./assets.ts";
import type { InferencePool } from "./inference_pool.ts";
import type { LiveViews } from "./live.ts";
import { openapi } from "./openapi.ts";
import { notReady, Problem, toProblem } from "./problem.ts";
import { type BodyLimits, readImage } from "./read_image.ts";
import { checkHostAndOrigin, securityHeaders } from "./security.ts";

export interface AppOptions {
  /** Returns undefined until the pool is open. */
  pool(): InferencePool | undefined;
  readonly service: Service;
  readonly assets: Assets;
  readonly live: LiveViews;
  readonly limits: BodyLimits;
  /** Accepted host names. Default: local requests only. */
  readonly names?: readonly string[];
  /** Logs an internal error. */
  warn(message: string): void;
}

const predictQuery = z.strictObject({ crops: z.enum(["true", "false"]).default("false") });

/** Creates the application. */
export function createApp(options: AppOptions): Hono {
  const { pool, service, assets, live, limits, names, warn } = options;
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    c.res.headers.set("cache-control", assets.has(c.req.path) ? "no-cache" : "no-store");
  });
  app.use(securityHeaders, checkHostAndOrigin(names));

  const route = (method: "GET" | "POST", path: string, ...handlers: Handler[]) => {
    app.on(method, [path], ...handlers);
    app.all(path, () => {
      throw new Problem(405, "wrong_method", `${path} accepts ${method}.`, { allow: method });
    });
  };

  route("POST", "/predict", async (c) => {
    const query = predictQuery.safeParse(c.req.query());
    if (!query.success) {
      const [{ message }] = query.error.issues;
      throw new Problem(400, "query", `Only ?crops=true is supported: ${message.slice(0, 120)}.`);
    }
    if (!pool()?.ready) throw notReady();
    const photo = await readImage(c.req.raw, limits);
    const crops = query.data.crops === "true";
    return c.json(await pool()!.analyze(photo, { view: "photo", crops }));
  });
  route("GET", "/live", (c) => live.upgrade(c.req.raw));
  route("GET", "/model", (c) => c.json(service));
  const description = openapi(limits.bytes);
  route("GET", "/openapi.json", (c) => c.json(description));
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
