/** Ctrl-C, made into a signal that work looks at. */
import type { Reporter } from "./reporter.ts";

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** Listens until it is disposed of: the first Ctrl-C aborts the signal, a second one ends at once, after `atOnce`. */
export function onInterrupt(
  reporter: Pick<Reporter, "line">,
  code: number,
  atOnce: () => void = () => {},
): Interrupt {
  const interrupt = new AbortController();
  const stop = () => {
    if (interrupt.signal.aborted) {
      atOnce();
      Deno.exit(code);
    }
    reporter.line("stopping after the step at hand (press Ctrl-C again to stop at once)");
    interrupt.abort(new Error("interrupted"));
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  signals.forEach((signal) => Deno.addSignalListener(signal, stop));
  return {
    signal: interrupt.signal,
    [Symbol.dispose]: () => signals.forEach((name) => Deno.removeSignalListener(name, stop)),
  };
}
