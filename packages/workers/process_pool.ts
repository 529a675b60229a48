/**
 * A crew of workers that share tasks. Each is a process of its own, not a thread: native code that
 * crashes, and a heap that is full, end the process they are in, and with it every thread.
 *
 * A worker has one task in hand and others waiting, so that it is known which one it died of. It is
 * replaced, and the task given out once more; the second worker that dies of it is the last one. One
 * that does not come back from a task within the limit of time is ended, and has died of it.
 */
import { cores } from "./cores.ts";
import { type Child, type Reply, startChild, type WorkerSpec } from "./child.ts";

/** What became of a task. */
export type Result<Answer> =
  | { readonly answer: Answer; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Two workers crashed on the task; a description of how. */
  | { readonly crashed: string };

/** Workers that share tasks. */
export interface ProcessPool<Task, Answer> extends AsyncDisposable {
  /**
   * Has a task done by one of the workers, in the order of asking.
   * @throws what the worker threw; if workers do not start; if the signal was aborted
   */
  run(task: Task): Promise<Result<Answer>>;
  /** How many times a worker died and was replaced. */
  readonly replaced: number;
}

interface Job {
  readonly task: unknown;
  readonly promise: PromiseWithResolvers<Result<unknown>>;
  deaths: number;
}

/** Tasks that a worker has: one in hand, the others so that it need not wait for the next. */
const PREFETCH = 3;
/** How long a task may take unless told otherwise, in seconds. */
const LIMIT = 300;
/**
 * Parts of the limit. They are counted, not the time: while all processes are stopped, or the machine
 * sleeps, no worker is late.
 */
const WATCHDOG_TICKS = 8;
/** Limits of a task that a worker has to open in: it may have to compile, or even to download. */
const OPENING = 10;
/**
 * Workers that may die one after the other, without an answer from any, before all is given up: it is
 * not tasks then that they die of. Twenty bad ones in a row must pass, or no run would get beyond them.
 */
const MAX_CONSECUTIVE_CRASHES = 40;

/**
 * Opens a crew: one worker now, the others when there is work for them. A task may take `seconds`.
 * @param signal when it aborts, the workers end at once, and what was asked fails with its reason
 */
export function openPool<Task, Answer>(
  kind: WorkerSpec & { readonly workers: number; readonly seconds?: number },
  signal?: AbortSignal,
): ProcessPool<Task, Answer> {
  const { seconds = LIMIT } = kind;
  const pending: Job[] = [];
  const posts: Post[] = [];
  let failure: Error | undefined;
  let replaced = 0, inARow = 0;

  /** A worker's place, which outlives the workers that take it. */
  class Post {
    readonly jobs: Job[] = [];
    #ready = false;
    /** Parts of the limit that have passed since it last said something, or had nothing to do. */
    #silent = 0;
    #late = false;
    member: Child = this.#start();

    #start(): Child {
      this.#ready = this.#late = false;
      this.#silent = 0;
      return startChild(kind, {
        reply: (reply, bytes) => this.#reply(reply, bytes),
        died: (how) => this.#died(how),
      });
    }

    /** Called when a part of the limit has passed. */
    watch(): void {
      const idle = this.#ready && this.jobs.length === 0;
      this.#silent = idle ? 0 : this.#silent + 1;
      if (this.#silent <= WATCHDOG_TICKS * (this.#ready ? 1 : OPENING)) return;
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
        else return fail(error);
      } else if ("ready" in reply) {
        this.#ready = true;
      } else {
        inARow = 0;
        this.jobs.shift()!.promise.resolve({ answer: reply.answer, bytes });
      }
      this.take();
    }

    #died(end: string): void {
      const late = this.#ready ? `no answer within ${seconds} s` : "it did not open in time";
      const how = this.#late ? late : end;
      const jobs = this.jobs.splice(0);
      if (jobs.length > 0 && ++jobs[0].deaths === 2) {
        jobs.shift()!.promise.resolve({ crashed: how });
      }
      pending.unshift(...jobs);
      if (++inARow >= MAX_CONSECUTIVE_CRASHES || !this.#ready && inARow > 1) {
        return fail(new Error(`Cannot go on: workers die one after the other (${how}).`));
      }
      replaced++;
      this.member = this.#start();
    }
  }

  function fail(error: Error): void {
    failure ??= error;
    const left = [...pending.splice(0), ...posts.flatMap(({ jobs }) => jobs.splice(0))];
    for (const { promise } of left) promise.reject(failure);
    void close();
  }
  const watching = setInterval(() => {
    for (const post of posts) post.watch();
  }, seconds * 1000 / WATCHDOG_TICKS);
  async function close(): Promise<void> {
    clearInterval(watching);
    signal?.removeEventListener("abort", abort);
    await Promise.all(posts.map(({ member }) => member.close()));
  }
  const abort = () => fail(signal!.reason);
  signal?.addEventListener("abort", abort);

  return {
    get replaced() {
      return replaced;
    },
    async run(task) {
      signal?.throwIfAborted();
      if (failure) throw failure;
      const job: Job = { task, promise: Promise.withResolvers(), deaths: 0 };
      pending.push(job);
      if (posts.length < kind.workers && pending.length > 0) posts.push(new Post());
      for (const post of posts) post.take();
      return await job.promise.promise as Result<Answer>;
    },
    [Symbol.asyncDispose]: async () => {
      fail(new Error("The workers were sent home."));
      await close();
    },
  };
}

/** Memory, in bytes, that a worker should find. */
const BYTES_PER_WORKER = 2 ** 29;

/** How many workers there had better be: one a core, as far as memory and work allow. */
export function defaultPoolSize(tasks: number, tasksEach: number): number {
  const room = Math.floor(Deno.systemMemoryInfo().available / BYTES_PER_WORKER);
  return Math.max(1, Math.min(cores(), room, Math.ceil(tasks / tasksEach)));
}
