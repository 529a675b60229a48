/** Runs programs synchronously in the calling thread. */
import { Control } from "../assembly/abi.ts";
import type { Plan } from "../engine_plan.ts";

/** Runner of an engine's programs. */
export interface Runner {
  /** @throws if it is running, closed or broken */
  assertIdle(): void;
  /** Runs a program on the first `rows` rows of the batch in memory. */
  run(program: number, rows: number): Promise<void>;
  /** Closes it after the running program. */
  close(): Promise<void>;
}

/**
 * For callers that can block for a few milliseconds. Threads would outlive a terminated worker: those
 * that wait for a program do not stop with the worker that started them.
 */
export class InlineRunner implements Runner {
  readonly #ints: Int32Array;
  readonly #counters: Plan["counters"];
  readonly #run: (program: number, thread: number) => void;
  #closed = false;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, counters: Plan["counters"]) {
    this.#ints = new Int32Array(memory.buffer);
    this.#ints[Control.threads / 4] = 1;
    this.#counters = counters;
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#run = exports.run as (program: number, thread: number) => void;
  }

  assertIdle(): void {
    if (this.#closed) throw new Error("The engine is closed");
  }

  run(program: number, rows: number): Promise<void> {
    const { address, count } = this.#counters;
    this.#ints.fill(0, address / 4, address / 4 + count * 16);
    this.#ints[Control.rows / 4] = rows;
    this.#run(program, 0);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }
}
