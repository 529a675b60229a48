/** Runs a shard of a stage's work. */
import { join } from "node:path";
import type { UnitRunner } from "../stage.ts";
import {
  assertSameCode,
  type CodeVersion,
  IncompatibleWorkerError,
  toRelative,
} from "./compatibility.ts";
import { firstProblem, type ShardJob, type ShardResult } from "./job_schemas.ts";
import type { JobLease } from "./worker.ts";

/** Everything a worker needs to run shards. */
export interface ShardTools {
  /** Name of the worker. */
  readonly name: string;
  /** The shared folder on this machine. */
  readonly artifacts: string;
  /** Concurrent processes; 0: one per core. */
  readonly workers: number;
  /** Returns how a stage runs shards here, or undefined if it cannot. */
  stage(use: string): Promise<ShardStage | undefined>;
  /** @throws if this machine lacks the compute backend */
  requireBackend(backend: string): Promise<void>;
  readonly resources: ResourceCache;
  log(line: string): void;
}

/** A stage that runs shards. */
export interface ShardStage {
  readonly part: UnitRunner;
  readonly code: CodeVersion;
  /** The code changed after the worker started. */
  readonly changed: boolean;
}

/** Cache of one resource that a worker keeps open between shards. */
export class ResourceCache {
  #key: string | undefined;
  #value: Promise<AsyncDisposable> | undefined;

  /** Returns the resource that is open for the key. Otherwise closes the other one and calls `open`. */
  async getOrOpen<T extends AsyncDisposable>(key: string, open: () => Promise<T>): Promise<T> {
    if (key !== this.#key) await this.close();
    this.#key = key;
    return await (this.#value ??= open()) as T;
  }

  async close(): Promise<void> {
    const value = this.#value;
    this.#key = this.#value = undefined;
    // An error of `open` was thrown by `getOrOpen` already.
    await (await value?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}

/**
 * Runs a shard in a new folder below the job's.
 * @throws {IncompatibleWorkerError} if this worker cannot run it
 */
export async function runShard(
  job: ShardJob,
  key: string,
  tools: ShardTools,
  { signal, advance }: JobLease,
): Promise<ShardResult> {
  const { name, artifacts, workers, resources, log } = tools;
  const { part, data } = await checkCompatible(job, tools);
  const own = `${job.folder}/${crypto.randomUUID()}`;
  const folder = join(artifacts, own);
  await Deno.mkdir(folder);
  log(`${job.use} ${key}: started`);
  const began = performance.now();
  const stop = () => void resources.close();
  signal.addEventListener("abort", stop);
  try {
    const inputs = Object.fromEntries(
      Object.entries(job.inputs).map(([input, path]) => [input, join(artifacts, path)]),
    );
    const getOrOpen = resources.getOrOpen.bind(resources);
    const context = { folder, signal, advance, workers, compute: job.compute, getOrOpen };
    const result = await part.run(inputs, data, context);
    signal.throwIfAborted();
    log(`${job.use} ${key}: done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return { folder: own, worker: name, result };
  } catch (error) {
    await Deno.remove(folder, { recursive: true }).catch(() => {}); // else the run removes it
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Returns the stage's runner and the validated data. @throws {IncompatibleWorkerError} */
async function checkCompatible(
  { use, code, compute, folder, inputs, data }: ShardJob,
  { stage, requireBackend, artifacts }: ShardTools,
): Promise<{ part: UnitRunner; data: unknown }> {
  const found = await stage(use);
  if (!found) {
    throw new IncompatibleWorkerError(`it has no stage ${JSON.stringify(use)} with shards`);
  }
  if (found.changed) {
    throw new IncompatibleWorkerError("its code changed since its start. Restart it");
  }
  assertSameCode(code, found.code);
  if (compute !== undefined) {
    await requireBackend(compute).catch((error: Error) => {
      throw new IncompatibleWorkerError(`it cannot compute on "${compute}": ${error.message}`);
    });
  }
  const root = await Deno.realPath(artifacts);
  for (const path of [folder, ...Object.values(inputs)]) {
    const at = await Deno.realPath(join(artifacts, path)).catch(() => undefined);
    if (at !== undefined && toRelative(at, root) === undefined) {
      throw new Error(`Cannot use "${path}": it is a link that leads out of the artifact folder.`);
    }
    if (at === undefined || !(await Deno.stat(at)).isDirectory) {
      throw IncompatibleWorkerError.otherFolder(artifacts, path);
    }
  }
  const parsed = found.part.data.safeParse(data);
  if (parsed.success) return { part: found.part, data: parsed.data };
  throw new Error(`Cannot run a shard of ${use}: invalid data: ${firstProblem(parsed.error)}.`);
}
