/**
 * Until it is disposed of, calls `report` when code ends the process by Deno.exit().
 * @param report with the place of the call, such as "file:///folder/mod.ts:3:5"
 */
export function onEarlyExit(report: (caller: string) => void): Disposable {
  const listener = () => {
    const [, caller = ""] = new Error().stack!.match(/(file|https?):.+:\d+/g)!;
    report(caller);
  };
  addEventListener("unload", listener);
  return { [Symbol.dispose]: () => removeEventListener("unload", listener) };
}
