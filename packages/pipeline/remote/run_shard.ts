/** Runs a shard of a stage's work. */
import { addAbortListener } from "node:events";
import { hostname } from "node:os";
import { join } from "node:path";
import type { App } from "../app.ts";
import { DenoLock } from "../cache/deno_lock.ts";
import { ImportMap } from "../cache/import_map.ts";
import { ModuleHasher } from "../cache/module_graph.ts";
import { projectCache } from "../config/config.ts";
import { canonicalJson } from "../fingerprint.ts";
import { fromFileUrl, readTextIfExists } from "../paths.ts";
import type { ShardRunner } from "../stage.ts";
import {
  assertBackend,
  assertSameCode,
  type CodeVersion,
  IncompatibleWorkerError,
  localCodeVersion,
  toRelative,
} from "./compatibility.ts";
import { firstProblem, type ShardJob, type ShardResult } from "./job_schemas.ts";
import type { JobLease, RunningWorker } from "./worker.ts";

export interface ShardStage {
  readonly part: ShardRunner;
  readonly code: CodeVersion;
  /** The code changed after the worker started. */
  readonly changed: boolean;
}

/** Returns a function that returns how a stage runs shards here, or undefined if it cannot. */
export async function localStages(
  { project, stages }: Pick<App, "project" | "stages">,
): Promise<(use: string) => Promise<ShardStage | undefined>> {
  const imports = await ImportMap.read(project);
  const locked = new DenoLock(await readTextIfExists(join(project, "deno.lock")));
  const cache = join(projectCache(project), `modules-${hostname()}.json`);
  const known = new Map<string, CodeVersion>();
  const runner = [fromFileUrl(new URL("../", import.meta.url))];
  return async (use) => {
    const source = stages.find(({ name }) => name === use);
    const part = source && (await source.load()).default.part;
    if (!part) return undefined;
    // Hashed for each shard: this process keeps the code that it loaded, but the processes that it
    // starts load the current one.
    const hasher = new ModuleHasher(project, cache, imports);
    const { modules, packages } = await hasher.graph(source.module, runner);
    await hasher.close();
    const code = localCodeVersion({ modules, packages: locked.versions(packages) });
    if (!known.has(use)) known.set(use, code);
    return { part, code, changed: canonicalJson(code) !== canonicalJson(known.get(use)) };
  };
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
  worker: RunningWorker,
  { signal, advance }: JobLease,
): Promise<ShardResult> {
  const { name, artifacts, workers, resources, log } = worker;
  const { part, data } = await checkCompatible(job, worker);
  const own = `${job.folder}/${crypto.randomUUID()}`;
  const folder = join(artifacts, own);
  await Deno.mkdir(folder);
  log(`${job.use} ${key}: started`);
  const began = performance.now();
  using _stop = addAbortListener(signal, () => void resources.close());
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
  }
}

/** Returns the stage's runner and the validated data. @throws {IncompatibleWorkerError} */
async function checkCompatible(
  { use, code, compute, folder, inputs, data }: ShardJob,
  { stage, app, artifacts }: RunningWorker,
): Promise<{ part: ShardRunner; data: unknown }> {
  const found = await stage(use);
  if (!found) {
    throw new IncompatibleWorkerError(`it has no stage ${JSON.stringify(use)} with shards`);
  }
  if (found.changed) {
    throw new IncompatibleWorkerError("its code changed since its start. Restart it");
  }
  assertSameCode(code, found.code);
  if (compute !== undefined) await assertBackend(compute, app);
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
