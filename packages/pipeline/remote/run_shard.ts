/** Does a part of a stage's work. */
import { join } from "node:path";
import type { UnitRunner } from "../stage.ts";
import {
  assertSameCode,
  type CodeVersion,
  IncompatibleWorkerError,
  toRelative,
} from "./compatibility.ts";
import { firstProblem, type PartData, type PartResult } from "./job_schemas.ts";
import type { ResourceCache } from "./resource_cache.ts";
import type { JobLease } from "./worker.ts";

export interface PartTools {
  /** What the worker is called. */
  readonly name: string;
  /** The shared folder, as this machine has it. */
  readonly artifacts: string;
  /** Processes at a time; 0 is one a core. */
  readonly workers: number;
  /**
   * How a stage's parts are done here, with what code, and whether that has changed since the worker
   * began; undefined: they are not.
   */
  stage(
    use: string,
  ): Promise<{ part: UnitRunner; code: CodeVersion; changed: boolean } | undefined>;
  /** @throws if this machine does not have the compute backend */
  demand(backend: string): Promise<void>;
  readonly kept: ResourceCache;
  say(line: string): void;
}

/** @throws {IncompatibleWorkerError} if it cannot be done here */
export async function runShard(
  job: PartData,
  key: string,
  tools: PartTools,
  { signal, advance }: JobLease,
): Promise<PartResult> {
  const { name, artifacts, workers, kept, say } = tools;
  const { part, input } = await accept(job, tools);
  const own = `${job.folder}/${crypto.randomUUID()}`;
  const folder = join(artifacts, own);
  await Deno.mkdir(folder);
  say(`${job.use} ${key}: begins`);
  const began = performance.now();
  const stop = () => void kept.close(); // whatever it is at
  signal.addEventListener("abort", stop);
  try {
    const inputs = Object.fromEntries(
      Object.entries(job.inputs).map(([key, at]) => [key, join(artifacts, at)]),
    );
    const getOrOpen = kept.getOrOpen.bind(kept);
    const context = { folder, signal, advance, workers, compute: job.compute, getOrOpen };
    const result = await part.run(inputs, input, context);
    signal.throwIfAborted();
    say(`${job.use} ${key}: done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return { folder: own, worker: name, result };
  } catch (error) {
    await Deno.remove(folder, { recursive: true }).catch(() => {}); // the run will do it
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Whether a part can be done here, and how. @throws {IncompatibleWorkerError} */
async function accept(
  { use, code, compute, folder, inputs, data }: PartData,
  { stage, demand, artifacts }: PartTools,
): Promise<{ part: UnitRunner; input: unknown }> {
  const found = await stage(use);
  if (!found) {
    throw new IncompatibleWorkerError(
      `the stage ${JSON.stringify(use)} is none whose parts it can do`,
    );
  }
  if (found.changed) {
    throw new IncompatibleWorkerError("its code was changed after it was started. Start it again");
  }
  assertSameCode(code, found.code);
  if (compute !== undefined) {
    await demand(compute).catch((error: Error) => {
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
      throw new IncompatibleWorkerError(
        `its artifact folder "${artifacts}" has no "${path}": it is not the run's. Name that with ` +
          "--artifacts",
      );
    }
  }
  const parsed = found.part.data.safeParse(data);
  if (parsed.success) return { part: found.part, input: parsed.data };
  throw new Error(`what arrived is no part of ${use}: ${firstProblem(parsed.error)}.`);
}
