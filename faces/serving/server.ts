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

/** Longest time in ms for a request's head to arrive, or for the next request on a connection. */
const HEAD_MS = 20_000;
/** Longest time in ms for an answer to be read. */
const READ_MS = 120_000;

/** A client's connection, which is closed when its time is over. */
class Line {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #requests = 0;

  constructor(readonly client: Deno.Conn, readonly headMs: number) {
    this.#wait(headMs);
  }

  begins(): void {
    this.#requests++;
    clearTimeout(this.#timer);
  }

  answers(): void {
    this.#wait(READ_MS);
  }

  ends(): void {
    if (--this.#requests === 0) this.#wait(this.headMs);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.client[Symbol.dispose]();
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), ms);
  }
}

/**
 * Listens. Deno.serve waits without end for the head of a request, and takes any number of
 * connections. So it listens on a port of its own, where it answers no other process; here bytes are
 * passed on to it, and connections that take too long are closed.
 * @param connections most that are open at once; more are closed
 * @throws if the port is taken or the host is not this machine's
 */
export function listen(
  app: Hono,
  { host, port, tls }: Address,
  { connections, warn, headMs = HEAD_MS }: {
    readonly connections: number;
    readonly headMs?: number;
    warn(text: string): void;
  },
): Server {
  let listener: Deno.Listener<Deno.Conn>;
  try {
    const at = { hostname: host, port };
    listener = tls ? Deno.listenTls({ ...at, ...tls }) : Deno.listen(at);
  } catch (cause) {
    throw new Error(`Cannot listen on ${host}, port ${port}: ${reason(cause as Error)}`, { cause });
  }
  /** By the port that a line is passed on from. */
  const lines = new Map<number, Line>();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError(error) {
      warn(`an error on our side: ${error instanceof Error ? error.stack : error}`);
      return new Response("Something failed on the server.", { status: 500 });
    },
  }, async (request, info) => {
    const line = lines.get(info.remoteAddr.port);
    if (!line) return new Response("Nobody may ask here.", { status: 403 });
    line.begins();
    const response = await app.fetch(request, info);
    if (response.status === 101) return response; // a live view has limits of its own
    line.answers();
    const ends = () => line.ends();
    info.completed.then(ends, ends);
    return response;
  });
  const passing = new Set<Promise<void>>();
  const pass = async (client: Deno.Conn) => {
    const line = new Line(client, headMs);
    try {
      const inner = await Deno.connect({ port: server.addr.port });
      const { port } = inner.localAddr;
      lines.set(port, line);
      const up = copy(client, inner);
      await copy(inner, client);
      lines.delete(port);
      for (const side of [line, inner]) side.close();
      await up;
    } catch {
      line.close(); // there is no room for one more
    }
  };
  const accepting = (async () => {
    for (let open = true; open;) {
      try {
        const client = await listener.accept();
        if (passing.size >= connections) client.close();
        else {
          const passed = pass(client).finally(() => passing.delete(passed));
          passing.add(passed);
        }
      } catch (error) {
        open =
          !(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted);
        if (open) await new Promise((resolve) => setTimeout(resolve, 50)); // such as too many files
      }
    }
  })();
  const own = (listener.addr as Deno.NetAddr).port;
  const urlOf = (address: string) => {
    const shown = address.includes(":") ? `[${address}]` : address;
    return `${tls ? "https" : "http"}://${shown}:${own}`;
  };
  const [first, ...others] = addressesOf(host);
  return {
    urls: [urlOf(first), ...others.map(urlOf)],
    async stop() {
      listener.close();
      await accepting;
      let timer: ReturnType<typeof setTimeout>;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, grace));
      await Promise.race([Promise.all([server.shutdown(), ...passing]), late]);
      clearTimeout(timer!);
      for (const line of lines.values()) line.close();
      await Promise.all(passing);
    },
  };
}

/** Passes on what one side sends, and that it has ended or left. */
async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(2 ** 15);
  try {
    for (let got; (got = await from.read(buffer)) !== null;) {
      for (let sent = 0; sent < got;) sent += await to.write(buffer.subarray(sent, got));
    }
  } catch {
    // One of them has left; the other learns it now.
  }
  await to.closeWrite().catch(() => {});
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
