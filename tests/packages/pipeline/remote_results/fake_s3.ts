/** The part of S3 that the project uses, in memory, with faults on demand. */

/** Returns a response in place of the server's; undefined: none. */
export type Fault = (request: Request, key: string) => Promise<Response> | Response | undefined;

export class FakeS3 implements AsyncDisposable {
  readonly objects = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Method and key of each request. */
  readonly requests: string[] = [];
  fault: Fault = () => undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const onListen = () => {};
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen }, (request) => {
      const key = decodeURIComponent(new URL(request.url).pathname.replace("/bucket/", ""));
      this.requests.push(`${request.method} ${key}`);
      return this.fault(request, key) ?? this.#answer(request, key);
    });
  }

  get settings() {
    return { url: "s3://bucket/team", endpoint: `http://127.0.0.1:${this.#server.addr.port}` };
  }

  async #answer(request: Request, key: string): Promise<Response> {
    const there = this.objects.get(key);
    const { searchParams } = new URL(request.url);
    if (searchParams.has("list-type")) {
      const all = [...this.objects.keys()].filter((key) =>
        key.startsWith(searchParams.get("prefix")!)
      )
        .sort();
      // Two a page.
      const from = Number(searchParams.get("continuation-token") ?? 0),
        page = all.slice(from, from + 2);
      const contents = page.map((key) =>
        `<Contents><Key>${key.replaceAll("<", "&lt;")}</Key><Size>${
          this.objects.get(key)!.length
        }</Size></Contents>`
      );
      const next = from + 2 < all.length
        ? `<NextContinuationToken>${from + 2}</NextContinuationToken>`
        : "";
      return new Response(`<ListBucketResult>${contents.join("")}${next}</ListBucketResult>`);
    }
    if (request.method === "PUT") {
      if (there && request.headers.get("if-none-match") === "*") {
        return error(412, "PreconditionFailed");
      }
      this.objects.set(key, new Uint8Array(await request.arrayBuffer()));
      return new Response();
    }
    if (!there) return error(404, "NoSuchKey");
    const headers = { "content-length": String(there.length) };
    return new Response(request.method === "HEAD" ? null : there, { headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** An error as S3 sends it. */
export function error(status: number, code: string, headers?: Record<string, string>): Response {
  const xml = `<Error><Code>${code}</Code><Message>Told by a test.</Message></Error>`;
  return new Response(xml, { status, headers });
}
