/** Inference workers behind a bounded queue: full queues refuse instead of growing. */
import type { Analysis } from "./api.ts";
import type { ProcessSetup } from "./inference_process.ts";
import type { AnalyzeOptions } from "./inference_session.ts";
import { InferenceWorker, type WorkerOptions } from "./inference_worker.ts";
import { busy, notReady } from "./problem.ts";

export interface PoolOptions extends WorkerOptions {
  readonly workers: number;
  /** Maximum number of waiting photos. */
  readonly queue: number;
}

interface Job {
  readonly photo: Uint8Array<ArrayBuffer>;
  readonly options: AnalyzeOptions;
  readonly since: number;
  readonly answer: PromiseWithResolvers<Analysis>;
}

export class InferencePool {
  readonly #queue: Job[] = [];
  #closed = false;
  /** Moving average of the time of an analysis in ms. */
  #usual = 300;

  private constructor(readonly workers: readonly InferenceWorker[], readonly maxQueue: number) {
    for (const worker of workers) worker.onIdle = () => this.#next();
  }

  /** Opens a pool. @throws if a worker does not start */
  static async open(setup: ProcessSetup, options: PoolOptions): Promise<InferencePool> {
    // Other backends have threads of their own, or share one device.
    const count = setup.backend === "wasm" || setup.backend === "cpu" ? options.workers : 1;
    const opened = await Promise.allSettled(
      Array.from({ length: count }, () => InferenceWorker.open(setup, options)),
    );
    const workers = opened.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const pool = new InferencePool(workers, options.queue);
    const failed = opened.find(({ status }) => status === "rejected");
    if (!failed) return pool;
    await pool.close();
    throw (failed as PromiseRejectedResult).reason;
  }

  /** True if a photo would be analyzed. */
  get ready(): boolean {
    return !this.#closed && this.workers.some(({ open }) => open);
  }

  /**
   * Analyzes a photo.
   * @param signal removes a photo that still waits
   * @throws {ImageError | Problem}
   */
  async analyze(
    photo: Uint8Array<ArrayBuffer>,
    options: AnalyzeOptions,
    signal?: AbortSignal,
  ): Promise<Analysis> {
    signal?.throwIfAborted();
    if (this.#closed) throw notReady();
    const waiting = this.#queue.length;
    if (waiting >= this.maxQueue) {
      const wait = waiting * this.#usual / 1000 / this.workers.length;
      const seconds = Math.max(1, Math.ceil(wait));
      throw busy(`${waiting} images are already waiting. Try again in ${seconds} s.`, seconds);
    }
    const answer = Promise.withResolvers<Analysis>();
    const job = { photo, options, since: performance.now(), answer };
    this.#queue.push(job);
    const cancel = () => {
      const place = this.#queue.indexOf(job);
      if (place >= 0) this.#queue.splice(place, 1)[0].answer.reject(signal!.reason);
    };
    signal?.addEventListener("abort", cancel);
    this.#next();
    return await answer.promise.finally(() => signal?.removeEventListener("abort", cancel));
  }

  /** Resolves when all workers have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { answer } of this.#queue.splice(0)) answer.reject(notReady());
    await Promise.all(this.workers.map((worker) => worker.close()));
  }

  #next(): void {
    for (const worker of this.workers) {
      if (this.#queue.length > 0 && worker.idle) void this.#run(worker, this.#queue.shift()!);
    }
  }

  async #run(worker: InferenceWorker, { photo, options, since, answer }: Job): Promise<void> {
    const started = performance.now();
    try {
      const { timings, ...result } = await worker.analyze(photo, options);
      const queue = started - since;
      answer.resolve({ ...result, timings: { queue, ...timings, total: timings.total + queue } });
    } catch (error) {
      answer.reject(error);
    } finally {
      this.#usual += (performance.now() - started - this.#usual) / 8;
    }
  }
}
