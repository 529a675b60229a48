/** Listens on an address, and stops cleanly. */
import { setTimeout as delay } from "node:timers/promises";
import type { Hono } from "hono";

export interface ListenOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Certificate and private key, PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  warn(message: string): void;
}

export interface Server {
  /** URLs of the server, such as "http://127.0.0.1:8000"; the first one works on this machine. */
  readonly urls: readonly [string, ...string[]];
  /** Accepts no more requests, and waits at most `GRACE_MS` for those in progress. */
  stop(): Promise<void>;
}

const GRACE_MS = 3000;

/**
 * Listens.
 * @throws if the port is in use or the host is not an address of this machine
 */
export function listen(app: Hono, { host, port, tls, warn }: ListenOptions): Server {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      ...{ hostname: host, port, ...tls, onListen: () => {} },
      onError(error) {
        warn(`internal error: ${error instanceof Error ? error.stack : error}`);
        return new Response("Internal error.", { status: 500 });
      },
    }, (request, info) => app.fetch(request, info));
  } catch (cause) {
    const why = reason(cause as Error);
    throw new Error(`Cannot listen on ${host}, port ${port}: ${why}`, { cause });
  }
  const [first, ...others] = addressesOf(host).map((address) => {
    const written = address.includes(":") ? `[${address}]` : address;
    return `${tls ? "https" : "http"}://${written}:${server.addr.port}`;
  });
  return {
    urls: [first, ...others],
    async stop() {
      const grace = new AbortController();
      const late = delay(GRACE_MS, undefined, { signal: grace.signal }).catch(() => {});
      await Promise.race([server.shutdown(), late]);
      grace.abort();
    },
  };
}

/** Returns the addresses of a host, one of this machine first. */
function addressesOf(host: string): string[] {
  if (host !== "0.0.0.0" && host !== "::") return [host];
  const others = Deno.networkInterfaces()
    .filter(({ family, address }) => family === "IPv4" && !address.startsWith("127."));
  return ["127.0.0.1", ...others.map(({ address }) => address)];
}

function reason(error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "another program uses it. Choose another: --set webcamServe.port=8001.";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address. 0.0.0.0 stands for all of its addresses.";
  }
  return `${error.message}.`;
}
