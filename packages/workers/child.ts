/** The parent's side of one worker: a process of its own, started, asked and watched. */
import { fileURLToPath } from "node:url";
import { decodeFrames, encodeFrame, type Frame } from "./framing.ts";

/** What a worker is, and what it may do. */
export interface WorkerSpec {
  /** Its module, which calls `serve()`. */
  readonly module: URL;
  /** What it is told first: JSON. */
  readonly opening: unknown;
  /** Most of V8's heap, in MB, that it may take. */
  readonly heap?: number;
  /** Whether it may use the network; reading files and loading native code it may always. */
  readonly network?: boolean;
  /** A deno.json of its own. */
  readonly config?: URL;
}

/** What a worker says: it is open, it has an answer, or it could not. */
export type Reply =
  | { readonly ready: true }
  | { readonly answer: unknown }
  | { readonly error: string; readonly stack?: string };

/** Called by a member; never more after `died`. */
export interface Listener {
  reply(reply: Reply, bytes: Uint8Array<ArrayBuffer>): void;
  /** The process has ended, and nobody had closed it. `how` says what of: "SIGSEGV", "exit code 3". */
  died(how: string): void;
}

/** A worker's process. */
export interface Child {
  /** @param bytes travel beside the task as they are */
  send(task: unknown, bytes?: Uint8Array): void;
  /** Ends the process at once, of which `died` is told. */
  kill(): void;
  /** Ends the process at once: it writes nothing that could stay half done. */
  close(): Promise<void>;
}

const HEAP = 1024;
/** What is kept of the process's last words, in characters. */
const LAST_WORDS = 2000;

/** Starts a worker, which says `ready` when it is open. */
export function startChild(kind: WorkerSpec, listener: Listener): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", `--v8-flags=--max-old-space-size=${kind.heap ?? HEAP}`],
      ...["--allow-read", "--allow-env", "--allow-sys", "--allow-ffi"],
      ...kind.network ? ["--allow-net"] : [],
      ...kind.config ? ["--config", fileURLToPath(kind.config)] : [],
      kind.module.protocol === "file:" ? fileURLToPath(kind.module) : kind.module.href,
    ],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  // A process that has died takes no more words; that it has is told by its end.
  const send = (message: unknown, bytes?: Uint8Array) =>
    void writer.write(encodeFrame(message, bytes)).catch(() => {});
  let closed = false;

  const listening = (async () => {
    const frames: AsyncIterable<Frame> = decodeFrames(process.stdout);
    for await (const { message, bytes } of frames) {
      if (!closed) listener.reply(message as Reply, bytes);
    }
  })();
  const lastWords = lastOf(process.stderr);
  const ended = (async () => {
    // Whatever made reading fail, a process that is not listened to has to go.
    await listening.catch(() => process.kill("SIGKILL"));
    const [{ code, signal }, words] = await Promise.all([process.status, lastWords]);
    await writer.abort().catch(() => {});
    if (!closed) listener.died(howItEnded(code, signal, words));
  })();

  const kill = () => {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  send({ opening: kind.opening });
  return {
    send: (task, bytes) => send({ task }, bytes),
    kill,
    async close() {
      closed = true;
      kill();
      await ended;
    },
  };
}

function howItEnded(code: number, signal: Deno.Signal | null, words: string): string {
  if (/out of memory/i.test(words)) return "out of memory";
  const how = signal ?? `exit code ${code}`;
  const lines = words.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const said = lines.find((line) => /error|fatal|panic/i.test(line)) ?? lines.at(-1);
  return said ? `${how}: ${said}` : how;
}

async function lastOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    text = (text + part).slice(-LAST_WORDS);
  }
  return text;
}
