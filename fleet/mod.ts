/** `executor: bullmq`: work goes to workers that are reached through Redis. */
import { hostname } from "node:os";
import type { FleetSettings } from "../runner/config.ts";
import type { Program, RunNews } from "../runner/program.ts";
import type { DonePart, Part } from "../runner/stage.ts";
import type { Order } from "../runner/sweep/order.ts";
import { codeHere } from "../runner/travel.ts";
import type { FleetWork, RunsWork } from "../runner/workshop.ts";
import type { Hands } from "./hand.ts";
import { openHere } from "./here.ts";
import { openLink, redisPlace } from "./link.ts";
import { handParts } from "./parts.ts";
import { handPoints } from "./points.ts";
import type { RedisPlace } from "./protocol.ts";
import { work as workOn } from "./worker.ts";

/** Where Redis is unless somebody says it. */
export const usualRedis = "redis://127.0.0.1:6379";
/** Ms after which a worker that is not heard of has lost its job. */
export const usualLock = 30_000;

/** What a worker is called: unique, and telling where it is. */
export function workerName(): string {
  return `${hostname()}:${Deno.pid}`;
}

/** Has parts of a stage's work done by whoever is connected. */
export async function* distributeTo(
  settings: FleetSettings,
  work: FleetWork,
  parts: readonly Part[],
  program: Program,
): AsyncGenerator<DonePart> {
  const { modules, packages, compute } = work.dependencies;
  const code = codeHere({ modules, packages });
  yield* helped(settings, work, program, (place) => (
    handParts({ ...work, ...place, compute, code }, parts)
  ));
}

/** Has runs of a sweep done by whoever is connected. */
export async function* sendRunsTo(
  settings: FleetSettings,
  work: RunsWork,
  orders: readonly Order[],
  program: Program,
): AsyncGenerator<RunNews> {
  yield* helped(settings, work, program, (place) => handPoints({ ...work, ...place }, orders));
}

/** @throws if Redis cannot be reached, saying where and why */
export async function reach(settings: FleetSettings): Promise<void> {
  const { redis, prefix } = await placeOf(settings);
  await using _link = await openLink({ role: "coordinator", redis, prefix, run: "none" });
}

async function placeOf({ redis = Deno.env.get("REDIS_URL") ?? usualRedis, ca, prefix }: Pick<
  FleetSettings,
  "redis" | "ca" | "prefix"
>): Promise<{ redis: RedisPlace; prefix: string }> {
  return { redis: await redisPlace(redis, ca), prefix };
}

/** Hands out work; with `localToo`, this machine takes of it as well. */
async function* helped<T>(
  settings: FleetSettings,
  { artifacts, signal }: RunsWork,
  program: Program,
  handOut: (at: Pick<Hands, "redis" | "prefix" | "ownWorker">) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const { redis, prefix } = await placeOf(settings);
  const over = new AbortController();
  const ownWorker = settings.localToo
    ? workOn({
      ...{ redis, prefix, name: workerName(), lock: usualLock, workers: 0, artifacts },
      signal: AbortSignal.any([signal, over.signal]),
      say: () => {},
      ...await openHere(program, artifacts),
    })
    : undefined;
  // What goes wrong with it is told when all is done; others may do its job meanwhile.
  ownWorker?.catch(() => {});
  try {
    yield* handOut({ redis, prefix, ownWorker: settings.localToo });
  } finally {
    over.abort(new Error("all is done"));
    await ownWorker;
  }
}
