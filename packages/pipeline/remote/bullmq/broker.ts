/**
 * Talks to Redis, with BullMQ, for a process of the project: see `../protocol.ts`. It is a process of
 * its own, with a configuration and a lock of its own, so that only who asks for several machines
 * downloads BullMQ; and so that a lock is renewed while its worker computes, but not for one that is
 * frozen: a broker that hears nothing from its process ends.
 */
import { DelayedError, type Job as BullJob, Queue, WaitingError, Worker } from "bullmq";
import { Redis } from "ioredis";
import { type Done, serve } from "../../../workers/worker_main.ts";
import type {
  BrokerOpening,
  CoordinatorAsks,
  LeaseStatus,
  JobState,
  JobsSnapshot,
  RedisPlace,
  JobProgress,
  ClaimedJob,
  WorkerAsks,
} from "../protocol.ts";

const QUEUE = "jobs";
/** Lifetime of a run's heartbeat, in ms. */
const ALIVE = 15_000;
/** How long a worker waits for its next job before it says that there is none, in ms. */
const MOMENT = 500;
/** Times that a job may be lost with its worker before it is taken to be what kills them. */
const LOSSES = 10;
/** Delay before a refused job is offered again, in ms. */
const NEXT = 1000;
/** How long a worker that leaves waits until Redis knows it, in ms. */
const LEAVING = 10_000;
/** Connection timeout, in ms. */
const PATIENCE = 10_000;

const keyOf = (prefix: string, ...parts: string[]) => [prefix, ...parts].join(":");
/** Worker → why it does nothing of a run. */
const refusedKey = (prefix: string, run: string) => keyOf(prefix, "refused", run);
/** A key that is there as long as a run is. */
const aliveKey = (prefix: string, run: string) => keyOf(prefix, "run", run);

// BullMQ tells of a lost connection in more than one place; it comes back by itself.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  console.error(`broker: ${event.reason}`);
});

await serve<BrokerOpening, CoordinatorAsks & WorkerAsks, unknown>(async (opening) => {
  const redis = await connect(opening.redis);
  const { prefix } = opening;
  return opening.role === "coordinator"
    ? coordinator(new Queue(QUEUE, { connection: redis, prefix }), redis, prefix, opening.run)
    : worker(redis, opening);
});

async function connect({ url, ca }: RedisPlace): Promise<Redis> {
  let there = false, last: Error | undefined;
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: PATIENCE,
    // While a run is under way a server may be away for any time; at first it has to be there.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => there ? Math.min(50 * times, 1000) : null,
    ...(ca ? { tls: { ca } } : {}),
  });
  redis.on("error", (error: Error) => last = error);
  const silent = pause(PATIENCE).then(() => {
    throw new Error(`no answer within ${PATIENCE / 1000} s`);
  });
  silent.catch(() => {}); // it may have answered by then
  try {
    await Promise.race([redis.connect().then(() => redis.ping()), silent]);
  } catch (cause) {
    redis.disconnect();
    const { host, port } = redis.options;
    const why = [(last ?? cause as Error).message, (last as { code?: string })?.code]
      .find((text) => text) ?? "no answer";
    const wayOut = /NOAUTH|WRONGPASS/.test(why)
      ? "Give its password, redis://:password@host, best in the environment's REDIS_URL."
      : "Start it there, or say where it is: worker --redis, the pipeline's bullmq.redis, or the " +
        "environment's REDIS_URL.";
    throw new Error(
      `Cannot reach Redis at ${host}:${port}: ${why.replace(/\.+$/, "")}. ${wayOut}`,
      { cause },
    );
  }
  there = true;
  return redis;
}

function coordinator(queue: Queue, redis: Redis, prefix: string, run: string) {
  queue.on("error", () => {}); // it connects again
  const alive = aliveKey(prefix, run), refusals = refusedKey(prefix, run);
  return async (asks: CoordinatorAsks): Promise<Done<unknown>> => {
    if ("add" in asks) {
      // First, or whoever takes one at once finds that its run is over.
      await redis.set(alive, "1", "PX", ALIVE);
      const kept = { age: 3600 }; // if nobody is left to fetch them
      const rest = { attempts: 2, removeOnComplete: kept, removeOnFail: kept };
      await queue.addBulk(asks.add.map(({ id, data, priority }) => (
        { name: "job", data, opts: { jobId: id, priority, ...rest } }
      )));
      return { answer: null };
    }
    if ("remove" in asks || "leave" in asks) {
      if ("leave" in asks) await redis.del(alive);
      // One that a worker holds cannot be removed; the worker lets go of it when the run is over.
      const ids = "leave" in asks ? asks.leave : asks.remove;
      for (const id of ids) await (await queue.getJob(id))?.remove().catch(() => {});
      return { answer: null };
    }
    await redis.set(alive, "1", "PX", ALIVE);
    const jobs = await Promise.all(
      asks.look.map((id) => stateOf(id, queue.toKey(id), redis)),
    );
    const refused = await redis.hgetall(refusals);
    if (Object.keys(refused).length > 0) await redis.hdel(refusals, ...Object.keys(refused));
    const look: JobsSnapshot = { jobs, refused, workers: await queue.getWorkersCount() };
    return { answer: look };
  };
}

