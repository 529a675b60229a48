/** Worker side: opens once, then processes tasks in order until the parent ends. */
import { decodeFrames, encodeFrame } from "./framing.ts";
import type { Reply } from "./child.ts";
import { onEarlyExit } from "./early_exit.ts";
import { onStopSignal } from "./stop_signals.ts";

/** Answer of a task: JSON and bytes. */
export interface Done<Answer> {
  readonly answer: Answer;
  readonly bytes?: Uint8Array;
  /** The function that returned it, for an error. */
  readonly from?: string;
}

/**
 * Serves the parent process.
 * @param open called once with the parameters of the pool; returns the function that runs a task.
 * Events that it sends reach the parent before the task's answer; `from` made one, for an error
 * @param maxMessage bytes that an answer or an event may have; the parent's `WorkerSpec` has the same
 */
export async function serve<Opening, Task, Answer>(
  open: (
    opening: Opening,
    send: (event: unknown, from?: string) => void,
  ) => Promise<(task: Task, bytes: Uint8Array<ArrayBuffer>) => Promise<Done<Answer>>>,
  maxMessage = Infinity,
): Promise<never> {
  onStopSignal(() => {}); // the parent decides when to stop
  const { input, reply } = reserveFrames(maxMessage);
  const exits = onEarlyExit((caller) =>
    console.error(`error: Deno.exit() was called at ${caller}`)
  );
  let work: Awaited<ReturnType<typeof open>> | undefined;
  for await (const { message, bytes: sent } of decodeFrames(input)) {
    try {
      if (work === undefined) {
        work = await open(
          (message as { opening: Opening }).opening,
          (event, from) => reply({ answer: event, event: true }, undefined, from),
        );
        reply({ ready: true });
      } else {
        const { answer, bytes, from } = await work((message as { task: Task }).task, sent);
        reply({ answer }, bytes, from);
      }
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      reply({ error: message, stack });
    }
  }
  exits[Symbol.dispose]();
  Deno.exit(0);
}

/** Keeps standard input and output for frames: other code reads nothing, and writes to standard error. */
function reserveFrames(maxMessage: number) {
  const { stdin, stdout, stderr } = Deno;
  const input = stdin.readable, write = stdout.writeSync.bind(stdout);
  console.log = console.info = console.debug = console.error;
  Object.assign(stdin, { read: () => Promise.resolve(null), readSync: () => null });
  Object.defineProperty(stdin, "readable", { get: () => ReadableStream.from([]) });
  Object.assign(stdout, {
    write: stderr.write.bind(stderr),
    writeSync: stderr.writeSync.bind(stderr),
  });
  Object.defineProperty(stdout, "writable", { get: () => stderr.writable });
  const reply = (message: Reply, bytes?: Uint8Array, from = "a task"): void => {
    const frame = encodeFrame(message, bytes);
    if (frame.length > maxMessage) {
      const size = (frame.length / 1e6).toFixed(1);
      throw new RangeError(
        `Cannot send ${size} MB of ${from}: at most ${maxMessage / 1e6} MB are read. Shorten it.`,
      );
    }
    try {
      for (let sent = 0; sent < frame.length;) sent += write(frame.subarray(sent));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0); // the parent is gone
      throw error;
    }
  };
  return { input, reply };
}
