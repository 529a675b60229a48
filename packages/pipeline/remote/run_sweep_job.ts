/**
 * Runs a run of a sweep as a process of its own: a crash does not end the worker, and the process has
 * the current code. It computes its own shards: if all workers had such runs, none would be left for
 * shards. While it waits for a result that another run makes, it holds none.
 */
import { addAbortListener } from "node:events";
import { type ChildReport, crashReport, startChild } from "../sweep/child_process.ts";
import { formatValues } from "../format.ts";
import type { RemoteRunInit } from "../sweep/remote_run.ts";
import {
  assertPluginsInProject,
  assertSameCode,
  IncompatibleWorkerError,
  localCodeVersion,
} from "./compatibility.ts";
import type { SweepJob } from "./job_schemas.ts";
import type { JobLease, RunningWorker } from "./worker.ts";

/** Grace period of a run that is stopped, in ms; a kill loses nothing. */
const STOP_TIMEOUT_MS = 20_000;

/** @throws {IncompatibleWorkerError} if results would differ here */
export async function runSweepJob(
  { order }: SweepJob,
  { name, lock, artifacts, workers, app: { project, denoArgs }, log }: RunningWorker,
  { signal, note }: JobLease,
): Promise<ChildReport> {
  // The run's process compares the modules.
  assertSameCode(order.code, localCodeVersion(order.code));
  await assertPluginsInProject(order.plugins, { project, artifacts });
  const label = `${order.name} ${formatValues(order.point)}`;
  log(`${label}: started`);
  const init: RemoteRunInit = { order, artifacts, patience: lock };
  const child = startChild([...await denoArgs(), "run", "--json", "--", order.name], {
    cwd: project,
    user: project,
    kind: "order",
    order: init,
    cores: workers,
    onLine(line) {
      log(`  ${line}`);
      note(line.trim());
    },
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  using _stop = addAbortListener(signal, () => {
    child.stop();
    timer = setTimeout(child.kill, STOP_TIMEOUT_MS);
  });
  try {
    const output = await child.ended as ChildReport & { readonly refused?: string } | undefined;
    signal.throwIfAborted();
    if (output?.refused !== undefined) throw new IncompatibleWorkerError(output.refused);
    const report = output ?? crashReport(order.name, child, ` on ${name}`);
    log(`${label}: ${report.ok ? "done" : "failed"} in ${report.seconds.toFixed(1)} s`);
    return report;
  } finally {
    clearTimeout(timer);
  }
}
