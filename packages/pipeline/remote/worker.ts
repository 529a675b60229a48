/** A worker on some machine: takes jobs, does them, and says so, until it is stopped. */
import { IncompatibleWorkerError } from "./compatibility.ts";
import { type PartTools, runShard } from "./run_shard.ts";
import { type PointTools, runSweepPoint } from "./run_sweep_point.ts";
import { abortable, delay } from "./coordinator.ts";
import { firstProblem, JOB_FORMAT, jobSchema } from "./job_schemas.ts";
import { ResourceCache } from "./resource_cache.ts";
import {
  type BrokerClient,
  BrokerDisconnectedError,
  connectBroker,
  redactUrl,
} from "./broker_client.ts";
import type { ClaimedJob, JobProgress, LeaseStatus, RedisPlace, WorkerAsks } from "./protocol.ts";

/** Options of a worker. */
export interface WorkerOptions extends Omit<PartTools, "kept">, PointTools {
  readonly redis: RedisPlace;
  readonly prefix: string;
  readonly name: string;
  readonly signal: AbortSignal;
}

/** What a job is done with. */
export interface JobLease {
  /** Aborts when the worker is stopped, or the job is another's. */
  readonly signal: AbortSignal;
  /** Reports further finished items. */
  advance(items: number): void;
  /** What it is at. */
  note(text: string): void;
}

/** The job is no longer ours. */
class Lost extends Error {}

/** Works until the signal aborts, and gives back the job in hand then. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { redis, prefix, name, lock, signal, say } = options;
  let link: BrokerClient<WorkerAsks> | undefined;
  const open = () => connectBroker<WorkerAsks>({ role: "worker", redis, prefix, name, lock });
  const kept = new ResourceCache();
  const refused = new Set<string>();
  try {
    link = await abortable(open(), signal);
    say(`connected to ${redactUrl(redis)} as ${name}; waiting for work`);
    while (!signal.aborted) {
      try {
        link ??= await open();
        const taken = await link.ask<ClaimedJob | null>({ take: true });
        if (taken === null) await kept.close();
        if (taken === null) continue;
        await answer({ ...options, kept }, link, taken, refused);
      } catch (error) {
        if (link === undefined) await delay(1000, signal);
        else if (!(error instanceof BrokerDisconnectedError)) throw error;
        else say(error.message);
        link = undefined;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await kept.close();
    if (signal.aborted) await link?.ask({ giveBack: true }).catch(() => {});
    await link?.[Symbol.asyncDispose]();
  }
}

/**
 * Does a job and tells the broker what came of it. A job that is refused goes back for other workers:
 * the next one may be of a run that has this worker's version.
 * @param refused reasons that were told
 */
async function answer(
  options: WorkerOptions & PartTools,
  link: BrokerClient<WorkerAsks>,
  taken: ClaimedJob,
  refused: Set<string>,
): Promise<void> {
  const { say, signal } = options;
  try {
    await link.ask({ done: await doJob(options, link, taken) });
  } catch (error) {
    await options.kept.close();
    if (error instanceof BrokerDisconnectedError) throw error;
    const { message } = error as Error;
    if (error instanceof IncompatibleWorkerError) {
      await link.ask({ refuse: message });
      if (!refused.has(message)) say(`refused: ${message}`);
      refused.add(message);
      return;
    }
    if (signal.aborted) say("the job at hand goes back to the queue");
    else if (error instanceof Lost) {
      say(`${message}; going on with the next one`);
      await link.ask({ done: null });
    } else {
      say(`failed: ${message}`);
      await link.ask({ fail: `${message} (on ${options.name})` });
    }
  }
}

/** Does a job of either kind, and returns what its run is told. @throws {IncompatibleWorkerError} */
async function doJob(
  options: WorkerOptions & PartTools,
  link: BrokerClient<WorkerAsks>,
  { id, data }: ClaimedJob,
): Promise<unknown> {
  const { version } = Object(data) as { version?: unknown };
  if (typeof version === "number" && version !== JOB_FORMAT) {
    throw new Error(
      `the run hands out jobs of form ${version}, the worker knows form ${JOB_FORMAT}: they need the ` +
        "same version.",
    );
  }
  const parsed = jobSchema.safeParse(data);
  if (!parsed.success) throw new Error(`what arrived is no job: ${firstProblem(parsed.error)}.`);
  const job = parsed.data;
  const act = job.kind === "part"
    ? (held: JobLease) => runShard(job, id.split("-").at(-1)!, options, held)
    : (held: JobLease) => runSweepPoint(job, options, held);
  if (job.kind === "point") await options.kept.close();
  return await hold<unknown>(options, link, act);
}

/** Does something while it keeps the job, and stops when the job is lost or the worker is. */
async function hold<T>(
  { signal, lock, name }: WorkerOptions,
  link: BrokerClient<WorkerAsks>,
  act: (held: JobLease) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  let standing: JobProgress = { items: 0, note: "", worker: name }, ended = false;
  const holding = (async () => {
    while (!ended && !stop.signal.aborted) {
      const { ours, why } = await link.ask<LeaseStatus>({ hold: standing });
      if (!ours) stop.abort(new Lost(`the job is lost: ${why}`));
      await new Promise((resolve) => setTimeout(resolve, Math.min(500, lock / 8)));
    }
  })().catch((error) => stop.abort(error));
  try {
    const both = AbortSignal.any([signal, stop.signal]);
    const result = await act({
      signal: both,
      advance: (items) => standing = { ...standing, items: standing.items + items },
      note: (note) => standing = { ...standing, note },
    });
    both.throwIfAborted();
    return result;
  } catch (error) {
    // Whatever it says: it was stopped.
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    ended = true;
    await holding;
  }
}
