/** Middleware that every answer passes: headers that shut browsers' doors, and who may ask. */
import type { MiddlewareHandler } from "hono";
import { Problem } from "./problem.ts";

/**
 * What the page may do: load what this server sends, and nothing else. WebAssembly is for the mode in
 * which the page computes.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

const headers: Readonly<Record<string, string>> = {
  "content-security-policy": contentSecurityPolicy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Sets the headers on every answer; answers that do not say otherwise are not kept. */
export function secure(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(headers)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}

/**
 * Refuses what other sites make a browser send: a page from elsewhere may not put this machine to
 * work, and a name that somebody points at 127.0.0.1 does not make their page ours.
 */
export function guard(local: boolean): MiddlewareHandler {
  return async (c, next) => {
    const { host } = new URL(c.req.url);
    if (local && !isLocal(host)) {
      throw new Problem(
        403,
        "wrong_host",
        `This server is for this machine and was asked as ${JSON.stringify(host.slice(0, 80))}. ` +
          "Open it as http://127.0.0.1, or set webcamServe.host to let others in.",
      );
    }
    const origin = c.req.header("origin");
    if (origin !== undefined && hostOf(origin) !== host) {
      throw new Problem(
        403,
        "wrong_origin",
        `Pages from ${JSON.stringify(origin.slice(0, 80))} may not ask this server.`,
      );
    }
    await next();
  };
}

/** Whether a host, with or without a port, is this machine itself. */
export function isLocal(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host) || host === "::1";
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
