/**
 * Analysers, and a bounded queue before them: the thread that answers requests does not compute, and
 * a crowd is told when to come back rather than kept waiting.
 */
import type { AnalyzeOptions, Setup } from "./inference_session.ts";
import { inProcess, inThread, openInferenceWorker, openInlineWorker } from "./inference_worker.ts";
import type { Analysis } from "./api.ts";

/** There are as many waiting as may wait. */
export class QueueFullError extends Error {
  override readonly name = "Busy";
  /** @param seconds when to try again */
  constructor(waiting: number, readonly seconds: number) {
    super(`${waiting} pictures are waiting already. Try again in ${seconds} s.`);
  }
}

/** The server stops. */
export class ServiceStoppingError extends Error {
  override readonly name = "Stopping";
  constructor() {
    super("The server is stopping.");
  }
}

export interface PoolOptions {
  readonly workers: number;
  /** Pictures that may wait for a worker. */
  readonly queue: number;
  /** Longest time for one picture, in seconds; then its worker is replaced. */
  readonly timeout: number;
  /**
   * Whether each worker is a process, which is ended with all that a picture made it do; threads
   * unless given. Starting processes takes a right that not every command has.
   */
  readonly processes?: boolean;
  /** Told of a worker that was replaced. */
  warn(message: string): void;
}

export interface Pool {
  /** Whether a picture would be answered. */
  readonly ready: boolean;
  readonly waiting: number;
  readonly running: number;
  /**
   * Analyses a picture. Its bytes may be moved to a worker: they are gone.
   * @param signal gives up a picture that still waits
   * @throws {PictureError | TooSlow | QueueFullError | ServiceStoppingError}
   */
  analyse(
    photo: Uint8Array<ArrayBuffer>,
    wishes: AnalyzeOptions,
    signal?: AbortSignal,
  ): Promise<Analysis>;
  /** Resolves when all workers have ended. */
  close(): Promise<void>;
}

interface Job {
  readonly photo: Uint8Array<ArrayBuffer>;
  readonly wishes: AnalyzeOptions;
  readonly since: number;
  readonly answer: PromiseWithResolvers<Analysis>;
}

/** Opens a pool. @throws if an analyser does not start */
export async function openPool(setup: Setup, options: PoolOptions): Promise<Pool> {
  const { workers, processes = false, timeout, warn } = options;
  // The other backends have threads of their own, or share one device.
  const single = setup.backend !== "wasm" && setup.backend !== "cpu";
  const launch = processes ? inProcess : inThread;
  const analysts = single && !processes
    ? [await openInlineWorker(setup)]
    : await openAll(single ? 1 : workers, () => openInferenceWorker(launch, setup, timeout, warn));
  const queue: Job[] = [];
  let closed = false;
  let running = 0;
  /** How long a picture took lately, in ms. */
  let usual = 300;

  const next = () => {
    for (const analyst of analysts) {
      const job = analyst.idle ? queue.shift() : undefined;
      if (job) void work(analyst, job);
    }
  };
  const work = async (analyst: typeof analysts[number], { photo, wishes, since, answer }: Job) => {
    const started = performance.now();
    running++;
    try {
      const { timings, ...result } = await analyst.analyse(photo, wishes);
      const queued = started - since;
      answer.resolve({
        ...result,
        timings: { queue: queued, ...timings, total: timings.total + queued },
      });
    } catch (error) {
      answer.reject(closed ? new ServiceStoppingError() : error);
    } finally {
      running--;
      usual += (performance.now() - started - usual) / 8;
    }
  };
  analysts.forEach((analyst) => analyst.onIdle = next);

  return {
    get ready() {
      return !closed && analysts.some(({ open }) => open);
    },
    get waiting() {
      return queue.length;
    },
    get running() {
      return running;
    },
    async analyse(photo, wishes, signal) {
      signal?.throwIfAborted();
      if (closed) throw new ServiceStoppingError();
      if (queue.length >= options.queue) {
        const wait = queue.length * usual / 1000 / analysts.length;
        throw new QueueFullError(queue.length, Math.max(1, Math.ceil(wait)));
      }
      const answer = Promise.withResolvers<Analysis>();
      const job = { photo, wishes, since: performance.now(), answer };
      queue.push(job);
      const giveUp = () => {
        const place = queue.indexOf(job);
        if (place < 0) return;
        queue.splice(place, 1);
        answer.reject(signal!.reason);
      };
      signal?.addEventListener("abort", giveUp);
      next();
      return await answer.promise.finally(() => signal?.removeEventListener("abort", giveUp));
    },
    async close() {
      closed = true;
      for (const { answer } of queue.splice(0)) answer.reject(new ServiceStoppingError());
      await Promise.all(analysts.map((analyst) => analyst.close()));
    },
  };
}

/** Opens several at once; if one fails, all are closed. */
async function openAll<T extends { close(): Promise<void> }>(
  count: number,
  open: () => Promise<T>,
): Promise<T[]> {
  const opened = await Promise.allSettled(Array.from({ length: count }, open));
  const failed = opened.find((result) => result.status === "rejected");
  if (!failed) return opened.map((result) => (result as PromiseFulfilledResult<T>).value);
  await Promise.all(opened.map((result) => result.status === "fulfilled" && result.value.close()));
  throw failed.reason;
}
