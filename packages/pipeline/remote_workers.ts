/** `executor: bullmq`: distributes work to workers through Redis. */
import { hostname } from "node:os";
import { join, sep } from "node:path";
import { counted } from "./causes.ts";
import type { BullmqSettings } from "./config/pipeline_schema.ts";
import type { App, RemoteOrder, RemoteRunEvent } from "./app.ts";
import type { FinishedShard, Shard } from "./stage.ts";
import { localCodeVersion, toRelative } from "./remote/compatibility.ts";
import type { RemoteRunsWork, ShardedWork } from "./run/run_context.ts";
import { dispatchJobs, type JobEvent, type Outcome, type Task } from "./remote/coordinator.ts";
import { connectBroker, parseRedisAddress } from "./remote/broker_client.ts";
import {
  firstProblem,
  JOB_FORMAT,
  type ShardJob,
  shardResultSchema,
  sweepResultSchema,
} from "./remote/job_schemas.ts";
import type { RedisAddress } from "./remote/protocol.ts";
import { runWorker as workOn } from "./remote/worker.ts";
import { type ChildReport, failedReport } from "./sweep/child_process.ts";

const DEFAULT_REDIS = "redis://127.0.0.1:6379";
/** Ms without a heartbeat after which a worker loses its job. */
export const DEFAULT_LOCK_MS = 30_000;

/** Shards precede runs of a sweep: a stage waits for them, and they are short. */
const SWEEP_PRIORITY = 1;

/** Returns the unique name of this worker, with its host. */
export function workerName(): string {
  return `${hostname()}:${Deno.pid}`;
}

/**
 * Distributes shards of a stage's work, whose folders all lie in `artifacts`, to the connected workers.
 * Yields each exactly once, in any order; its files are removed afterwards.
 */
export async function* distributeShards(
  settings: BullmqSettings,
  work: ShardedWork,
  shards: readonly Shard[],
  app: App,
): AsyncGenerator<FinishedShard> {
  const { artifacts, use, cacheKey: { modules, packages, compute } } = work;
  const run = crypto.randomUUID();
  // Each attempt at a shard writes to a folder of its own below this one.
  const folder = join(work.scratch, "parts");
  await Deno.mkdir(folder, { recursive: true });
  const shared = (path: string) => toRelative(path, artifacts)!;
  const inputs = Object.fromEntries(
    Object.entries(work.inputs).map(([key, path]) => [key, shared(path)]),
  );
  const about: Omit<ShardJob, "data"> = {
    version: JOB_FORMAT,
    kind: "part",
    run,
    use,
    code: localCodeVersion({ modules, packages }),
    folder: shared(folder),
    inputs,
    ...(compute === undefined ? {} : { compute }),
  };
  const tasks = shards.map(({ key, data }) => ({ key, data: { ...about, data } }));
  let finished = 0, shown = 0;
  /** Never goes back: while a lost worker's items are computed again, the bar waits. */
  const advance = (to: number, note?: string) => {
    work.progress.advance(Math.max(0, to - shown), note);
    shown = Math.max(shown, to);
  };
  for await (const event of dispatch(settings, work, app, run, tasks)) {
    if ("states" in event) {
      const active = [...event.states.values()].filter((state) => state.state === "active");
      const items = active.reduce((sum, { standing }) => sum + (standing?.items ?? 0), 0);
      const note = `${counted(active.length, "shard")} in progress`;
      advance(finished + items, active.length > 0 ? note : "");
      continue;
    }
    const { outcome } = event;
    const { key, items } = shards.find((shard) => shard.key === outcome.key)!;
    if ("failed" in outcome) throw new Error(`Cannot finish shard ${key}: ${outcome.failed}`);
    const { success, data, error } = shardResultSchema.safeParse(outcome.result);
    if (!success) throw new Error(`Cannot use a worker's result: ${firstProblem(error)}.`);
    const path = join(artifacts, data.folder);
    if (!path.startsWith(folder + sep)) {
      throw new Error(`Cannot use a worker's result: "${data.folder}" is not a shard's folder.`);
    }
    advance(finished += items);
    yield { key, folder: path, result: data.result };
    await Deno.remove(path, { recursive: true });
  }
}

/**
 * Distributes runs of a sweep to the connected workers. Yields their events; a failure anywhere is the
 * report of a failed run.
 */
export async function* runSweepRemotely(
  settings: BullmqSettings,
  work: RemoteRunsWork,
  orders: readonly RemoteOrder[],
  app: App,
): AsyncGenerator<RemoteRunEvent> {
  const run = crypto.randomUUID();
  const tasks = orders.map((order, index) => {
    const data = { version: JOB_FORMAT, kind: "point", run, order };
    return { key: String(index), data, priority: SWEEP_PRIORITY };
  });
  const begun = new Set<number>();
  /** Last note of each run. */
  const reported = new Map<number, string>();
  for await (const event of dispatch(settings, work, app, run, tasks)) {
    if ("outcome" in event) {
      const { outcome } = event;
      const index = Number(outcome.key);
      if (!begun.has(index)) yield { index, begins: true };
      begun.add(index);
      yield { index, ended: reportOf(orders[index]!, outcome) };
      continue;
    }
    for (const [key, state] of event.states) {
      const index = Number(key);
      // A released run starts again.
      if (state.state === "waiting" || state.state === "gone") begun.delete(index);
      if (state.state !== "active") continue;
      if (!begun.has(index)) yield { index, begins: true };
      begun.add(index);
      const { note = "", worker = "" } = state.standing ?? {};
      const line = `${note} (on ${worker})`;
      if (note !== "" && reported.get(index) !== line) yield { index, line };
      reported.set(index, line);
    }
  }
}

function reportOf({ name }: RemoteOrder, outcome: Outcome): ChildReport {
  if ("failed" in outcome) return failedReport(name, outcome.failed);
  const { success, data, error } = sweepResultSchema.safeParse(outcome.result);
  // A metric that is not a number is null, as in any JSON.
  if (success) return data as ChildReport;
  return failedReport(name, `its worker sent an invalid report: ${firstProblem(error)}`);
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

/** Dispatches the tasks of a run; with `localToo`, this machine is a worker as well. */
async function* dispatch(
  settings: BullmqSettings,
  { artifacts, signal, info, warn }: RemoteRunsWork,
  app: App,
  run: string,
  tasks: readonly Task[],
): AsyncGenerator<JobEvent> {
  const { redis, prefix } = await placeOf(settings, app), { localToo } = settings;
  const over = new AbortController();
  const ownWorker = localToo
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
    const options = { redis, prefix, run, signal, ownWorker: localToo, info, warn };
    yield* dispatchJobs(options, tasks);
  } finally {
    over.abort(new Error("all is done"));
    await ownWorker;
  }
}
