/** `executor: bullmq`: parts of a stage's work go to workers that are reached through Redis. */
import { hostname } from "node:os";
import type { FleetSettings } from "../runner/config.ts";
import type { Dependencies } from "../runner/fingerprint.ts";
import type { Program } from "../runner/program.ts";
import type { DonePart, Part } from "../runner/stage.ts";
import type { FleetWork } from "../runner/workshop.ts";
import { distribute } from "./coordinator.ts";
import { openHere } from "./here.ts";
import { redisPlace } from "./link.ts";
import type { Code } from "./part.ts";
import { work as workOn } from "./worker.ts";

/** Where Redis is unless somebody says it. */
export const usualRedis = "redis://127.0.0.1:6379";
/** Ms after which a worker that is not heard of has lost its part. */
export const usualLock = 30_000;

/** What a worker is called: unique, and telling where it is. */
export function workerName(): string {
  return `${hostname()}:${Deno.pid}`;
}

/** Has parts done by whoever is connected; with `localToo`, by this machine as well. */
export async function* distributeTo(
  settings: FleetSettings,
  work: FleetWork,
  parts: readonly Part[],
  program: Program,
): AsyncGenerator<DonePart> {
  const url = settings.redis ?? Deno.env.get("REDIS_URL") ?? usualRedis;
  const redis = await redisPlace(url, settings.ca);
  const { prefix } = settings;
  const over = new AbortController();
  const ownWorker = settings.localToo
    ? workOn({
      ...{ redis, prefix, name: workerName(), lock: usualLock, workers: 0 },
      artifacts: work.artifacts,
      signal: AbortSignal.any([work.signal, over.signal]),
      say: () => {},
      ...await openHere(program, work.artifacts),
    })
    : undefined;
  // What goes wrong with it is told when all is done; others may do its part meanwhile.
  ownWorker?.catch(() => {});
  try {
    const { modules, packages, compute } = work.dependencies;
    yield* distribute(
      { ...work, redis, prefix, compute, code: codeOf({ modules, packages }) },
      parts,
    );
  } finally {
    over.abort(new Error("all parts are done"));
    await ownWorker;
  }
}

/** What code makes results here. */
export function codeOf(made: Pick<Dependencies, "modules" | "packages">): Code {
  return { ...made, deno: Deno.version.deno, platform: Deno.build.target };
}
