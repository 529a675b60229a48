/** Inference processes behind a bounded queue: full queues refuse instead of growing. */
import { type Child, type Reply, startChild } from "../../packages/workers/child.ts";
import { ImageError } from "../images/decode_image.ts";
import type { Analysis } from "./api.ts";
import type { Outcome, ProcessSetup } from "./inference_process.ts";
import type { AnalyzeOptions } from "./inference_session.ts";
import { busy, notReady, Problem } from "./problem.ts";

export interface PoolOptions {
  readonly workers: number;
  /** Maximum number of waiting photos. */
  readonly queue: number;
  /** Timeout of an analysis in seconds. */
  readonly timeout: number;
  /** Called with the reason when a process is replaced. */
  warn(message: string): void;
}

interface Job {
  readonly photo: Uint8Array<ArrayBuffer>;
  readonly options: AnalyzeOptions;
  readonly since: number;
  /** Time when a worker took it; `since` while it waits. */
  started: number;
  readonly answer: PromiseWithResolvers<Analysis>;
}

/** Pause in ms before a process that does not start is started again. */
const RETRY_MS = 5000;

export class InferencePool {
  readonly #queue: Job[] = [];
  readonly #workers: readonly Worker[];
  #state: "starting" | "open" | "closed" = "starting";
  /** Moving average of the time of an analysis in ms. */
  #usual = 300;

  constructor(setup: ProcessSetup, readonly options: PoolOptions) {
    // Other backends have threads of their own, or share one device.
    const count = setup.backend === "wasm" || setup.backend === "cpu" ? options.workers : 1;
    const next = () => this.#next();
    this.#workers = Array.from({ length: count }, () => new Worker(setup, options, next));
  }

  /** Starts the processes. @throws if one does not start; then all are closed */
  async open(): Promise<this> {
    const started = await Promise.allSettled(this.#workers.map((worker) => worker.start()));
    const failed = started.find((one) => one.status === "rejected");
    if (failed) {
      await this.close();
      throw failed.reason;
    }
    this.#state = "open";
    return this;
  }

  /** Returns "ready" if a photo would be analyzed. */
  get status(): "ready" | "starting" | "stopping" {
    if (this.#state === "starting") return "starting";
    const works = this.#workers.some(({ state }) => state !== "failed");
    return this.#state === "open" && works ? "ready" : "stopping";
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get running(): number {
    return this.#workers.filter(({ job }) => job).length;
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
    if (this.#state !== "open") throw notReady();
    const waiting = this.#queue.length;
    if (waiting >= this.options.queue) {
      const wait = waiting * this.#usual / 1000 / this.#workers.length;
      const seconds = Math.max(1, Math.ceil(wait));
      throw busy(`${waiting} images are already waiting. Try again in ${seconds} s.`, seconds);
    }
    const since = performance.now();
    const job: Job = { photo, options, since, started: since, answer: Promise.withResolvers() };
    this.#queue.push(job);
    const cancel = () => {
      const place = this.#queue.indexOf(job);
      if (place >= 0) this.#queue.splice(place, 1)[0].answer.reject(signal!.reason);
    };
    signal?.addEventListener("abort", cancel);
    this.#next();
    try {
      return await job.answer.promise;
    } finally {
      signal?.removeEventListener("abort", cancel);
      if (job.started > since) this.#usual += (performance.now() - job.started - this.#usual) / 8;
    }
  }

  /** Resolves when all workers have ended. */
  async close(): Promise<void> {
    this.#state = "closed";
    for (const { answer } of this.#queue.splice(0)) answer.reject(notReady());
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #next(): void {
    for (const worker of this.#workers) {
      if (this.#queue.length > 0 && worker.state === "open" && !worker.job) {
        worker.run(this.#queue.shift()!);
      }
    }
  }
}

/**
 * Analyzes one photo at a time, in a process that is replaced when it crashes, is too slow or takes
 * too much memory. Only a process can be ended in the middle of native code.
 */
class Worker {
  state: "starting" | "open" | "failed" = "starting";
  job: Job | undefined;
  /** The process; undefined if none could be started. */
  #child: Child | undefined;
  /** Timeout of the analysis, or pause before the next start. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    readonly setup: ProcessSetup,
    readonly options: PoolOptions,
    readonly onIdle: () => void,
  ) {}

  /** Starts the process. @throws if it does not start */
  async start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.state = "starting";
    const module = new URL("./inference_process.ts", import.meta.url);
    const run = Object.keys(this.setup.plugins ?? {}).length > 0;
    this.#child = startChild({ module, opening: this.setup, run }, {
      reply: (reply) => {
        if ("ready" in reply) {
          this.state = "open";
          resolve();
        } else if (this.state === "open") this.#take(reply);
        else if ("error" in reply) reject(errorOf(reply));
      },
      crashed: (how) => {
        const error = new Error(`A worker process crashed (${how}).`);
        if (this.state === "open") this.#replace(error);
        else reject(error);
      },
    });
    await promise;
  }

  run(job: Job): void {
    this.job = job;
    job.started = performance.now();
    this.#child!.send(job.options, job.photo);
    const { timeout } = this.options;
    this.#timer = setTimeout(() => {
      const message = `The image took more than ${timeout} s. Send a smaller one, or retry later.`;
      this.#replace(new Problem(504, "too_slow", message));
    }, timeout * 1000);
  }

  /** Resolves when the process has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#end()?.answer.reject(notReady());
    await this.#child?.close();
  }

  #take(reply: Exclude<Reply, { ready: true }>): void {
    const outcome = "error" in reply ? errorOf(reply) : reply.answer as Outcome;
    if ("fatal" in outcome) return this.#replace(new ImageError(outcome.unreadable));
    const job = this.#end();
    if (outcome instanceof Error) job!.answer.reject(outcome);
    else if ("result" in outcome) {
      const { timings } = outcome.result, queue = job!.started - job!.since;
      const total = timings.total + queue;
      job!.answer.resolve({ ...outcome.result, timings: { ...timings, queue, total } });
    } else job!.answer.reject(new ImageError(outcome.unreadable, undefined, outcome.way));
    this.onIdle();
  }

  /** Ends the job's time; returns it. */
  #end(): Job | undefined {
    clearTimeout(this.#timer);
    const { job } = this;
    this.job = undefined;
    return job;
  }

  #replace(why: Error): void {
    void this.#child!.close();
    this.#end()?.answer.reject(why);
    this.options.warn(`${why.message} The worker is replaced.`);
    this.#restart();
  }

  #restart(): void {
    this.start().then(this.onIdle, (error: Error) => {
      void this.#child?.close();
      if (this.#closed) return;
      this.state = "failed";
      this.options.warn(`Cannot start a worker (${error.message}); retry in ${RETRY_MS / 1000} s`);
      this.#timer = setTimeout(() => this.#restart(), RETRY_MS);
    });
  }
}

function errorOf({ error, stack = "" }: Extract<Reply, { error: string }>): Error {
  const name = /^\w+/.exec(stack)?.[0] ?? "Error";
  return Object.assign(new Error(error), { name, stack });
}
