/** A web server on this machine that answers as a test tells it to, well or badly. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface TestServer extends AsyncDisposable {
  /** Its address, with a closing slash. */
  readonly url: string;
  /** What was asked: the path and, where there was one, the range. */
  readonly requests: string[];
  /** Bytes that the client has: it counts them, and a connection breaks only once they are there. */
  received: number;
}

/** Answers request number `n` (from 0). */
export type Answer = (request: Request, n: number) => Response | Promise<Response>;

export async function serve(answer: Answer): Promise<TestServer> {
  const requests: string[] = [];
  const client = { received: 0 };
  const server = createServer(async (incoming, outgoing) => {
    const headers = new Headers();
    const { method } = incoming;
    for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
    const request = new Request(`http://localhost${incoming.url}`, { method, headers });
    const range = headers.get("range");
    const asked = method === "GET" ? incoming.url! : `${method} ${incoming.url}`;
    requests.push(range === null ? asked : `${asked} ${range}`);

    const response = await answer(request, requests.length - 1);
    const fault = faults.get(response);
    // Of a HEAD, only the headers count.
    const body = new Uint8Array(await response.arrayBuffer()).subarray(
      0,
      method === "HEAD" ? 0 : undefined,
    );
    // Without a Content-Length among the headers, Node sends chunks.
    outgoing.writeHead(response.status, [...response.headers].flat());
    if (!fault) return void outgoing.end(body);
    const sent = body.subarray(0, fault.after);
    const wanted = client.received + sent.length;
    outgoing.write(sent);
    if (fault.silent) return;
    do await new Promise((resolve) => setTimeout(resolve, 20)); while (
      client.received < wanted && !outgoing.destroyed
    );
    outgoing.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(client, {
    url: `http://127.0.0.1:${port}/`,
    requests,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  });
}

const faults = new WeakMap<Response, { after: number; silent: boolean }>();

/** Sends `after` bytes of what it promises, then breaks the connection or, if told, falls silent. */
export function broken(response: Response, after: number, silent = false): Response {
  faults.set(response, { after, silent });
  return response;
}

/** A proper answer: ranges, If-Range, length and ETag. */
export function file(request: Request, data: Uint8Array<ArrayBuffer>, etag = '"v1"'): Response {
  const range = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "");
  const condition = request.headers.get("if-range");
  const from = range && (condition === null || condition === etag) ? Number(range[1]) : undefined;
  if (from !== undefined && from >= data.length) {
    const headers = { "content-range": `bytes */${data.length}` };
    return new Response(null, { status: 416, headers });
  }
  const part = data.slice(from ?? 0);
  const headers = new Headers({ etag, "content-length": String(part.length) });
  if (from === undefined) return new Response(part, { headers });
  headers.set("content-range", `bytes ${from}-${data.length - 1}/${data.length}`);
  return new Response(part, { status: 206, headers });
}
