/** A real Redis, and real workers, in processes of their own. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

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
export class Lines {
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
    for (;;) {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr as Deno.NetAddr;
      listener.close();
      const own = args(port);
      const redis = new Redis(port, own.length > 0 ? own : ["--port", String(port)]);
      // Another program may take the port meanwhile.
      if (!/in use/.test(await redis.#open())) return redis;
      await redis.kill();
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Nothing is kept on disk: a server that is started again has forgotten all. */
  async start(): Promise<void> {
    const line = await this.#open();
    if (/in use/.test(line)) throw new Error(line);
  }

  /** Returns the line of its output that tells whether it has its port. */
  async #open(): Promise<string> {
    const args = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", ...this.args];
    this.#process = new Deno.Command("redis-server", { args, stdout: "piped", stderr: "null" })
      .spawn();
    return await new Lines(this.#process.stdout)
      .until(/Ready to accept connections|Address already in use/);
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

/** A program that has `worker`, as deno is told of it. */
export interface WorkerProgram {
  readonly main: string;
  readonly env?: Readonly<Record<string, string>>;
}

const faces: WorkerProgram = { main: join(root, "main.ts") };

export class TestWorker implements AsyncDisposable {
  readonly lines: Lines;
  readonly #process: Deno.ChildProcess;

  /** Starts `deno task worker`. */
  constructor(
    artifacts: string,
    redis: string,
    args: readonly string[] = [],
    { main, env }: WorkerProgram = faces,
  ) {
    const own = ["--redis", redis, "--artifacts", artifacts, "--workers", "1", ...args];
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--allow-all"],
        ...["--config", join(root, "deno.json"), main, "worker", ...own],
      ],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.lines = new Lines(this.#process.stderr);
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Signals it and all that it started, as if it were their machine. */
  killAll(signal: Deno.Signal): void {
    for (const pid of withChildren(this.#process.pid)) {
      try {
        Deno.kill(pid, signal);
      } catch {
        // It has ended.
      }
    }
  }

  /** Its exit code, once it has ended. */
  async ended(): Promise<number> {
    await this.lines.done;
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.killAll("SIGCONT");
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.ended();
  }
}

/**
 * A process and all that it started, as Linux lists them: by the thread that started it. Deno itself
 * may not read there without all permissions, which `deno task test` does not have; and a thread
 * may end meanwhile.
 */
function withChildren(pid: number): number[] {
  const { stdout } = new Deno.Command("sh", {
    args: ["-c", `cat /proc/${pid}/task/*/children`],
    stderr: "null",
  }).outputSync();
  const children = new TextDecoder().decode(stdout).split(/\s+/).filter((text) => text !== "");
  return [pid, ...children.map(Number).flatMap(withChildren)];
}
