/** A real S3 server (Moto's), and a proxy in front of it that does harm. */
import { Lines } from "./redis.ts";

/** Reason to skip tests of the server; undefined if it is installed. */
export const missing = await Promise.try(() =>
    new Deno.Command("moto_server", {
      args: ["--help"],
      stdout: "null",
      stderr: "null",
    }).output()
  ).then(({ success }) => success, () => false)
  ? undefined
  : "moto_server is not installed (pip install 'moto[s3]' flask flask-cors)";

/** Harm that the proxy does to a request; undefined: none. */
export type Harm = (
  method: string,
  path: string,
) => "throttle" | "throttleLate" | "stall" | "cut" | "lie" | undefined;

export class S3 implements AsyncDisposable {
  harm: Harm = () => undefined;
  /** Moment of the harm `throttleLate`. */
  late: Promise<void> = Promise.resolve();
  /** Method and path of each request that reached the server. */
  readonly requests: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #lines: Lines;
  readonly #proxy: Deno.HttpServer<Deno.NetAddr>;
  #server = "";

  private constructor() {
    this.#process = new Deno.Command("moto_server", {
      args: ["--host", "127.0.0.1", "--port", "0"],
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#lines = new Lines(this.#process.stderr);
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    this.#proxy = Deno.serve(options, (request) => this.#forward(request));
  }

  static async start(): Promise<S3> {
    const s3 = new S3();
    const line = await s3.#lines.until(/Running on (http:\S+)/);
    s3.#server = line.match(/http:\/\/[\d.:]+/)![0];
    const { ok, body } = await fetch(`${s3.#server}/bucket`, { method: "PUT" });
    await body?.cancel();
    if (!ok) throw new Error("no bucket");
    return s3;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#proxy.addr.port}`;
  }

  async #forward(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const harm = this.harm(request.method, pathname);
    if (harm === "stall") await new Promise((resolve) => setTimeout(resolve, 3000));
    if (harm === "throttleLate") await this.late;
    if (harm === "throttle" || harm === "throttleLate") {
      return new Response("<Error><Code>SlowDown</Code></Error>", { status: 503 });
    }
    this.requests.push(`${request.method} ${pathname}`);
    const body = request.body && await request.arrayBuffer();
    // The signature covers the address of the proxy.
    const { status, headers, bytes } = await send(
      `${this.#server}${pathname}${search}`,
      request,
      body,
    );
    if (harm === "lie") bytes.fill(0);
    const cut = harm === "cut" ? bytes.slice(0, bytes.length >> 1) : bytes;
    headers.delete("transfer-encoding");
    const none = request.method === "HEAD" || [204, 304].includes(status);
    return new Response(none ? null : cut, { status, headers: cut === bytes ? headers : {} });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy.shutdown();
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#lines.done;
  }
}

async function send(url: string, { method, headers: given }: Request, body: ArrayBuffer | null) {
  const { status, headers, ...answer } = await fetch(url, { method, headers: given, body })
    .then(async (response) => ({
      status: response.status,
      headers: new Headers(response.headers),
      bytes: new Uint8Array(await response.arrayBuffer()),
    }));
  return { status, headers, ...answer };
}
