/**
 * A broker process: connects a process to Redis with BullMQ; see `../protocol.ts`. Its own configuration
 * and lock file keep BullMQ out of runs on one machine. As a separate process it renews a job's lock
 * while the worker computes, but not for a frozen worker: without requests, the broker exits.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DelayedError, type Job as BullJob, Queue, WaitingError, Worker } from "bullmq";
import { Redis } from "ioredis";
import { type Done, serve } from "../../../workers/worker_main.ts";
import type {
  BrokerInit,
  ClaimedJob,
  CoordinatorRequest,
  JobProgress,
  JobsSnapshot,
  JobState,
  LeaseStatus,
  RedisAddress,
  WorkerRequest,
} from "../protocol.ts";

const QUEUE = "jobs";
const HEARTBEAT_MS = 15_000;
const TAKE_MS = 500;
/** Times that a job is retried after a crash of its worker; then the job counts as the cause. */
const MAX_STALLS = 10;
/** Delay before a refused job is offered again, in ms. */
const REFUSED_DELAY_MS = 1000;
const DISCONNECT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;

const keyOf = (prefix: string, ...parts: string[]) => [prefix, ...parts].join(":");
/** Key of the workers that refused jobs of a run, with the reasons. */
const refusedKey = (prefix: string, run: string) => keyOf(prefix, "refused", run);
/** Key of a run's heartbeat. */
const aliveKey = (prefix: string, run: string) => keyOf(prefix, "run", run);

// BullMQ reports a lost connection in several places, and reconnects by itself.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  console.error(`broker: ${event.reason}`);
});

await serve<BrokerInit, CoordinatorRequest & WorkerRequest, unknown>(async (init) => {
  const redis = await connect(init.redis);
  const { prefix } = init;
  return init.role === "coordinator"
    ? coordinator(new Queue(QUEUE, { connection: redis, prefix }), redis, prefix, init.run)
    : worker(redis, init);
});

