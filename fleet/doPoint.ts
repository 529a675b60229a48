/**
 * Does a run of a sweep, as a process of its own: what it dies of does not end the worker, and it has
 * the code that lies there now. It hands nothing out, but makes its shards of faces itself: if all
 * workers had such runs, nobody would be left to take shards. Where it waits for a result that another
 * run makes, it holds none.
 */
import { type ChildReport, died, startChild } from "../runner/sweep/child.ts";
import { labelOf } from "../runner/sweep/grid.ts";
import type { Opening } from "../runner/sweep/ordered.ts";
import { codeHere, demandCode, demandPlugins, Refusal } from "../runner/travel.ts";
import type { PointData } from "./jobs.ts";
import type { Hold } from "./worker.ts";

export interface PointTools {
  readonly name: string;
  /** Ms after which a worker that is not heard of has lost its job. */
  readonly lock: number;
  readonly artifacts: string;
  readonly workers: number;
  readonly project: string;
  /** Arguments of deno that start the program. */
  self(): Promise<readonly string[]>;
  say(line: string): void;
}

/** How long a run that is to stop may take for the step at hand, in ms; nothing is lost by a kill. */
const STOPPING = 20_000;

/** @throws {Refusal} if something else would come out here */
export async function doPoint(
  { order }: PointData,
  { name, lock, artifacts, workers, project, self, say }: PointTools,
  { signal, note }: Hold,
): Promise<ChildReport> {
  // Its process compares the modules as well.
  const { modules, packages } = order.code;
  demandCode(order.code, codeHere({ modules, packages }));
  await demandPlugins(order.plugins, { project, artifacts });
  const label = `${order.name} ${labelOf(order.point)}`;
  say(`${label}: begins`);
  const opening: Opening = { order, artifacts, patience: lock };
  const child = startChild([...await self(), "run", "--json", "--", order.name], {
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
    if (said?.refused !== undefined) throw new Refusal(said.refused);
    const report = said ?? died(order.name, child, ` on ${name}`);
    say(`${label}: ${report.ok ? "done" : "failed"} in ${report.seconds.toFixed(1)} s`);
    return report;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
