/** Command lines of the program in this process, where modules and kernels are compiled once. */
import assert from "node:assert/strict";
import { app } from "../main.ts";
import { main } from "../packages/pipeline/cli.ts";
import type { Outcome } from "./project_run.ts";

const environment = { NO_COLOR: "1" };

/**
 * Executes a command line as a process does, whose output is no terminal. One at a time.
 * @param cwd the user's folder. Default: the project
 */
export async function execute(
  args: readonly string[],
  cwd = app.project,
): Promise<{ code: number; out: string; err: string }> {
  const { stdout, stderr, env } = Deno, { error } = console, { get } = env;
  const written = { out: "", err: "" };
  const captured = (name: "out" | "err") => {
    const decoder = new TextDecoder();
    return (bytes: Uint8Array) => {
      written[name] += decoder.decode(bytes, { stream: true });
      return bytes.length;
    };
  };
  const isTerminal = () => false, given: Record<string, string> = { ...environment, INIT_CWD: cwd };
  using restored = new DisposableStack();
  restored.defer(() => {
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
  const code = await main(args, app);
  return { code, ...written };
}

/** `run` of `project_run.ts` in this process. */
export async function runHere(
  artifacts: string,
  pipeline: string,
  ...args: string[]
): Promise<Outcome> {
  const line = ["run", pipeline, "--json", "--set", `artifacts=${artifacts}`, ...args];
  const { code, out, err } = await execute(line);
  assert.notEqual(out, "", err);
  return { ...JSON.parse(out), code, text: err };
}
