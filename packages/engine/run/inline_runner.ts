/** In place of threads: programs run in the thread that asks, which waits for them. */
import { CONTROL, type Plan } from "../engine_plan.ts";

/** What runs an engine's programs. */
export interface Runner {
  /** Throws if it is at work, closed or broken. */
  mustRest(): void;
  /** Runs a program on the first `rows` rows of the batch in memory. */
  run(program: number, rows: number): Promise<void>;
  /** Ends it. A running program is waited for. */
  close(): Promise<void>;
}

/**
 * Where a few milliseconds may pass before anything else does, and a thread of its own would outlive
 * a worker that is ended: those that wait for a program are not reached by the end of the worker that
 * started them.
 */
export class InlineRunner implements Runner {
  readonly #ints: Int32Array;
  readonly #counters: Plan["counters"];
  readonly #run: (program: number, thread: number) => void;
  #closed = false;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, counters: Plan["counters"]) {
    this.#ints = new Int32Array(memory.buffer);
    this.#ints[CONTROL.threads / 4] = 1;
    this.#counters = counters;
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#run = exports.run as (program: number, thread: number) => void;
  }

  mustRest(): void {
    if (this.#closed) throw new Error("The engine is closed");
  }

  run(program: number, rows: number): Promise<void> {
    const { address, count } = this.#counters;
    this.#ints.fill(0, address / 4, address / 4 + count * 16);
    this.#ints[CONTROL.rows / 4] = rows;
    this.#run(program, 0);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }
}
