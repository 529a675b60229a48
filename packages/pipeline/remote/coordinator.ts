/** Hands jobs to workers on other machines, and waits for all of them. */
import {
  type BrokerClient,
  BrokerDisconnectedError,
  connectBroker,
  redactUrl,
} from "./broker_client.ts";
import type { CoordinatorAsks, Job, JobsSnapshot, JobState, RedisPlace } from "./protocol.ts";

/** Options for dispatching jobs. */
export interface DispatchOptions {
  readonly redis: RedisPlace;
  readonly prefix: string;
  /** Names the run among others. */
  readonly run: string;
  readonly signal: AbortSignal;
  /** Whether this machine works as well, so that there is a worker. */
  readonly ownWorker: boolean;
  info(message: string): void;
  warn(message: string): void;
}

/** A job to hand out; its key is unique within the run. */
export interface Task extends Omit<Job, "id"> {
  readonly key: string;
}

/** What a worker said of a job, or why none could do it. */
export type Outcome =
  | { readonly key: string; readonly result: unknown }
  | { readonly key: string; readonly failed: string };

/** The states of the jobs that are not done, by their keys. */
export type States = ReadonlyMap<string, JobState>;

/** Polling interval of the jobs, in ms. */
const INTERVAL = 300;
/** Timeout for canceling unfinished jobs, in ms. */
const DISCONNECT_TIMEOUT_MS = 3000;
/** After this many ms without an answer it says what it waits for. */
const NO_ANSWER_NOTICE_MS = 5000;

/** Has jobs done; each is told when it is, in any order and exactly once, and how the others are. */
export async function* dispatchJobs(
  hands: DispatchOptions,
  tasks: readonly Task[],
): AsyncGenerator<{ readonly outcome: Outcome } | { readonly states: States }> {
  const { run, redis, signal } = hands;
  const left = new Map(tasks.map((task) => [`${run}-${task.key}`, task]));
  await using line = new BrokerConnection(hands, () => [...left.keys()]);
  const add = (ids: readonly string[]) => {
    const jobs = ids.map((id): Job => {
      const { data, priority } = left.get(id)!;
      return { id, data, priority };
    });
    return line.ask({ add: jobs });
  };
  await add([...left.keys()]);
  let alone = false;
  const told = new Set<string>();
  while (left.size > 0) {
    const { jobs, workers, refused } = await line.ask<JobsSnapshot>({ look: [...left.keys()] });
    for (const [name, why] of Object.entries(refused)) {
      const line = `worker ${name} is refused: ${why}`;
      if (!told.has(line)) hands.warn(line);
      told.add(line);
    }
    if (workers === 0 && !alone && !hands.ownWorker) {
      hands.info(
        `no worker is connected to ${redactUrl(redis)}; waiting for one: deno task worker ` +
          `--redis ${redactUrl(redis)} --artifacts FOLDER, on each machine`,
      );
    }
    alone = workers === 0;
    yield { states: new Map(jobs.map((state) => [left.get(state.id)!.key, state])) };
    const again: string[] = [];
    const over: string[] = [];
    for (const state of jobs) {
      const { key } = left.get(state.id)!;
      // A server that was started anew has forgotten; a result of null was dropped by its worker.
      if (state.state === "gone") again.push(state.id);
      else if (state.state === "done" && state.result === null) {
        again.push(state.id);
        over.push(state.id);
      } else if (state.state === "done" || state.state === "failed") {
        left.delete(state.id);
        over.push(state.id);
        yield {
          outcome: state.state === "done"
            ? { key, result: state.result }
            : { key, failed: state.reason },
        };
      }
    }
    if (over.length > 0) await line.ask({ remove: over });
    if (again.length > 0) await add(again);
    if (left.size > 0) await delay(INTERVAL, signal);
  }
}

/** The line to the broker, opened anew when that dies, and closed at once when the run is. */
class BrokerConnection implements AsyncDisposable {
  readonly #hands: DispatchOptions;
  #link: Promise<BrokerClient<CoordinatorAsks>> | undefined;

  /** @param left ids of jobs that nobody wants any more when it closes */
  constructor(hands: DispatchOptions, readonly left: () => readonly string[]) {
    this.#hands = hands;
  }

  async ask<Answer>(asks: CoordinatorAsks): Promise<Answer> {
    const { redis, prefix, run, signal, info } = this.#hands;
    const place = redactUrl(redis);
    for (let opened = this.#link !== undefined;;) {
      signal.throwIfAborted();
      const waits = setTimeout(
        () => info(`${place} does not answer; waiting for it`),
        NO_ANSWER_NOTICE_MS,
      );
      try {
        this.#link ??= connectBroker({ role: "coordinator", redis, prefix, run });
        const link = await abortable(this.#link, signal);
        opened = true;
        return await abortable(link.ask<Answer>(asks), signal);
      } catch (error) {
        signal.throwIfAborted();
        // At first Redis has to be there; later it is waited for.
        if (!(error instanceof BrokerDisconnectedError) && !opened) throw error;
        this.#link = undefined;
        await delay(1000, signal);
      } finally {
        clearTimeout(waits);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leave = async () => {
      const link = await this.#link;
      await link?.ask({ leave: this.left() });
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const enough = new Promise<void>((resolve) =>
      timer = setTimeout(resolve, DISCONNECT_TIMEOUT_MS)
    );
    // Without a server there is nothing to take leave of.
    await Promise.race([leave().catch(() => {}), enough]);
    clearTimeout(timer);
    await this.#link?.then((link) => link[Symbol.asyncDispose](), () => {});
  }
}

/** A promise's value, unless the signal aborts before. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await abortable(new Promise<void>((resolve) => timer = setTimeout(resolve, ms)), signal);
  } finally {
    clearTimeout(timer);
  }
}