/** How a job is; its data, which may be large, is not fetched for that. */
async function stateOf(id: string, key: string, redis: Redis): Promise<JobState> {
  const [[there, ended, progress, failed, returned], held] = await Promise.all([
    redis.hmget(key, "timestamp", "finishedOn", "progress", "failedReason", "returnvalue"),
    redis.exists(`${key}:lock`),
  ]);
  if (there === null) return { id, state: "gone" };
  if (!ended) {
    if (!held) return { id, state: "waiting" };
    const told: unknown = JSON.parse(progress ?? "0"); // 0 before a worker has said something
    const standing = typeof told === "object" ? told as JobProgress : undefined;
    return { id, state: "active", standing };
  }
  // What failed at first and was done then has both.
  if (returned !== null || failed === null) {
    return { id, state: "done", result: JSON.parse(returned ?? "null") };
  }
  const lost = failed.includes("stalled more than allowable");
  const reason = lost
    ? `it was lost with its worker ${LOSSES} times: it may be what ends them`
    : failed;
  return { id, state: "failed", reason };
}

/** Outcome of a worker's job. */
type Verdict = Exclude<WorkerAsks, { take: true } | { hold: unknown }>;

/** A job in hand. */
interface InHand {
  readonly job: BullJob;
  readonly verdict: PromiseWithResolvers<Verdict>;
  lost?: string;
}

function worker(redis: Redis, { prefix, lock, name }: BrokerOpening & { role: "worker" }) {
  let inHand: InHand | undefined;
  let arrived = Promise.withResolvers<void>();
  let leaving = false;
  const putBack = async (job: BullJob, token: string | undefined): Promise<never> => {
    await job.moveToWait(token);
    throw new WaitingError();
  };
  const bull = new Worker(
    QUEUE,
    async (job, token) => {
      if (leaving) return await putBack(job, token);
      // Left behind by a run that is over.
      if (!await redis.exists(aliveKey(prefix, String(job.data?.run)))) return null;
      const own: InHand = inHand = {
        job,
        verdict: Promise.withResolvers(),
      };
      arrived.resolve();
      const verdict = await own.verdict.promise;
      if ("done" in verdict) return verdict.done;
      if ("fail" in verdict) throw new Error(verdict.fail);
      if ("giveBack" in verdict) return await putBack(job, token);
      const key = refusedKey(prefix, String(job.data?.run));
      await redis.multi().hset(key, name, verdict.refuse).pexpire(key, ALIVE).exec();
      await job.moveToDelayed(Date.now() + NEXT, token);
      throw new DelayedError();
    },
    {
      connection: redis,
      prefix,
      name,
      lockDuration: lock,
      stalledInterval: lock / 2,
      maxStalledCount: LOSSES,
      runRetryDelay: 500,
    },
  );
  bull.on("error", () => {}); // it connects again
  bull.on("lockRenewalFailed", (ids) => {
    if (inHand && ids.includes(inHand.job.id!)) inHand.lost = "another worker has taken it";
  });

  let heard = Date.now();
  setInterval(() => {
    if (Date.now() - heard < lock) return;
    console.error("broker: nothing was heard from the worker, so its job goes to another");
    Deno.exit(3);
  }, lock / 8);

  /** Nobody wants a job whose run is over. A server that is away says nothing, which is no answer. */
  let asking = false, missed = 0;
  const askForRun = (own: InHand) => {
    if (asking) return;
    asking = true;
    redis.exists(aliveKey(prefix, String(own.job.data?.run))).then((there) => {
      missed = there ? 0 : missed + 1;
      if (missed > 3) own.lost = "its run is over";
    }, () => {}).finally(() => asking = false);
  };

  return async (asks: WorkerAsks): Promise<Done<unknown>> => {
    heard = Date.now();
    if ("take" in asks) {
      if (!inHand) await Promise.race([arrived.promise, pause(MOMENT)]);
      missed = 0;
      const taken: ClaimedJob | null = inHand ? { id: inHand.job.id!, data: inHand.job.data } : null;
      return { answer: taken };
    }
    const own = inHand;
    if ("hold" in asks) {
      if (own) {
        own.job.updateProgress(asks.hold).catch(() => {});
        askForRun(own);
      }
      const held: LeaseStatus = { ours: own !== undefined && !own.lost, why: own?.lost };
      return { answer: held };
    }
    inHand = undefined;
    arrived = Promise.withResolvers();
    own?.verdict.resolve(asks);
    if ("giveBack" in asks) {
      leaving = true;
      // It takes no more, and what it has taken meanwhile goes back as well.
      await Promise.race([bull.close(), pause(LEAVING)]);
    }
    return { answer: null };
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
