/** Parent side of a worker process: starts it, sends tasks and reports its end. */
import { fileURLToPath } from "node:url";
import { decodeFrames, encodeFrame } from "./framing.ts";

/** Module, parameters and permissions of a worker. */
export interface WorkerSpec {
  /** Its module, which calls `serve()`. */
  readonly module: URL;
  /** Parameters, as JSON. */
  readonly opening: unknown;
  /** Maximum size of V8's heap in MB. */
  readonly heap?: number;
  /** Allows network access. Reading files and loading native code is always allowed. */
  readonly network?: boolean;
  /** Allows it to start processes. */
  readonly run?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Deno's flags in place of those rights. */
  readonly flags?: readonly string[];
  /** Maximum length in bytes of a message of it. A longer one ends it. */
  readonly maxMessage?: number;
  /** A deno.json of its own. */
  readonly config?: URL;
}

/** Message of a worker: ready, an answer, or an error. */
export type Reply =
  | { readonly ready: true }
  /** The answer of a task, or an event before it. */
  | { readonly answer: unknown; readonly event?: true }
  | { readonly error: string; readonly stack?: string };

/** Callbacks of a worker; none is called after `crashed`. */
export interface Listener {
  reply(reply: Reply, bytes: Uint8Array<ArrayBuffer>): void;
  /** The process ended without `close`; `how` is the reason, such as "SIGSEGV" or "exit code 3". */
  crashed(how: string): void;
}

export interface Child {
  readonly pid: number;
  /** Sends a task. @param bytes sent beside the JSON unchanged */
  send(task: unknown, bytes?: Uint8Array): void;
  /** Kills the process; `crashed` follows. */
  kill(): void;
  /** Kills the process: workers write no files that could stay incomplete. */
  close(): Promise<void>;
}

const HEAP = 1024;
/** Number of characters of standard error that are kept. */
const MAX_STDERR = 2000;
/** Milliseconds after a process's end in which its output is read. */
const GRACE = 2000;

/** Starts a worker, which replies `ready` when it is open. */
export function startChild(kind: WorkerSpec, listener: Listener): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", `--v8-flags=--max-old-space-size=${kind.heap ?? HEAP}`],
      ...kind.flags ?? ["--allow-read", "--allow-env", "--allow-sys", "--allow-ffi"],
      ...kind.network ? ["--allow-net"] : [],
      ...kind.run ? ["--allow-run"] : [],
      ...kind.config ? ["--config", fileURLToPath(kind.config)] : [],
      kind.module.protocol === "file:" ? fileURLToPath(kind.module) : kind.module.href,
    ],
    env: { NO_COLOR: "1", ...kind.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  // Writing to an ended process fails; `crashed` reports its end.
  const send = (message: unknown, bytes?: Uint8Array) =>
    void writer.write(encodeFrame(message, bytes)).catch(() => {});
  let closed = false;

  const output = outputOf(process.stdout, process.status);
  const listening = (async () => {
    for await (const { message, bytes } of decodeFrames(output, kind.maxMessage)) {
      if (!closed) listener.reply(message as Reply, bytes);
    }
  })();
  const unread = listening.then(() => undefined, (error: Error) => {
    killProcess(process); // a process whose output cannot be read must not continue
    return error.message;
  });
  const lastWords = lastOf(outputOf(process.stderr, process.status));
  const ended = (async () => {
    const [{ code, signal }, why, said] = await Promise.all([process.status, unread, lastWords]);
    const words = why ?? said;
    await writer.abort().catch(() => {});
    if (!closed) listener.crashed(describeExit(code, signal, words));
  })();

  const kill = () => killProcess(process);
  send({ opening: kind.opening });
  return {
    pid: process.pid,
    send: (task, bytes) => send({ task }, bytes),
    kill,
    async close() {
      closed = true;
      kill();
      await ended;
    },
  };
}

/** Kills a process, unless it has ended. */
export function killProcess(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has already ended.
  }
}

function describeExit(code: number, signal: Deno.Signal | null, words: string): string {
  if (/out of memory/i.test(words)) return "out of memory";
  const how = signal ?? `exit code ${code}`;
  const lines = words.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const said = lines.find((line) => /error|fatal|panic/i.test(line)) ?? lines.at(-1);
  return said ? `${how}: ${said}` : how;
}

/**
 * Yields what a process writes, until its output or, soon after, the process ends: programs that it
 * started may keep its output open.
 */
export async function* outputOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  ended: Promise<unknown>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const grace = ended.then(() => setTimeout(() => reader.cancel(), GRACE));
  try {
    for (let part; !(part = await reader.read()).done;) yield part.value;
  } finally {
    void grace.then(clearTimeout);
    await reader.cancel();
  }
}

async function lastOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of chunks) {
    text = (text + decoder.decode(part, { stream: true })).slice(-MAX_STDERR);
  }
  return text;
}
