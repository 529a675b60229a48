/** Dispatches jobs to workers on other machines and collects the outcomes. */
import { addAbortListener } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type BrokerClient,
  BrokerDisconnectedError,
  connectBroker,
  redactUrl,
} from "./broker_client.ts";
import type { CoordinatorRequest, Job, JobsSnapshot, JobState, RedisAddress } from "./protocol.ts";

export interface DispatchOptions {
  readonly redis: RedisAddress;
  readonly prefix: string;
  /** Unique id of the run. */
  readonly run: string;
  readonly signal: AbortSignal;
  /** This machine also runs a worker. */
  readonly ownWorker: boolean;
  info(message: string): void;
  warn(message: string): void;
}

/** A job to dispatch; its key is unique within the run. */
export interface Task extends Omit<Job, "id"> {
  readonly key: string;
}

export type Outcome =
  | { readonly key: string; readonly result: unknown }
  | { readonly key: string; readonly failed: string };

/** An outcome, or the states of unfinished jobs by key. */
export type JobEvent =
  | { readonly outcome: Outcome }
  | { readonly states: ReadonlyMap<string, JobState> };

/** Polling interval of the jobs, in ms. */
const INTERVAL = 300;
/** Timeout for canceling unfinished jobs, in ms. */
const DISCONNECT_TIMEOUT_MS = 3000;
/** Delay without an answer before a message names the server, in ms. */
const NO_ANSWER_NOTICE_MS = 5000;

/** Dispatches jobs. Yields each outcome exactly once, in any order. */
export async function* dispatchJobs(
  options: DispatchOptions,
  tasks: readonly Task[],
): AsyncGenerator<JobEvent> {
  const { run, redis, signal } = options;
  const left = new Map(tasks.map((task) => [`${run}-${task.key}`, task]));
  await using broker = new BrokerConnection(options, () => [...left.keys()]);
  const add = (ids: readonly string[]) =>
    broker.request({
      add: ids.map((id): Job => {
        const { data, priority } = left.get(id)!;
        return { id, data, priority };
      }),
    });
  await add([...left.keys()]);
  let alone = false;
  const logged = new Set<string>();
  while (left.size > 0) {
    const { jobs, workers, refused } = await broker.request<JobsSnapshot>({
      look: [...left.keys()],
    });
    for (const [name, why] of Object.entries(refused)) {
      const warning = `worker ${name} refused its job: ${why}`;
      if (!logged.has(warning)) options.warn(warning);
      logged.add(warning);
    }
    if (workers === 0 && !alone && !options.ownWorker) {
      options.info(
        `no worker is connected to ${redactUrl(redis)}; waiting. Start one on each machine: ` +
          `deno task worker --redis ${redactUrl(redis)} --artifacts FOLDER`,
      );
    }
    alone = workers === 0;
    yield { states: new Map(jobs.map((state) => [left.get(state.id)!.key, state])) };
    const again: string[] = [];
    const over: string[] = [];
    for (const state of jobs) {
      const { id } = state;
      if (state.state === "active" || state.state === "waiting") continue;
      if (state.state !== "gone") over.push(id);
      // A restarted server has lost the job; a null result is a job that its worker dropped.
      if (state.state === "gone" || state.state === "done" && state.result === null) {
        again.push(id);
        continue;
      }
      const { key } = left.get(id)!;
      left.delete(id);
      yield {
        outcome: state.state === "done"
          ? { key, result: state.result }
          : { key, failed: state.reason },
      };
    }
    if (over.length > 0) await broker.request({ remove: over });
    if (again.length > 0) await add(again);
    if (left.size > 0) await delay(INTERVAL, signal);
  }
}

/** Connection to the broker; reconnects when the broker crashes, and closes when the run ends. */
class BrokerConnection implements AsyncDisposable {
  #client: Promise<BrokerClient<CoordinatorRequest>> | undefined;

  /** @param left ids of the jobs to cancel on close */
  constructor(readonly options: DispatchOptions, readonly left: () => readonly string[]) {}

  async request<Answer>(request: CoordinatorRequest): Promise<Answer> {
    const { redis, prefix, run, signal, info, warn } = this.options;
    for (let opened = this.#client !== undefined, warned = "";;) {
      let client: BrokerClient<CoordinatorRequest> | undefined;
      signal.throwIfAborted();
      const notice = setTimeout(
        () => info(`${redactUrl(redis)} does not answer; waiting for it`),
        NO_ANSWER_NOTICE_MS,
      );
      try {
        this.#client ??= connectBroker({ role: "coordinator", redis, prefix, run });
        client = await abortable(this.#client, signal);
        opened = true;
        return await abortable(client.request<Answer>(request), signal);
      } catch (error) {
        signal.throwIfAborted();
        // The first connection must succeed; later ones are retried.
        if (!(error instanceof BrokerDisconnectedError) && !opened) throw error;
        const { message } = error as Error;
        if (!client || error instanceof BrokerDisconnectedError) this.#client = undefined;
        // Such as "OOM command not allowed when used memory > 'maxmemory'".
        else if (message !== warned) warn(`${redactUrl(redis)} refuses: ${message}; trying again`);
        warned = message;
        await delay(1000, signal);
      } finally {
        clearTimeout(notice);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leave = this.#client?.then((client) =>
      client.request({ remove: this.left(), leave: true })
    );
    await Promise.race([
      leave?.catch(() => {}),
      sleep(DISCONNECT_TIMEOUT_MS, null, { ref: false }),
    ]);
    await this.#client?.then((client) => client[Symbol.asyncDispose](), () => {});
  }
}

/** Returns the promise's value. @throws the signal's reason as soon as it aborts */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  using _abort = addAbortListener(signal, () => aborted.reject(signal.reason));
  return await Promise.race([promise, aborted.promise]);
}

/** Waits. @throws the signal's reason as soon as it aborts */
export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, null, { signal }).catch(() => signal.throwIfAborted());
}
