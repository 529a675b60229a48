/** Worker of one engine thread: waits for a program, runs it and reports its end. */
import { Control } from "../assembly/abi.ts";

/** The used part of a worker's global scope. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Start>) => void;
  postMessage(message: Report): void;
  close(): void;
};

export interface Start {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  thread: number;
}

/** Sent by every thread at its start, and by the last thread to finish a program. */
export type Report = { ready: true } | { done: true } | { error: string };

scope.onmessage = ({ data: { module, memory, thread } }) => {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const run = instance.exports.run as (program: number, thread: number) => void;
  const control = new Int32Array(memory.buffer);
  const command = Control.command / 4, done = Control.done / 4;
  let seen = Atomics.load(control, command);
  scope.postMessage({ ready: true });
  for (;;) {
    Atomics.wait(control, command, seen);
    seen = Atomics.load(control, command);
    const program = control[Control.program / 4];
    if (program === 0) return scope.close();
    try {
      run(program, thread);
    } catch (error) {
      return scope.postMessage({ error: String(error) });
    }
    if (Atomics.add(control, done, 1) === control[Control.threads / 4] - 1) {
      scope.postMessage({ done: true });
    }
  }
};
