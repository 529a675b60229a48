/** Accepts connections with limits that Deno.serve lacks, and stops cleanly. */
import { setTimeout as delay } from "node:timers/promises";
import { Problem } from "./problem.ts";

/** The other side of a request, as Hono's `env`. */
export interface Client {
  /** Aborts when it leaves. Deno's signal of a request misses that after a large body. */
  readonly left: AbortSignal;
  /** Closes its connection after `ms`, in place of an earlier timeout. */
  closeAfter(ms: number): void;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Paths of certificate and private key, PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Maximum number of open connections; more are closed. */
  readonly connections: number;
  /** Timeout in ms of a request's head, and of the next request on a connection. */
  readonly headMs?: number;
  warn(message: string): void;
}

export interface Server {
  /** URLs of the server, such as "http://127.0.0.1:8000"; the first one works on this machine. */
  readonly urls: readonly [string, ...string[]];
  /** Accepts no more requests, and waits at most `GRACE_MS` for those in progress. */
  stop(): Promise<void>;
}

const GRACE_MS = 3000;
const HEAD_MS = 20_000;
/** Timeout in ms until a response is read. */
const READ_MS = 120_000;

/** A client's connection, closed at its timeout. */
class Connection implements Client {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #requests = 0;
  readonly #left = new AbortController();
  readonly left = this.#left.signal;

  constructor(readonly client: Deno.Conn, readonly headMs: number) {
    this.closeAfter(headMs);
  }

  /** Suspends the timeout while a request is processed. */
  async answer(respond: () => Response | Promise<Response>, completed: Promise<void>) {
    this.#requests++;
    clearTimeout(this.#timer);
    const response = await respond();
    if (response.status === 101) return response; // live views have limits of their own
    this.closeAfter(READ_MS);
    void completed.catch(() => {}).then(() => {
      if (--this.#requests === 0) this.closeAfter(this.headMs);
    });
    return response;
  }

  leave(): void {
    this.#left.abort(new Problem(400, "broken_off", "The client left."));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.client[Symbol.dispose]();
  }

  closeAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), ms);
  }
}

/** Opens a port. @throws if it is in use, the host is not an address of this machine, or tls is wrong */
export function openPort(
  { host, port, tls }: Pick<ListenOptions, "host" | "port" | "tls">,
): Deno.Listener<Deno.Conn> {
  try {
    const at = { hostname: host, port };
    if (!tls) return Deno.listen(at);
    const [cert, key] = [tls.cert, tls.key].map((path) => Deno.readTextFileSync(path));
    return Deno.listenTls({ ...at, cert, key });
  } catch (cause) {
    const why = reason(cause as Error, tls !== undefined);
    throw new Error(`Cannot listen on ${host}, port ${port}: ${why}`, { cause });
  }
}

/**
 * Listens. Deno.serve limits neither the time for a request's head nor the number of connections. It
 * listens on a local port that answers this process only; clients' bytes are forwarded to it.
 * node:http has these limits, but counts upgraded connections for ever (Deno 2.9.6).
 * @throws if the port is in use or the host is not an address of this machine
 */
export function listen(
  app: { fetch(request: Request, client: Client): Response | Promise<Response> },
  { host, port, tls, connections, headMs = HEAD_MS, warn }: ListenOptions,
): Server {
  const listener = openPort({ host, port, tls });
  /** Connections by the local port that they are forwarded from. */
  const forwarded = new Map<number, Connection>();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError(error) {
      warn(`internal error: ${error instanceof Error ? error.stack : error}`);
      return new Response("Internal error.", { status: 500 });
    },
  }, (request, info) => {
    const connection = forwarded.get(info.remoteAddr.port);
    if (!connection) return new Response("Forbidden.", { status: 403 });
    return connection.answer(() => app.fetch(request, connection), info.completed);
  });

  const open = new Set<Promise<void>>();
  const forward = async (client: Deno.Conn) => {
    const connection = new Connection(client, headMs);
    try {
      using inner = await Deno.connect({ port: server.addr.port });
      // Else the end of what takes several writes waits for an acknowledgment, for some 40 ms.
      for (const side of [client, inner]) (side as Partial<Deno.TcpConn>).setNoDelay?.();
      forwarded.set(inner.localAddr.port, connection);
      const up = copy(client, inner).then(() => connection.leave());
      await copy(inner, client);
      forwarded.delete(inner.localAddr.port);
      for (const side of [connection, inner]) side.close();
      await up;
    } catch {
      connection.close(); // no local port is left, or the client is gone
    }
  };
  const accepting = (async () => {
    for (;;) {
      try {
        const client = await listener.accept();
        if (open.size >= connections) client.close();
        else {
          const done = forward(client).finally(() => open.delete(done));
          open.add(done);
        }
      } catch (error) {
        const { BadResource, Interrupted } = Deno.errors;
        if (error instanceof BadResource || error instanceof Interrupted) return;
        await delay(50); // such as too many open files
      }
    }
  })();

  const ownPort = (listener.addr as Deno.NetAddr).port;
  const [first, ...others] = addressesOf(host).map((address) => {
    const written = /^[^[].*:/.test(address) ? `[${address}]` : address;
    return `${tls ? "https" : "http"}://${written}:${ownPort}`;
  });
  return {
    urls: [first, ...others],
    async stop() {
      listener.close();
      await accepting;
      const grace = new AbortController();
      await Promise.race([
        Promise.all([server.shutdown(), ...open]),
        delay(GRACE_MS, undefined, { signal: grace.signal }).catch(() => {}),
      ]);
      grace.abort();
      for (const connection of forwarded.values()) connection.close();
      await Promise.all(open);
    },
  };
}

/** Forwards one side's bytes, and its end, to the other. */
async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(2 ** 15);
  try {
    for (let got; (got = await from.read(buffer)) !== null;) {
      for (let sent = 0; sent < got;) sent += await to.write(buffer.subarray(sent, got));
    }
  } catch {
    // One side left; closing the other reports it.
  }
  await to.closeWrite().catch(() => {});
}

/** Returns the addresses of a host, one of this machine first. */
function addressesOf(host: string): string[] {
  if (host !== "0.0.0.0" && host !== "::") return [host];
  const others = Deno.networkInterfaces()
    .filter(({ family, address }) => family === "IPv4" && !address.startsWith("127."));
  return ["127.0.0.1", ...others.map(({ address }) => address)];
}

function reason(error: Error, tls: boolean): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "another program uses it. Choose another port, or 0 for a free one.";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address. 0.0.0.0 stands for all of its addresses.";
  }
  return `${error.message}. Check ${tls ? "certificate, key, " : ""}host and port.`;
}
