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
export function securityHeaders(): MiddlewareHandler {
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(headers)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}

/** A host, with or without a port. What else URL takes, such as "u@a" and "a/b", is not taken. */
const AUTHORITY = /^(\[[\da-f:.]{2,45}\]|[\w.-]{1,253})(:\d{1,5})?$/i;

/**
 * Refuses what other sites make a browser send: a page from elsewhere may not put this machine to
 * work, and a name that somebody points at this machine (DNS rebinding) does not make their page
 * ours. Addresses pass where others are let in: nobody can point one elsewhere.
 * @param names by which others may ask; undefined: the server is for this machine alone
 */
export function checkHostAndOrigin(names: readonly string[] | undefined): MiddlewareHandler {
  const known = new Set(names?.map((name) => hostnameOf(`http://${name}`)));
  return async (c, next) => {
    const written = c.req.header("host") ?? "";
    const host = AUTHORITY.test(written) ? hostOf(`http://${written}`) : undefined;
    if (host === undefined || host !== hostOf(c.req.url)) {
      throw new Problem(
        400,
        "malformed_host",
        `Cannot read the header Host, ${
          JSON.stringify(written.slice(0, 80))
        }: expected a name or ` +
          "an address, and a port if any.",
      );
    }
    const name = hostnameOf(`http://${host}`)!;
    if (!isLocal(host) && !(names && (isAddress(name) || known.has(name)))) {
      throw new Problem(
        403,
        "wrong_host",
        names
          ? `This server is not known as ${JSON.stringify(name.slice(0, 80))}. Open it by its ` +
            "address, or list the name in webcamServe.names."
          : `This server is for this machine and was asked as ${
            JSON.stringify(host.slice(0, 80))
          }. Open it as http://127.0.0.1, or set webcamServe.host to let others in.`,
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

function hostOf(url: string): string | undefined {
  return URL.parse(url)?.host;
}

/** Without the port, and without the dot that a name may end with. */
function hostnameOf(url: string): string | undefined {
  return URL.parse(url)?.hostname.replace(/\.$/, "");
}

/** URL writes every form of an IPv4 address in this one. */
function isAddress(hostname: string): boolean {
  return /^(\d+\.\d+\.\d+\.\d+|\[.*\])$/.test(hostname);
}
