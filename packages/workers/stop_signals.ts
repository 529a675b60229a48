/**
 * Calls `listener` on Ctrl-C and on SIGTERM, which Windows lacks, until it is disposed of. A terminal
 * sends Ctrl-C to all its processes, and some service managers send SIGTERM to all of a service.
 */
export function onStopSignal(listener: () => void): Disposable {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, listener);
  return {
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, listener);
    },
  };
}
