/**
 * A process pool. Workers are processes, not threads: a crash in native code or a full heap ends all
 * threads of a process.
 *
 * A worker processes one task and has others queued, so a crash is attributed to one task. A crashed
 * worker is replaced and its task retried once. A worker that exceeds the timeout is killed, which
 * counts as a crash.
 */
import { cores } from "./cores.ts";
import { type Child, type Reply, startChild, type WorkerSpec } from "./child.ts";

export type Result<Answer> =
  | { readonly answer: Answer; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Two workers crashed on the task; a description of how. */
  | { readonly crashed: string };

export interface ProcessPool<Task, Answer> extends AsyncDisposable {
  /**
   * Runs a task on one of the workers; tasks start in call order.
   * @throws the worker's error; if workers do not start, the task is no JSON or the signal is aborted
   */
  run(task: Task): Promise<Result<Answer>>;
  /** Number of crashed workers that were replaced. */
  readonly replaced: number;
}

interface Job {
  readonly task: unknown;
  readonly promise: PromiseWithResolvers<Result<unknown>>;
  crashes: number;
}

/** Tasks per worker: one in progress, the others queued, so it never waits for the next. */
const PREFETCH = 3;
const TIMEOUT_SECONDS = 300;
/**
 * Ticks per timeout. Ticks are counted instead of time, so a suspended machine does not cause
 * timeouts.
 */
const WATCHDOG_TICKS = 8;
/** Timeout of a worker's start in task timeouts: it may compile or download. */
const START_TIMEOUTS = 10;
/**
 * Consecutive worker crashes before giving up: the tasks are then not the cause. Twenty bad tasks in a
 * row must pass, since each crashes two workers.
 */
const MAX_CONSECUTIVE_CRASHES = 40;

/**
 * Opens a process pool. Workers start on demand.
 * @param kind the workers; `seconds` is the timeout of a task
 * @param signal when it aborts, the workers are killed and pending tasks fail with its reason
 */
export function openPool<Task, Answer>(
  kind: WorkerSpec & { readonly workers: number; readonly seconds?: number },
  signal?: AbortSignal,
): ProcessPool<Task, Answer> {
  const { seconds = TIMEOUT_SECONDS } = kind;
  if (!(kind.workers >= 1)) throw new RangeError(`Cannot open a pool of ${kind.workers} workers.`);
  const pending: Job[] = [];
  const slots: Slot[] = [];
  let failure: Error | undefined;
  let replaced = 0, inARow = 0;

  /** A slot of the pool: a worker and its replacements after crashes. */
  class Slot {
    readonly jobs: Job[] = [];
    #ready = false;
    /** Ticks since the last message, or since it was idle. */
    #silent = 0;
    #late = false;
    member: Child = this.#start();

    #start(): Child {
      this.#ready = this.#late = false;
      this.#silent = 0;
      return startChild(kind, {
        reply: (reply, bytes) => this.#reply(reply, bytes),
        crashed: (how) => this.#crashed(how),
      });
    }

    /** Checks the timeout, once per tick. */
    watch(): void {
      const idle = this.#ready && this.jobs.length === 0;
      this.#silent = idle ? 0 : this.#silent + 1;
      if (this.#silent <= WATCHDOG_TICKS * (this.#ready ? 1 : START_TIMEOUTS)) return;
      this.#late = true;
      this.member.kill();
    }

    take(): void {
      if (!this.#ready) return;
      if (this.jobs.length === 0) this.#silent = 0;
      while (this.jobs.length < PREFETCH && pending.length > 0) {
        const job = pending.shift()!;
        this.jobs.push(job);
        this.member.send(job.task);
      }
    }

    #reply(reply: Reply, bytes: Uint8Array<ArrayBuffer>): void {
      this.#silent = 0;
      if ("error" in reply) {
        const error = new Error(reply.error);
        error.stack = reply.stack;
        if (this.#ready) this.jobs.shift()!.promise.reject(error);
        else return void fail(error);
      } else if ("ready" in reply) {
        this.#ready = true;
      } else if (!reply.event) {
        inARow = 0;
        this.jobs.shift()!.promise.resolve({ answer: reply.answer, bytes });
      }
      this.take();
    }

    #crashed(end: string): void {
      const late = this.#ready ? `no answer within ${seconds} s` : "it did not open in time";
      const how = this.#late ? late : end;
      const jobs = this.jobs.splice(0);
      if (jobs.length > 0 && ++jobs[0].crashes === 2) {
        jobs.shift()!.promise.resolve({ crashed: how });
      }
      pending.unshift(...jobs);
      if (++inARow >= MAX_CONSECUTIVE_CRASHES || !this.#ready && inARow > 1) {
        const why = `${inARow} consecutive worker crashes (${how})`;
        return void fail(new Error(`Cannot continue: ${why}.`));
      }
      replaced++;
      // Thrown here, an error would end the program.
      void Promise.try(() => this.member = this.#start()).catch(fail);
    }
  }

  /** Closes the pool. */
  async function fail(error: Error): Promise<void> {
    failure ??= error;
    const left = [...pending.splice(0), ...slots.flatMap(({ jobs }) => jobs.splice(0))];
    for (const { promise } of left) promise.reject(failure);
    clearInterval(watching);
    signal?.removeEventListener("abort", abort);
    await Promise.all(slots.map(({ member }) => member.close()));
  }
  const watch = () => slots.forEach((slot) => slot.watch());
  const watching = setInterval(watch, seconds * 1000 / WATCHDOG_TICKS);
  const abort = () => void fail(signal!.reason);
  signal?.addEventListener("abort", abort);

  return {
    get replaced() {
      return replaced;
    },
    async run(task) {
      signal?.throwIfAborted();
      if (failure) throw failure;
      JSON.stringify(task); // throws before it is queued: answers are matched by order
      if (slots.length < kind.workers) slots.push(new Slot());
      const job: Job = { task, promise: Promise.withResolvers(), crashes: 0 };
      pending.push(job);
      for (const slot of slots) slot.take();
      return await job.promise.promise as Result<Answer>;
    },
    [Symbol.asyncDispose]: () => fail(new Error("The process pool is closed.")),
  };
}

const BYTES_PER_WORKER = 2 ** 29;

/** Returns the default number of workers: one per core, limited by free memory and tasks. */
export function defaultPoolSize(tasks: number, tasksEach: number): number {
  const room = Math.floor(Deno.systemMemoryInfo().available / BYTES_PER_WORKER);
  return Math.max(1, Math.min(cores(), room, Math.ceil(tasks / tasksEach)));
}
