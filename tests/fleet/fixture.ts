/** A real Redis, real workers in processes of their own, and a stage that hands its work to them. */
import { join } from "node:path";
import { distributeTo } from "../../fleet/mod.ts";
import { openHere } from "../../fleet/here.ts";
import type { Code } from "../../fleet/part.ts";
import { program } from "../../main.ts";
import { bullmqSchema, type FleetSettings } from "../../runner/config.ts";
import faceCrop from "../../stages/faceCrop.ts";
import { testContext } from "../context.ts";
import { gradient, type Photo, photoArtifacts } from "../faces/fixture.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Whether a program is installed. */
async function installed(name: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(name, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

/** Why the tests that need a server are left out; undefined: they are not. */
export const missing = !await installed("redis-server", "--version")
  ? "redis-server is not installed"
  : !await installed("openssl", "version")
  ? "openssl is not installed"
  : undefined;

/** Lines of a stream, and a way to wait for one. */
class Lines {
  readonly all: string[] = [];
  readonly done: Promise<void>;
  #arrived = Promise.withResolvers<void>();
  #ended = false;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.done = (async () => {
      let rest = "";
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        this.all.push(...lines);
        this.#arrived.resolve();
        this.#arrived = Promise.withResolvers();
      }
      this.#ended = true;
      this.#arrived.resolve();
    })();
  }

  /** Waits for the `nth` line that matches. */
  async until(pattern: RegExp, nth = 1): Promise<string> {
    for (;;) {
      const found = this.all.filter((line) => pattern.test(line))[nth - 1];
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`No line ${pattern} in:\n${this.all.join("\n")}`);
      await this.#arrived.promise;
    }
  }
}

export class Redis implements AsyncDisposable {
  #process: Deno.ChildProcess | undefined;

  private constructor(readonly port: number, readonly args: readonly string[]) {}

  /** @param args such as `--requirepass` */
  static async start(args: (port: number) => readonly string[] = () => []): Promise<Redis> {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    const own = args(port);
    const redis = new Redis(port, own.length > 0 ? own : ["--port", String(port)]);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Nothing is kept on disk: a server that is started again has forgotten all. */
  async start(): Promise<void> {
    const args = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", ...this.args];
    this.#process = new Deno.Command("redis-server", { args, stdout: "piped", stderr: "null" })
      .spawn();
    await new Lines(this.#process.stdout).until(/Ready to accept connections/);
  }

  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.status;
    this.#process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

export class TestWorker implements AsyncDisposable {
  readonly lines: Lines;
  readonly #process: Deno.ChildProcess;

  /** Starts `deno task worker`. */
  constructor(artifacts: string, redis: string, ...args: string[]) {
    const own = ["--redis", redis, "--artifacts", artifacts, "--workers", "1", ...args];
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", join(root, "main.ts"), "worker", ...own],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.lines = new Lines(this.#process.stderr);
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Its exit code, once it has ended. */
  async ended(): Promise<number> {
    await this.lines.done;
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const signal of ["SIGCONT", "SIGKILL"] as const) {
      try {
        this.#process.kill(signal);
      } catch {
        // It has ended.
      }
    }
    await this.ended();
  }
}

/** Photos that take some time each, in shards of four. */
export class Job implements Disposable {
  /** What was told: info and warnings. */
  readonly told: string[] = [];
  readonly keys: string[] = [];
  readonly #abort = new AbortController();

  private constructor(
    readonly artifacts: string,
    readonly input: Awaited<ReturnType<typeof photoArtifacts>>,
    readonly code: Code,
  ) {}

  static async make(count = 40): Promise<Job> {
    const artifacts = await Deno.makeTempDir({ prefix: "fleet-" });
    const kinds = await Promise.all([0, 1, 2, 3, 4].map((kind) => gradient(kind, 1500)));
    const photos = Array.from({ length: count }, (_, i): Photo => (
      i === 7 ? { path: "gone.jpg" } : { path: `${i}.jpg`, bytes: kinds[i % 5] }
    ));
    const { stage } = await openHere(program, artifacts);
    const found = await stage("faceCrop");
    return new Job(artifacts, await photoArtifacts(join(artifacts, "in"), photos), found!.code);
  }

  /** Runs faceCrop, and returns the names and contents of the files that it made. */
  async run(
    fleet?: Partial<FleetSettings>,
    { code = this.code }: { code?: Code } = {},
  ): Promise<Record<string, Uint8Array>> {
    const folder = join(this.artifacts, fleet ? "far" : "near");
    const context = testContext(faceCrop, { folder, signal: this.#abort.signal });
    const settings = bullmqSchema.parse(fleet ?? {});
    const tell = (message: string) => void this.told.push(message);
    const dependencies = {
      ...{ use: "faceCrop", params: {}, external: {}, inputs: {} },
      ...{ modules: code.modules, packages: code.packages },
    };
    const inputs = { archives: this.input.archives.path, table: this.input.table.path };
    const work = {
      ...{ use: "faceCrop", dependencies, inputs, artifacts: this.artifacts },
      ...{ scratch: context.scratch, signal: context.signal, progress: context.progress },
      ...{ info: tell, warn: tell },
    };
    const keys = this.keys;
    const given = {
      ...context,
      ...fleet && {
        fleet: {
          async *distribute(parts: Parameters<typeof distributeTo>[2]) {
            for await (const done of distributeTo(settings, work, parts, program)) {
              keys.push(done.key);
              yield done;
            }
          },
        },
      },
    };
    const params = faceCrop.params.parse({ detector: "metadata", shardSize: 4, workers: 1 });
    await faceCrop.run({ ...this.input }, params, given);
    return contents(context.outputs.faces);
  }

  interrupt(): void {
    this.#abort.abort(new Error("interrupted"));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.artifacts, { recursive: true });
  }
}

function contents(folder: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readFileSync(join(folder, name))]),
  );
}
