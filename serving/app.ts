/** The HTTP side: routes, validation, limits and headers. What is computed is the pool's business. */
import { Hono } from "hono";
import { z } from "zod";
import { PictureError } from "../faces/decode.ts";
import { TooSlow } from "./analyst.ts";
import type { Service } from "./api.ts";
import type { Assets } from "./assets.ts";
import { guard, secure } from "./guard.ts";
import { type PictureLimits, readPicture } from "./picture.ts";
import { Busy, type Pool, Stopping } from "./pool.ts";
import { Problem } from "./problem.ts";

export interface AppOptions {
  /** undefined until it is open. */
  pool(): Pool | undefined;
  readonly service: Service;
  readonly assets: Assets;
  readonly limits: PictureLimits;
  /** Whether the server listens on this machine alone. */
  readonly local: boolean;
  /** Told of errors that are not the client's. */
  warn(message: string): void;
}

const predictQuery = z.strictObject({
  crops: z.enum(["true", "false"]).default("false"),
});

/** The application; `fetch` answers a request. */
export function createApp(options: AppOptions): Hono {
  const app = new Hono();
  app.use(secure());
  app.use(guard(options.local));

  app.post("/predict", async (c) => {
    const query = predictQuery.safeParse(c.req.query());
    if (!query.success) {
      throw new Problem(400, "query", `Only "?crops=true" is known: ${issueOf(query.error)}.`);
    }
    const pool = options.pool();
    if (!pool?.ready) throw notReady();
    const photo = await readPicture(c.req.raw, options.limits);
    const wishes = { view: "photo", crops: query.data.crops === "true" } as const;
    return c.json(await pool.analyse(photo, wishes));
  });
  app.get("/model", (c) => c.json(options.service));
  app.get("/health", (c) => {
    const pool = options.pool();
    return pool?.ready
      ? c.json({ status: "ready" })
      : c.json({ status: pool ? "stopping" : "starting" }, 503);
  });
  app.get("*", (c) => {
    const asset = options.assets.get(c.req.path);
    if (!asset) throw notFound(c.req.path);
    if (c.req.header("if-none-match") === asset.etag) return c.body(null, 304);
    c.header("cache-control", "no-cache");
    c.header("etag", asset.etag);
    c.header("content-type", asset.type);
    return c.body(asset.body);
  });
  app.all("*", (c) => {
    const known: Record<string, string> = { "/predict": "POST", "/model": "GET", "/health": "GET" };
    const allow = known[c.req.path] ?? (options.assets.get(c.req.path) && "GET");
    if (!allow) throw notFound(c.req.path);
    throw new Problem(
      405,
      "wrong_method",
      `${c.req.path} takes ${allow}, not ${c.req.method.slice(0, 20)}.`,
      { headers: { allow } },
    );
  });

  app.onError((error, c) => {
    const problem = asProblem(error, options.warn);
    for (const [name, value] of Object.entries(problem.headers)) c.header(name, value);
    return c.json(problem.toJSON(), problem.status);
  });
  return app;
}

function asProblem(error: Error, warn: (message: string) => void): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof PictureError) return new Problem(400, "unreadable", error.message);
  if (error instanceof Busy) {
    const headers = { "retry-after": String(error.seconds) };
    return new Problem(429, "busy", error.message, { headers });
  }
  if (error instanceof TooSlow) return new Problem(504, "too_slow", error.message);
  if (error instanceof Stopping) return notReady();
  // The client is gone and reads no answer.
  if (error.name === "AbortError") return new Problem(400, "aborted", "The request was aborted.");
  warn(`an error on our side: ${error.stack ?? error.message}`);
  return new Problem(500, "internal", "Something failed on the server; its log says what.");
}

function notReady(): Problem {
  const headers = { "retry-after": "2" };
  return new Problem(503, "not_ready", "The server is not ready. Try again soon.", { headers });
}

function notFound(path: string): Problem {
  return new Problem(404, "not_found", `There is nothing at ${JSON.stringify(path.slice(0, 80))}.`);
}

function issueOf(error: z.ZodError): string {
  return error.issues[0].message.slice(0, 120);
}
