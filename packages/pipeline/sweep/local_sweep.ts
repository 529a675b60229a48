/** Runs a sweep's points on this machine, each as a process, some of them at a time. */
import { invocationDir } from "../paths.ts";
import type { CommandContext } from "../app.ts";
import { SweepProgress, type SweepRunResult } from "./sweep_progress.ts";
import { type Child, type ChildReport, crashReport, startChild } from "./child_process.ts";
import type { SweepPoint } from "./grid.ts";

export interface LocalSweepOptions {
  /** Ids of the stages that were made before. */
  readonly common: readonly string[];
  /** Cautions of the shared stages, which are printed already. */
  readonly cautions: readonly string[];
  /** Runs at a time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Is given what ends all runs at once. */
  onKill(kill: () => void): void;
}

/** One that fails is told, and the others go on. */
export async function runLocal(
  points: readonly SweepPoint[],
  call: CommandContext,
  { common, cautions, jobs, signal, onKill }: LocalSweepOptions,
): Promise<SweepRunResult[]> {
  const board = new SweepProgress(points, call.reporter, cautions);
  const running = new Set<Child>();
  onKill(() => running.forEach((child) => child.kill()));
  const stop = () => running.forEach((child) => child.stop());
  signal.addEventListener("abort", stop);
  let next = 0;
  const one = async () => {
    while (next < points.length && !signal.aborted) {
      const index = next++;
      const child = startChild(await childArgs(index, common, call), {
        cwd: call.project,
        user: invocationDir(),
        // Two runs of one core each are done sooner than one after the other with both.
        cores: Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs)),
        onLine: (text) => board.updated(index, text),
      });
      running.add(child);
      board.started(index);
      const report = await child.ended as ChildReport | undefined;
      running.delete(child);
      board.finished(index, report ?? crashReport(points[index]!.plan.name, child), signal.aborted);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, points.length) }, one));
  } finally {
    signal.removeEventListener("abort", stop);
    board.close();
  }
  return board.runs;
}

/** The same words once more, for one combination; what was forced and is shared is made by now. */
async function childArgs(
  index: number,
  common: readonly string[],
  { names, values, denoArgs }: CommandContext,
): Promise<string[]> {
  const many = (option: string, given: readonly string[] | undefined) =>
    (given ?? []).flatMap((value) => [`--${option}=${value}`]);
  const one = (option: "seed" | "until" | "from" | "only") =>
    values[option] === undefined ? [] : [`--${option}=${values[option]}`];
  return [
    ...await denoArgs(),
    ...["run", names[0]!, "--json", `--point=${index + 1}`],
    ...many("set", values.set),
    ...many("sweep", values.sweep),
    ...many("force", values.force?.filter((id) => !common.includes(id))),
    ...[...one("seed"), ...one("until"), ...one("from"), ...one("only")],
  ];
}