async function connect({ url, ca }: RedisAddress): Promise<Redis> {
  let connected = false, last: Error | undefined;
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // The first connection must succeed; later the server may be away for any time.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => connected ? Math.min(50 * times, 1000) : null,
    ...(ca ? { tls: { ca } } : {}),
  });
  redis.on("error", (error: Error) => last = error);
  const timeout = delay(CONNECT_TIMEOUT_MS).then(() => {
    throw new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`);
  });
  timeout.catch(() => {}); // it may reject after the connection
  try {
    await Promise.race([redis.connect().then(() => redis.select(redis.options.db ?? 0)), timeout]);
  } catch (cause) {
    redis.disconnect();
    const { host, port } = redis.options;
    const why = [(last ?? cause as Error).message, (last as { code?: string })?.code]
      .find((text) => text) ?? "no answer";
    const wayOut = /NOAUTH|WRONGPASS/.test(why)
      ? "Pass its password, redis://:password@host, best in the environment variable REDIS_URL."
      : "Start it there, or pass its address: worker --redis, the pipeline's bullmq.redis, or the " +
        "environment variable REDIS_URL.";
    throw new Error(
      `Cannot reach Redis at ${host}:${port}: ${why.replace(/\.+$/, "")}. ${wayOut}`,
      { cause },
    );
  }
  connected = true;
  return redis;
}

function coordinator(queue: Queue, redis: Redis, prefix: string, run: string) {
  queue.on("error", () => {}); // it reconnects
  const alive = aliveKey(prefix, run), refusals = refusedKey(prefix, run);
  return async (request: CoordinatorRequest): Promise<Done<unknown>> => {
    if ("add" in request) {
      // First: without a heartbeat, a worker drops the jobs.
      await redis.set(alive, "1", "PX", HEARTBEAT_MS);
      const kept = { age: 3600 }; // if the coordinator crashes
      const rest = { attempts: 2, removeOnComplete: kept, removeOnFail: kept };
      await queue.addBulk(request.add.map(({ id, data, priority }) => (
        { name: "job", data, opts: { jobId: id, priority, ...rest } }
      )));
      return { answer: null };
    }
    if ("remove" in request) {
      if (request.leave) await redis.del(alive);
      // A claimed job cannot be removed; its worker drops it when the heartbeat is gone.
      for (const id of request.remove) await (await queue.getJob(id))?.remove().catch(() => {});
      return { answer: null };
    }
    await redis.set(alive, "1", "PX", HEARTBEAT_MS);
    const jobs = await Promise.all(request.look.map((id) => stateOf(id, queue.toKey(id), redis)));
    const refused = await redis.hgetall(refusals);
    if (Object.keys(refused).length > 0) await redis.hdel(refusals, ...Object.keys(refused));
    const answer: JobsSnapshot = { jobs, refused, workers: await queue.getWorkersCount() };
    return { answer };
  };
}

/** Returns the state of a job, without its data, which may be large. */
async function stateOf(id: string, key: string, redis: Redis): Promise<JobState> {
  const [[added, ended, progress, failed, returned], held] = await Promise.all([
    redis.hmget(key, "timestamp", "finishedOn", "progress", "failedReason", "returnvalue"),
    redis.exists(`${key}:lock`),
  ]);
  if (added === null) return { id, state: "gone" };
  if (!ended) {
    if (!held) return { id, state: "waiting" };
    const standing: unknown = JSON.parse(progress ?? "0"); // 0 before the first progress
    const known = typeof standing === "object" ? standing as JobProgress : undefined;
    return { id, state: "active", standing: known };
  }
  // A job that failed at first and succeeded on retry has both.
  if (returned !== null || failed === null) {
    return { id, state: "done", result: JSON.parse(returned ?? "null") };
  }
  const reason = failed.includes("stalled more than allowable")
    ? `its workers crashed ${MAX_STALLS} times: it may be the cause`
    : failed;
  return { id, state: "failed", reason };
}

type JobOutcome = Exclude<WorkerRequest, { take: true } | { hold: unknown }>;

interface CurrentJob {
  readonly job: BullJob;
  readonly outcome: PromiseWithResolvers<JobOutcome>;
  lost?: string;
}

function worker(redis: Redis, { prefix, lock, name }: BrokerInit & { role: "worker" }) {
  let current: CurrentJob | undefined;
  let arrived = Promise.withResolvers<void>();
  let leaving = false;
  const release = async (job: BullJob, token: string | undefined): Promise<never> => {
    await job.moveToWait(token);
    throw new WaitingError();
  };
  const isAlive = (job: BullJob) => redis.exists(aliveKey(prefix, String(job.data?.run)));
  const bull = new Worker(
    QUEUE,
    async (job, token) => {
      if (leaving) return await release(job, token);
      if (!await isAlive(job)) return null;
      const own: CurrentJob = current = { job, outcome: Promise.withResolvers() };
      arrived.resolve();
      const outcome = await own.outcome.promise;
      if ("done" in outcome) return outcome.done;
      if ("fail" in outcome) throw new Error(outcome.fail);
      if ("giveBack" in outcome) return await release(job, token);
      const key = refusedKey(prefix, String(job.data?.run));
      await redis.multi().hset(key, name, outcome.refuse).pexpire(key, HEARTBEAT_MS).exec();
      await job.moveToDelayed(Date.now() + REFUSED_DELAY_MS, token);
      throw new DelayedError();
    },
    {
      connection: redis,
      prefix,
      name,
      lockDuration: lock,
      stalledInterval: lock / 2,
      maxStalledCount: MAX_STALLS,
      runRetryDelay: 500,
    },
  );
  bull.on("error", () => {}); // it reconnects
  bull.on("lockRenewalFailed", (ids) => {
    if (current && ids.includes(current.job.id!)) current.lost = "another worker has taken it";
  });

  let lastRequest = Date.now();
  setInterval(() => {
    if (Date.now() - lastRequest < lock) return;
    console.error("broker: no request from the worker, so its job is released");
    Deno.exit(3);
  }, lock / 8);

  /** Ends the lease when the run's heartbeat is gone. A server that is away does not count. */
  let checking = false, missed = 0;
  const checkRun = (own: CurrentJob) => {
    if (checking) return;
    checking = true;
    isAlive(own.job).then((alive) => {
      missed = alive ? 0 : missed + 1;
      if (missed > 3) own.lost = "its run has ended";
    }, () => {}).finally(() => checking = false);
  };

  return async (request: WorkerRequest): Promise<Done<unknown>> => {
    lastRequest = Date.now();
    if ("take" in request) {
      if (!current) await Promise.race([arrived.promise, delay(TAKE_MS)]);
      missed = 0;
      const answer: ClaimedJob | null = current &&
          { id: current.job.id!, data: current.job.data } || null;
      return { answer };
    }
    const own = current;
    if ("hold" in request) {
      if (own) {
        own.job.updateProgress(request.hold).catch(() => {});
        checkRun(own);
      }
      const answer: LeaseStatus = { ours: own !== undefined && !own.lost, why: own?.lost };
      return { answer };
    }
    current = undefined;
    arrived = Promise.withResolvers();
    own?.outcome.resolve(request);
    if ("giveBack" in request) {
      leaving = true;
      await Promise.race([bull.close(), delay(DISCONNECT_TIMEOUT_MS)]);
    }
    return { answer: null };
  };
}
