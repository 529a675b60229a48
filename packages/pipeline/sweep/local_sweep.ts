/** Runs the runs of a sweep on this machine, each as a process. */
import { addAbortListener } from "node:events";
import { invocationDir } from "../paths.ts";
import type { CommandContext } from "../app.ts";
import { SweepProgress, type SweepRunResult } from "./sweep_progress.ts";
import { type Child, type ChildReport, crashReport, startChild } from "./child_process.ts";
import type { SweepPoint } from "./grid.ts";
import type { SweepOptions } from "./run_sweep.ts";

/**
 * Runs the runs concurrently. A failed run does not end the others.
 * @param common ids of the stages that all runs share, which are cached
 * @param cautions of those stages, which are printed already
 */
export async function runLocal(
  points: readonly SweepPoint[],
  call: CommandContext,
  { common, cautions }: { common: readonly string[]; cautions: readonly string[] },
  { jobs, signal, onKill }: Pick<SweepOptions, "jobs" | "signal" | "onKill">,
): Promise<SweepRunResult[]> {
  const progress = new SweepProgress(points, call.reporter, cautions);
  const running = new Set<Child>();
  onKill(() => running.forEach((child) => child.kill()));
  using _stop = addAbortListener(signal, () => running.forEach((child) => child.stop()));
  let next = 0;
  const one = async () => {
    while (next < points.length && !signal.aborted) {
      const index = next++;
      const child = startChild(await childArgs(index, common, call), {
        cwd: call.project,
        user: invocationDir(),
        // Two concurrent runs on one core each take less time than two in turn on both.
        cores: Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs)),
        onLine: (text) => progress.updated(index, text),
      });
      running.add(child);
      progress.started(index);
      const output = await child.ended as ChildReport | undefined;
      running.delete(child);
      const report = output ?? crashReport(points[index]!.plan.name, child);
      progress.finished(index, report, signal.aborted);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, points.length) }, one));
  } finally {
    progress.close();
  }
  return progress.runs;
}

/** Returns the command line of one run; it forces no shared stage again. */
async function childArgs(
  index: number,
  common: readonly string[],
  { names, values, denoArgs }: CommandContext,
): Promise<string[]> {
  const force = values.force?.filter((id) => !common.includes(id));
  const options = (["set", "sweep", "force", "seed", "until", "from", "only"] as const)
    .flatMap((option) =>
      [option === "force" ? force ?? [] : values[option] ?? []].flat()
        .map((value) => `--${option}=${value}`)
    );
  return [...await denoArgs(), ...["run", names[0]!, "--json", `--point=${index + 1}`], ...options];
}
