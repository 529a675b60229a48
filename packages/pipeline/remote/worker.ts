/** A worker: takes jobs from the queue and processes them one at a time until it is stopped. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "../app.ts";
import { IncompatibleWorkerError } from "./compatibility.ts";
import { localStages, ResourceCache, runShard } from "./run_shard.ts";
import { runSweepJob } from "./run_sweep_job.ts";
import { abortable, delay } from "./coordinator.ts";
import { firstProblem, JOB_FORMAT, jobSchema } from "./job_schemas.ts";
import {
  type BrokerClient,
  BrokerDisconnectedError,
  connectBroker,
  redactUrl,
} from "./broker_client.ts";
import type {
  ClaimedJob,
  JobProgress,
  LeaseStatus,
  RedisAddress,
  WorkerRequest,
} from "./protocol.ts";

export interface WorkerOptions {
  readonly redis: RedisAddress;
  readonly prefix: string;
  readonly name: string;
  /** Ms without a heartbeat after which it loses its job. */
  readonly lock: number;
  /** The shared folder on this machine. */
  readonly artifacts: string;
  /** Concurrent processes; 0: one per core. */
  readonly workers: number;
  readonly signal: AbortSignal;
  log(line: string): void;
}

/** A worker, and what it runs jobs with. */
export interface RunningWorker extends WorkerOptions {
  readonly app: Pick<App, "project" | "stages" | "resolveCompute" | "denoArgs">;
  readonly stage: Awaited<ReturnType<typeof localStages>>;
  readonly resources: ResourceCache;
}

export interface JobLease {
  /** Aborts when the worker is stopped or the lease is lost. */
  readonly signal: AbortSignal;
  /** Reports further finished items. */
  advance(items: number): void;
  /** Reports the current step. */
  note(text: string): void;
}

type Client = BrokerClient<WorkerRequest>;

class LeaseLostError extends Error {}

/** Processes jobs until the signal aborts, then releases the current one. */
export async function runWorker(options: WorkerOptions, app: RunningWorker["app"]): Promise<void> {
  const { redis, prefix, name, lock, signal, log } = options;
  let client: Client | undefined;
  const open = () => connectBroker<WorkerRequest>({ role: "worker", redis, prefix, name, lock });
  const resources = new ResourceCache();
  const worker = { ...options, app, stage: await localStages(app), resources };
  const refused = new Set<string>();
  try {
    client = await abortable(open(), signal);
    log(`connected to ${redactUrl(redis)} as ${name}; waiting for work`);
    while (!signal.aborted) {
      try {
        client ??= await open();
        const job = await client.request<ClaimedJob | null>({ take: true });
        if (job) await processJob(worker, client, job, refused);
        else await resources.close();
      } catch (error) {
        if (client === undefined) await delay(1000, signal);
        else if (!(error instanceof BrokerDisconnectedError)) throw error;
        else log(`${error.message}; reconnecting`);
        client = undefined;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await resources.close();
    if (signal.aborted) await client?.request({ giveBack: true }).catch(() => {});
    await client?.[Symbol.asyncDispose]();
  }
}

/**
 * Processes a job and sends the outcome to the broker. A refused job returns to the queue for other
 * workers; the next one may be of a run that has this worker's version.
 * @param refused reasons that were logged
 */
async function processJob(
  worker: RunningWorker,
  client: Client,
  job: ClaimedJob,
  refused: Set<string>,
): Promise<void> {
  const { log, signal, name } = worker;
  try {
    await client.request({ done: await runJob(worker, client, job) });
  } catch (error) {
    await worker.resources.close();
    if (error instanceof BrokerDisconnectedError) throw error;
    const { message } = error as Error;
    if (error instanceof IncompatibleWorkerError) {
      await client.request({ refuse: message });
      if (!refused.has(message)) log(`refused: ${message}`);
      refused.add(message);
    } else if (signal.aborted) log("the current job returns to the queue");
    else if (error instanceof LeaseLostError) {
      log(`${message}; waiting for the next job`);
      await client.request({ done: null });
    } else {
      log(`failed: ${message}`);
      await client.request({ fail: `${message} (on ${name})` });
    }
  }
}

/**
 * Writes into the artifact folder: a machine that cannot fails a job at once, and takes the next one
 * before others have done theirs. A full disk or a missing folder is reported by the job.
 * @throws {IncompatibleWorkerError}
 */
async function assertWritable(artifacts: string): Promise<void> {
  const probe = join(artifacts, `.worker-${crypto.randomUUID()}`);
  try {
    await Deno.mkdir(probe);
    await Deno.remove(probe);
  } catch (error) {
    const { code = "", message } = error as Error & { code?: string };
    if (["ENOENT", "ENOTDIR", "ENOSPC", "EDQUOT"].includes(code)) return;
    const [why] = message.split(": "); // each reason is logged once
    throw new IncompatibleWorkerError(`it cannot write to "${artifacts}": ${why}`);
  }
}

/** Runs a job of either kind. @throws {IncompatibleWorkerError} */
async function runJob(worker: RunningWorker, client: Client, { id, data }: ClaimedJob) {
  const { version } = Object(data) as { version?: unknown };
  if (typeof version === "number" && version !== JOB_FORMAT) {
    throw new Error(
      `Cannot read a job of format ${version}: the worker has format ${JOB_FORMAT}. Update run and ` +
        "worker to the same version.",
    );
  }
  const parsed = jobSchema.safeParse(data);
  if (!parsed.success) throw new Error(`Cannot read a job: ${firstProblem(parsed.error)}.`);
  const job = parsed.data;
  await assertWritable(worker.artifacts);
  if (job.kind === "part") {
    const key = id.split("-").at(-1)!;
    return await withLease(worker, client, (lease) => runShard(job, key, worker, lease));
  }
  await worker.resources.close();
  return await withLease(worker, client, (lease) => runSweepJob(job, worker, lease));
}

/** Runs `act` while it renews the lease; stops it when the lease is lost or the worker is stopped. */
async function withLease(
  { signal, lock, name }: WorkerOptions,
  client: Client,
  act: (lease: JobLease) => Promise<unknown>,
): Promise<unknown> {
  const stop = new AbortController();
  let progress: JobProgress = { items: 0, note: "", worker: name }, ended = false;
  const renewing = (async () => {
    while (!ended && !stop.signal.aborted) {
      const { ours, why } = await client.request<LeaseStatus>({ hold: progress });
      if (!ours) stop.abort(new LeaseLostError(`lease lost: ${why}`));
      await sleep(Math.min(500, lock / 8));
    }
  })().catch((error) => stop.abort(error));
  try {
    const both = AbortSignal.any([signal, stop.signal]);
    const result = await act({
      signal: both,
      advance: (items) => progress = { ...progress, items: progress.items + items },
      note: (note) => progress = { ...progress, note },
    });
    both.throwIfAborted();
    return result;
  } catch (error) {
    stop.signal.throwIfAborted(); // its reason replaces the error
    throw error;
  } finally {
    ended = true;
    await renewing;
  }
}
