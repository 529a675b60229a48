/** `executor: bullmq`: distributes work to workers through Redis. */
import { hostname } from "node:os";
import type { BullmqSettings } from "./config/pipeline_schema.ts";
import type { App, RemoteOrder, RemoteRunEvent } from "./app.ts";
import type { FinishedShard, Shard } from "./stage.ts";
import { localCodeVersion } from "./remote/compatibility.ts";
import type { RemoteRunsWork, ShardedWork } from "./run/run_context.ts";
import type { DispatchOptions } from "./remote/coordinator.ts";
import { connectBroker, parseRedisAddress } from "./remote/broker_client.ts";
import { dispatchShards } from "./remote/shard_jobs.ts";
import { dispatchSweepRuns } from "./remote/sweep_jobs.ts";
import type { RedisAddress } from "./remote/protocol.ts";
import { runWorker as workOn } from "./remote/worker.ts";

const DEFAULT_REDIS = "redis://127.0.0.1:6379";
/** Ms without a heartbeat after which a worker loses its job. */
export const DEFAULT_LOCK_MS = 30_000;

/** Returns the unique name of this worker, with its host. */
export function workerName(): string {
  return `${hostname()}:${Deno.pid}`;
}

/** Distributes shards of a stage's work to the connected workers. */
export async function* distributeShards(
  settings: BullmqSettings,
  work: ShardedWork,
  shards: readonly Shard[],
  app: App,
): AsyncGenerator<FinishedShard> {
  const { modules, packages, compute } = work.cacheKey;
  const code = localCodeVersion({ modules, packages });
  yield* withOwnWorker(settings, work, app, (place) => (
    dispatchShards({ ...work, ...place, compute, code }, shards)
  ));
}

/** Distributes runs of a sweep to the connected workers. */
export async function* runSweepRemotely(
  settings: BullmqSettings,
  work: RemoteRunsWork,
  orders: readonly RemoteOrder[],
  app: App,
): AsyncGenerator<RemoteRunEvent> {
  yield* withOwnWorker(settings, work, app, (place) => (
    dispatchSweepRuns({ ...work, ...place }, orders)
  ));
}

/** @throws if Redis cannot be reached, with address and reason */
export async function checkReachable(settings: BullmqSettings, app: App): Promise<void> {
  const { redis, prefix } = await placeOf(settings, app);
  await using _link = await connectBroker({ role: "coordinator", redis, prefix, run: "none" });
}

/** Returns where workers and runs of an app meet. */
export async function placeOf(
  settings: Omit<BullmqSettings, "localToo">,
  { name }: Pick<App, "name">,
): Promise<{ redis: RedisAddress; prefix: string }> {
  const { redis = Deno.env.get("REDIS_URL") ?? DEFAULT_REDIS, ca, prefix = name } = settings;
  return { redis: await parseRedisAddress(redis, ca), prefix };
}

/** Distributes work; with `localToo`, this machine is a worker as well. */
async function* withOwnWorker<T>(
  settings: BullmqSettings,
  { artifacts, signal }: RemoteRunsWork,
  app: App,
  handOut: (at: Pick<DispatchOptions, "redis" | "prefix" | "ownWorker">) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const { redis, prefix } = await placeOf(settings, app);
  const over = new AbortController();
  const ownWorker = settings.localToo
    ? workOn({
      redis,
      prefix,
      name: workerName(),
      lock: DEFAULT_LOCK_MS,
      workers: 0,
      artifacts,
      signal: AbortSignal.any([signal, over.signal]),
      log: () => {},
    }, app)
    : undefined;
  // Its errors are thrown at the end; other workers may take its job meanwhile.
  ownWorker?.catch(() => {});
  try {
    yield* handOut({ redis, prefix, ownWorker: settings.localToo });
  } finally {
    over.abort(new Error("all is done"));
    await ownWorker;
  }
}
