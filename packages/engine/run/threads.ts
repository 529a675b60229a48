/** Thread pool of the engine. */
import { Control } from "../assembly/abi.ts";
import type { Runner } from "./inline_runner.ts";
import type { Plan } from "../engine_plan.ts";
import type { Report, Start } from "./thread_worker.ts";

export class Threads implements Runner {
  readonly #workers: Worker[];
  readonly #ints: Int32Array;
  readonly #counters: Plan["counters"];
  #running: PromiseWithResolvers<void> | undefined;
  #broken: Error | undefined;

  private constructor(count: number, memory: WebAssembly.Memory, counters: Plan["counters"]) {
    this.#ints = new Int32Array(memory.buffer);
    this.#counters = counters;
    this.#workers = Array.from(
      { length: count },
      () => new Worker(new URL("./thread_worker.ts", import.meta.url), { type: "module" }),
    );
  }

  static async start(
    count: number,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    counters: Plan["counters"],
  ): Promise<Threads> {
    const threads = new Threads(count, memory, counters);
    threads.#ints[Control.threads / 4] = count;
    try {
      await Promise.all(threads.#workers.map((worker, thread) => {
        const ready = Promise.withResolvers<void>();
        worker.onmessage = ({ data }: MessageEvent<Report>) => {
          if ("error" in data) threads.#fail(data.error);
          else if ("done" in data) threads.#finish();
          else ready.resolve();
        };
        worker.onerror = (event) => {
          event.preventDefault();
          ready.reject(new Error(`Cannot start the engine's threads: ${event.message}`));
          threads.#fail(event.message);
        };
        worker.postMessage({ module, memory, thread } satisfies Start);
        return ready.promise;
      }));
    } catch (error) {
      for (const worker of threads.#workers) worker.terminate();
      throw error;
    }
    return threads;
  }

  /** @throws if they are running, closed or broken */
  assertIdle(): void {
    if (this.#broken) throw this.#broken;
    if (this.#running) {
      throw new Error("The engine is running: await its last call before the next");
    }
  }

  /** Runs a program on the first `rows` rows of the batch in memory. */
  run(program: number, rows: number): Promise<void> {
    if (this.#broken) return Promise.reject(this.#broken); // closed between two programs of a call
    const { address, count } = this.#counters, ints = this.#ints;
    const running = this.#running = Promise.withResolvers<void>();
    ints.fill(0, address / 4, address / 4 + count * 16);
    ints[Control.rows / 4] = rows;
    ints[Control.done / 4] = 0;
    this.#command(program);
    return running.promise;
  }

  /** Stops the threads after the running program. */
  async close(): Promise<void> {
    // At once: a call of several programs would start the next one, and wait for ended threads.
    this.#broken ??= new Error("The engine is closed");
    await this.#running?.promise.catch(() => {});
    this.#command(0);
    for (const worker of this.#workers) worker.terminate();
  }

  #command(program: number): void {
    this.#ints[Control.program / 4] = program;
    Atomics.add(this.#ints, Control.command / 4, 1);
    Atomics.notify(this.#ints, Control.command / 4);
  }

  #finish(): void {
    const running = this.#running;
    this.#running = undefined;
    running?.resolve();
  }

  #fail(message: string): void {
    this.#broken ??= new Error(`The engine stopped: ${message}`);
    for (const worker of this.#workers) worker.terminate();
    this.#running?.reject(this.#broken);
    this.#running = undefined;
  }
}
