/**
 * Runs a run of a sweep as a process of its own: a crash does not end the worker, and the process has
 * the current code. It computes its own shards: if all workers had such runs, none would be left for
 * shards. While it waits for a result that another run makes, it holds none.
 */
import { type ChildReport, crashReport, startChild } from "../sweep/child_process.ts";
import { formatValues } from "../sweep/grid.ts";
import type { RemoteRunInit } from "../sweep/remote_run_main.ts";
import {
  assertPluginsInProject,
  assertSameCode,
  IncompatibleWorkerError,
  localCodeVersion,
} from "./compatibility.ts";
import type { SweepJob } from "./job_schemas.ts";
import type { ShardTools } from "./run_shard.ts";
import type { JobLease } from "./worker.ts";

/** Everything a worker needs to run runs of sweeps. */
export interface SweepTools extends Pick<ShardTools, "name" | "artifacts" | "workers" | "log"> {
  /** Ms without a heartbeat after which a worker loses its job. */
  readonly lock: number;
  readonly project: string;
  /** Returns Deno's arguments that start the program. */
  denoArgs(): Promise<readonly string[]>;
}

/** Grace period of a run that is stopped, in ms; a kill loses nothing. */
const STOP_TIMEOUT_MS = 20_000;

/** @throws {IncompatibleWorkerError} if results would differ here */
export async function runSweepJob(
  { order }: SweepJob,
  { name, lock, artifacts, workers, project, denoArgs, log }: SweepTools,
  { signal, note }: JobLease,
): Promise<ChildReport> {
  // The run's process compares the modules.
  assertSameCode(order.code, localCodeVersion(order.code));
  await assertPluginsInProject(order.plugins, { project, artifacts });
  const label = `${order.name} ${formatValues(order.point)}`;
  log(`${label}: started`);
  const init: RemoteRunInit = { order, artifacts, patience: lock };
  const child = startChild([...await denoArgs(), "run", "--json", "--", order.name], {
    ...{ cwd: project, user: project, order: init },
    ...(workers > 0 ? { cores: workers } : {}),
    onLine(line) {
      log(`  ${line}`);
      note(line.trim());
    },
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    child.stop();
    timer = setTimeout(child.kill, STOP_TIMEOUT_MS);
  };
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    const output = await child.ended as ChildReport & { readonly refused?: string } | undefined;
    signal.throwIfAborted();
    if (output?.refused !== undefined) throw new IncompatibleWorkerError(output.refused);
    const report = output ?? crashReport(order.name, child, ` on ${name}`);
    log(`${label}: ${report.ok ? "done" : "failed"} in ${report.seconds.toFixed(1)} s`);
    return report;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
