/** Command lines of a program in this process, where modules and kernels are compiled once. */
import assert from "node:assert/strict";
import type { App } from "../packages/pipeline/app.ts";
import { main } from "../packages/pipeline/cli.ts";

/** True while a command line is executed. */
let executing = false;

/**
 * Executes a command line as a process does, whose output is no terminal. One at a time; edits of
 * imported modules take no effect.
 * @param cwd the user's folder. Default: the program's
 */
export async function execute(
  args: readonly string[],
  program: App,
  cwd = program.project,
): Promise<{ code: number; out: string; err: string }> {
  assert.ok(!executing, "two at once need processes: await the first");
  executing = true;
  const { stdout, stderr, env } = Deno, { error } = console, { get } = env;
  const written = { out: "", err: "" };
  const captured = (name: "out" | "err") => {
    const decoder = new TextDecoder();
    return (bytes: Uint8Array) => {
      written[name] += decoder.decode(bytes, { stream: true });
      return bytes.length;
    };
  };
  const isTerminal = () => false, given: Record<string, string> = { NO_COLOR: "1", INIT_CWD: cwd };
  using restored = new DisposableStack();
  restored.defer(() => {
    executing = false;
    for (const stream of [stdout, stderr]) {
      for (const name of ["writeSync", "isTerminal"]) Reflect.deleteProperty(stream, name);
    }
    console.error = error;
    env.get = get;
  });
  Object.assign(stdout, { writeSync: captured("out"), isTerminal });
  Object.assign(stderr, { writeSync: captured("err"), isTerminal });
  console.error = (...values) => void (written.err += `${values.join(" ")}\n`);
  env.get = (name) => given[name] ?? get.call(env, name);
  const code = await main(args, program);
  return { code, ...written };
}
