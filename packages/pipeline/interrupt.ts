/** Ctrl-C, made into a signal that work looks at. */
import { onStopSignal } from "../workers/stop_signals.ts";
import type { Reporter } from "./reporter.ts";

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * The terminal tells a program of Ctrl-C, and `deno task` passes it on once more: what comes within
 * so many milliseconds is the same key press.
 */
const ECHO = 300;

/** Listens until it is disposed of: the first Ctrl-C aborts the signal, a second one ends at once, after `atOnce`. */
export function abortOnSignal(
  reporter: Pick<Reporter, "log">,
  code: number,
  atOnce: () => void = () => {},
): Interrupt {
  const interrupt = new AbortController();
  let first = 0;
  const stop = () => {
    if (interrupt.signal.aborted) {
      if (performance.now() - first < ECHO) return;
      atOnce();
      Deno.exit(code);
    }
    first = performance.now();
    reporter.log("stopping after the step at hand (press Ctrl-C again to stop at once)");
    interrupt.abort(new Error("interrupted"));
  };
  const listening = onStopSignal(stop);
  return { signal: interrupt.signal, [Symbol.dispose]: () => listening[Symbol.dispose]() };
}
