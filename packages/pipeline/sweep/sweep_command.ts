/** deno task run, of a pipeline of which something is varied. */
import { parsePositiveInt } from "../args.ts";
import { type runOne, selectionOf } from "../cli/run_command.ts";
import { joinWords, UsageError } from "../errors.ts";
import type { Plan } from "../plan.ts";
import { abortOnSignal } from "../interrupt.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { formatDuration } from "../reporter.ts";
import { PARENT_ENV } from "./child_process.ts";
import { axesOf, pointsOf } from "./grid.ts";
import { runSweep } from "./run_sweep.ts";

/** @param base the pipeline with the values that stand where those to try come */
export async function sweep(base: Plan, call: CommandContext, one: typeof runOne): Promise<number> {
  const { values, reporter: { log: line, paint } } = call;
  const axes = axesOf(base.source, call);
  // --set and --seed have fixed all of them.
  if (axes.length === 0) return await one(base, call);
  const points = await pointsOf(axes, call);
  const number = parsePositiveInt("point", values);
  if (number !== undefined) {
    const point = points[number - 1];
    if (!point) {
      throw new UsageError(`--point ${number}: there are ${points.length} combinations`);
    }
    const attached = Deno.env.get(PARENT_ENV) === "point";
    return await one(point.plan, call, { point: point.values, attached });
  }
  if (base.remoteWorkers && values.jobs !== undefined) {
    throw new UsageError(
      "--jobs is about the runs on this machine; with executor: bullmq each worker has one at a time",
    );
  }
  const most = Math.min(navigator.hardwareConcurrency, MOST_JOBS);
  const jobs = Math.min(parsePositiveInt("jobs", values) ?? most, points.length);
  const dryRun = values["dry-run"] ?? false;
  const selection = selectionOf(call, points[0]!.plan);
  let kill = () => {};
  using interrupt = abortOnSignal(call.reporter, EXIT.interrupted, () => kill());
  const report = await runSweep(points, call, {
    ...{ selection, dryRun, jobs, signal: interrupt.signal },
    onKill: (all) => kill = all,
  });
  if (values.json) console.log(JSON.stringify(report));
  const interrupted = interrupt.signal.aborted;
  if (!dryRun) {
    const failed = report.runs.filter(({ ok }) => !ok).length;
    const well = report.runs.length - failed;
    const head = report.ok
      ? `${paint.green("done")} in`
      : interrupted
      ? `${paint.yellow("interrupted")} after`
      : `${paint.red("not done")} in`;
    const counted = [
      ...(well > 0 ? [`${well} ${well === 1 ? "run" : "runs"} done`] : []),
      ...(failed > 0 ? [`${failed} ${interrupted ? "not done" : "failed"}`] : []),
    ];
    line(
      `${head} ${formatDuration(report.seconds)}${
        counted.length > 0 ? `: ${joinWords(counted)}` : ""
      }`,
    );
  }
  if (interrupted) return EXIT.interrupted;
  return report.ok ? EXIT.ok : EXIT.failed;
}

/** Runs at the same time, unless told: one a core, up to this, since each has images in memory. */
const MOST_JOBS = 4;
