/** Listens, and stops cleanly. */
import type { Hono } from "hono";

export interface Address {
  readonly host: string;
  /** 0 takes one that is free. */
  readonly port: number;
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface Server {
  /** Where it can be opened, such as "http://127.0.0.1:8000"; the first one from this machine. */
  readonly urls: readonly [string, ...string[]];
  /** Takes no more requests, and waits a few seconds at most for those that came to be answered. */
  stop(): Promise<void>;
}

/** Requests that are not answered this many ms after the stop are not waited for. */
const grace = 3000;

/** @throws if the port is taken or the host is not this machine's */
export function listen(
  app: Hono,
  { host, port, tls }: Address,
  warn: (text: string) => void,
): Server {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: host,
      port,
      ...tls,
      onListen: () => {},
      onError(error) {
        warn(`an error on our side: ${error instanceof Error ? error.stack : error}`);
        return new Response("Something failed on the server.", { status: 500 });
      },
    }, (request, info) => app.fetch(request, info)) as Deno.HttpServer<Deno.NetAddr>;
  } catch (cause) {
    throw new Error(`Cannot listen on ${host}, port ${port}: ${reason(cause as Error)}`, { cause });
  }
  const urlOf = (address: string) => {
    const shown = address.includes(":") ? `[${address}]` : address;
    return `${tls ? "https" : "http"}://${shown}:${server.addr.port}`;
  };
  const [first, ...others] = addressesOf(host);
  return {
    urls: [urlOf(first), ...others.map(urlOf)],
    async stop() {
      let timer: ReturnType<typeof setTimeout>;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, grace));
      await Promise.race([server.shutdown(), late]);
      clearTimeout(timer!);
    },
  };
}

/** The addresses that a host stands for, as far as people type them. */
function addressesOf(host: string): [string, ...string[]] {
  if (host !== "0.0.0.0" && host !== "::") return [host];
  const others = Deno.networkInterfaces()
    .filter(({ family, address }) => family === "IPv4" && !address.startsWith("127."))
    .map(({ address }) => address);
  return ["127.0.0.1", ...others];
}

function reason(error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "another program has it. Choose another: --set webcamServe.port=8001.";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address. 0.0.0.0 stands for all that it has.";
  }
  return `${error.message}.`;
}
