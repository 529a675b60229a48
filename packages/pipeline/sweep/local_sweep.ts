/** Runs the runs of a sweep on this machine, each as a process. */
import { addAbortListener } from "node:events";
import type { CommandContext } from "../app.ts";
import type { SweepProgress } from "./sweep_progress.ts";
import { type ChildReport, crashReport, startChild } from "./child_process.ts";
import type { SweepPoint } from "./grid.ts";
import type { SweepOptions } from "./run_sweep.ts";

/**
 * Runs the runs concurrently. A failed run does not end the others.
 * @param force ids of the stages that each run makes again
 */
export async function runLocal(
  points: readonly SweepPoint[],
  call: CommandContext,
  force: readonly string[] | undefined,
  { jobs, signal, running }: SweepOptions,
  progress: SweepProgress,
): Promise<void> {
  const { names: [name], values, cwd, project, denoArgs } = call;
  const options = (["set", "sweep", "force", "seed", "until", "from", "only"] as const)
    .flatMap((option) =>
      [(option === "force" ? force : values[option]) ?? []].flat()
        .map((value) => `--${option}=${value}`)
    );
  using _stop = addAbortListener(signal, () => running.forEach((child) => child.stop()));
  let next = 0;
  const one = async () => {
    while (next < points.length && !signal.aborted) {
      const index = next++;
      const args = ["run", name, "--json", `--point=${index + 1}`, ...options];
      const child = startChild([...await denoArgs(), ...args], {
        cwd: project,
        user: cwd,
        // Two concurrent runs on one core each take less time than two in turn on both.
        cores: Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs)),
        onLine: (text) => progress.updated(index, text),
      });
      running.add(child);
      progress.started(index);
      const output = await child.ended as ChildReport | undefined;
      running.delete(child);
      const report = output ?? crashReport(points[index].plan.name, child);
      progress.finished(index, report, signal.aborted);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, points.length) }, one));
}
