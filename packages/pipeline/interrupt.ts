/** Ctrl-C as an AbortSignal. */
import { onStopSignal } from "@reproducible/workers/stop_signals";
import { EXIT } from "./app.ts";
import { Interrupted } from "./errors.ts";
import type { Reporter } from "./reporter.ts";

/** `deno task` repeats the terminal's Ctrl-C: within this many ms it is the same key press. */
const ECHO_MS = 300;

/**
 * Listens until disposed: the first Ctrl-C aborts the signal, a second one calls `atOnce` and exits.
 * @param options.code exit code. Default: 130
 * @param options.stopping logged at the first one
 */
export function abortOnSignal(
  reporter: Pick<Reporter, "log">,
  { code = EXIT.interrupted, atOnce = () => {}, stopping = "stopping after the step at hand" }: {
    code?: number;
    atOnce?: () => void;
    stopping?: string;
  } = {},
): Disposable & { readonly signal: AbortSignal } {
  const interrupt = new AbortController();
  let first = 0;
  const stop = () => {
    if (interrupt.signal.aborted) {
      if (performance.now() - first < ECHO_MS) return;
      atOnce();
      Deno.exit(code);
    }
    first = performance.now();
    reporter.log(`${stopping} (press Ctrl-C again to stop at once)`);
    interrupt.abort(new Interrupted("interrupted"));
  };
  return Object.assign(onStopSignal(stop), { signal: interrupt.signal });
}

/** Lets a signal arrive between steps of long synchronous work, and throws if it has been aborted. */
export async function pause(signal?: AbortSignal): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal?.throwIfAborted();
}

/** Yields 0 to `count` - 1, with a pause before each piece of them. */
export async function* paced(count: number, signal: AbortSignal): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    if (i % 500 === 0) await pause(signal);
    yield i;
  }
}
