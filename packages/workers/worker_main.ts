/** Worker side: opens once, then processes tasks in order until the parent ends. */
import { decodeFrames, encodeFrame } from "./framing.ts";
import type { Reply } from "./child.ts";
import { onStopSignal } from "./stop_signals.ts";

/** Answer of a task: JSON and bytes. */
export interface Done<Answer> {
  readonly answer: Answer;
  readonly bytes?: Uint8Array;
}

/**
 * Serves the parent process.
 * @param open called once with the parameters of the pool; returns the function that runs a task.
 * Events that it sends reach the parent before the task's answer
 */
export async function serve<Opening, Task, Answer>(
  open: (
    opening: Opening,
    send: (event: unknown) => void,
  ) => Promise<(task: Task, bytes: Uint8Array<ArrayBuffer>) => Promise<Done<Answer>>>,
): Promise<never> {
  onStopSignal(() => {}); // the parent decides when to stop
  // Standard output is reserved for frames.
  console.log = console.info = console.debug = console.error;
  let work: Awaited<ReturnType<typeof open>> | undefined;
  for await (const { message, bytes: sent } of decodeFrames(Deno.stdin.readable)) {
    try {
      if (work === undefined) {
        work = await open(
          (message as { opening: Opening }).opening,
          (event) => reply({ answer: event, event: true }),
        );
        reply({ ready: true });
      } else {
        const { answer, bytes } = await work((message as { task: Task }).task, sent);
        reply({ answer }, bytes);
      }
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      reply({ error: message, stack });
    }
  }
  Deno.exit(0);
}

function reply(message: Reply, bytes?: Uint8Array): void {
  const frame = encodeFrame(message, bytes);
  try {
    for (let sent = 0; sent < frame.length;) sent += Deno.stdout.writeSync(frame.subarray(sent));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0); // the parent is gone
    throw error;
  }
}
