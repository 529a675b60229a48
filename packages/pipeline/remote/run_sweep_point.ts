/**
 * Does a run of a sweep, as a process of its own: what it dies of does not end the worker, and it has
 * the code that lies there now. It hands nothing out, but makes its shards of faces itself: if all
 * workers had such runs, nobody would be left to take shards. Where it waits for a result that another
 * run makes, it holds none.
 */
import { type ChildReport, crashReport, startChild } from "../sweep/child_process.ts";
import { formatValues } from "../sweep/grid.ts";
import type { RemoteRunInit } from "../sweep/remote_run_main.ts";
import {
  assertSameCode,
  demandPlugins,
  IncompatibleWorkerError,
  localCodeVersion,
} from "./compatibility.ts";
import type { PointData } from "./job_schemas.ts";
import type { JobLease } from "./worker.ts";

export interface PointTools {
  readonly name: string;
  /** Ms after which a worker that is not heard of has lost its job. */
  readonly lock: number;
  readonly artifacts: string;
  readonly workers: number;
  readonly project: string;
  /** Arguments of deno that start the program. */
  denoArgs(): Promise<readonly string[]>;
  say(line: string): void;
}

/** How long a run that is to stop may take for the step at hand, in ms; nothing is lost by a kill. */
const STOPPING = 20_000;

/** @throws {IncompatibleWorkerError} if something else would come out here */
export async function runSweepPoint(
  { order }: PointData,
  { name, lock, artifacts, workers, project, denoArgs, say }: PointTools,
  { signal, note }: JobLease,
): Promise<ChildReport> {
  // Its process compares the modules as well.
  const { modules, packages } = order.code;
  assertSameCode(order.code, localCodeVersion({ modules, packages }));
  await demandPlugins(order.plugins, { project, artifacts });
  const label = `${order.name} ${formatValues(order.point)}`;
  say(`${label}: begins`);
  const opening: RemoteRunInit = { order, artifacts, patience: lock };
  const child = startChild([...await denoArgs(), "run", "--json", "--", order.name], {
    ...{ cwd: project, user: project, order: opening },
    ...(workers > 0 ? { cores: workers } : {}),
    onLine(line) {
      say(`  ${line}`);
      note(line.trim());
    },
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    child.stop();
    timer = setTimeout(child.kill, STOPPING);
  };
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    const said = await child.ended as ChildReport & { readonly refused?: string } | undefined;
    signal.throwIfAborted();
    if (said?.refused !== undefined) throw new IncompatibleWorkerError(said.refused);
    const report = said ?? crashReport(order.name, child, ` on ${name}`);
    say(`${label}: ${report.ok ? "done" : "failed"} in ${report.seconds.toFixed(1)} s`);
    return report;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
