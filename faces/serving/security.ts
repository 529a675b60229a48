/** Middleware of every response: security headers, and checks of host and origin. */
import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { Problem } from "./problem.ts";

/** Policy of the report, which contains its style and needs nothing else. */
export const REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Sets the security headers. The page may load what this server sends, and nothing else. */
export const securityHeaders: MiddlewareHandler = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'", "'wasm-unsafe-eval'"], // WebAssembly: for the mode "browser"
    workerSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", "blob:", "data:"],
    mediaSrc: ["'self'", "blob:"],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
  },
  permissionsPolicy: { camera: ["self"], microphone: [], geolocation: [], displayCapture: [] },
  strictTransportSecurity: false, // a certificate may be for a test
  xFrameOptions: "DENY",
  overwrite: false, // the report has a policy of its own
});

/** A host, with or without a port. URL accepts more, such as "u@a" and "a/b". */
const AUTHORITY = /^(\[[\da-f:.]{2,45}\]|[\w.-]{1,253})(:\d{1,5})?$/i;

/**
 * Refuses requests that other sites make a browser send. Pages of other origins cannot use the
 * server, nor pages whose name points at it (DNS rebinding). Addresses pass on a network: none can be
 * pointed elsewhere.
 * @param options.names accepted names beside localhost. Default: the server has none
 * @param options.local true if it accepts no addresses but its own. Default: true
 */
export function checkHostAndOrigin(
  { names, local = true }: { names?: readonly string[]; local?: boolean } = {},
): MiddlewareHandler {
  const known = new Set(names?.map((name) => hostnameOf(`http://${name}`)));
  return async (c, next) => {
    const written = c.req.header("host") ?? "";
    const url = AUTHORITY.test(written) ? URL.parse(`http://${written}`) : null;
    if (url === null || url.host !== URL.parse(c.req.url)?.host) {
      const quoted = JSON.stringify(written.slice(0, 80));
      const message = `Cannot read the header Host, ${quoted}: expected a name or an address, ` +
        "with an optional port.";
      throw new Problem(400, "malformed_host", message);
    }
    const { host, port } = url, name = hostnameOf(url.href)!;
    // URL writes all forms of IPv4 addresses in this one.
    const address = /^(\d+\.\d+\.\d+\.\d+|\[.*\])$/.test(name);
    if (!isLocal(host) && !known.has(name) && (local || !address)) {
      const quoted = JSON.stringify(host.slice(0, 80));
      const open = port ? `http://127.0.0.1:${port}` : "the address that it logs";
      const why = local
        ? `the server only accepts local requests. Open ${open} there` +
          (names ? "; webcamServe.names or deno task serve --host accept others." : ".")
        : "it is no known name. Use the server's address, or list the name in webcamServe.names.";
      throw new Problem(403, "wrong_host", `Host ${quoted} is not allowed: ${why}`);
    }
    // Browsers send no origin for images and frames of a page, which would start processes of `ui`.
    const site = c.req.header("sec-fetch-site") ?? "", linked = c.req.header("sec-fetch-dest");
    const embeds = /^(cross|same)-site$/.test(site) && linked !== "document";
    const origin = c.req.header("origin") ?? (embeds ? site : undefined);
    if (origin !== undefined && URL.parse(origin)?.host !== host) {
      const quoted = JSON.stringify(origin.slice(0, 80));
      const message = `Origin ${quoted} is not allowed: only pages of this server may use it.`;
      throw new Problem(403, "wrong_origin", message);
    }
    await next();
  };
}

/** Returns true if a host, with or without a port, is this machine. */
export function isLocal(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host) || host === "::1";
}

/** Returns the host without its port and without the final dot of a name. */
function hostnameOf(url: string): string | undefined {
  return URL.parse(url)?.hostname.replace(/\.$/, "");
}
