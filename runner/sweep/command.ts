/** deno task run, of a pipeline of which something is varied. */
import { readCount } from "../arguments.ts";
import { type runOne, selectionOf } from "../commands/run.ts";
import { list, UsageError } from "../errors.ts";
import type { Plan } from "../graph.ts";
import { onInterrupt } from "../interrupt.ts";
import { type Call, EXIT } from "../program.ts";
import { clock } from "../reporter.ts";
import { ATTACHED } from "./child.ts";
import { axesOf, pointsOf } from "./grid.ts";
import { runSweep } from "./run.ts";

/** @param base the pipeline with the values that stand where those to try come */
export async function sweep(base: Plan, call: Call, one: typeof runOne): Promise<number> {
  const { values, reporter: { line, paint } } = call;
  const axes = axesOf(base.source, call);
  // --set and --seed have fixed all of them.
  if (axes.length === 0) return await one(base, call);
  const points = await pointsOf(axes, call);
  const number = readCount("point", values);
  if (number !== undefined) {
    const point = points[number - 1];
    if (!point) {
      throw new UsageError(`--point ${number}: there are ${points.length} combinations`);
    }
    const attached = Deno.env.get(ATTACHED) === "point";
    return await one(point.plan, call, { point: point.values, attached });
  }
  if (base.fleet && values.jobs !== undefined) {
    throw new UsageError(
      "--jobs is about the runs on this machine; with executor: bullmq each worker has one at a time",
    );
  }
  const most = Math.min(navigator.hardwareConcurrency, MOST_JOBS);
  const jobs = Math.min(readCount("jobs", values) ?? most, points.length);
  const dryRun = values["dry-run"] ?? false;
  const selection = selectionOf(call, points[0]!.plan);
  let kill = () => {};
  using interrupt = onInterrupt(call.reporter, EXIT.interrupted, () => kill());
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
      ? `${paint.good("done")} in`
      : interrupted
      ? `${paint.warning("interrupted")} after`
      : `${paint.bad("not done")} in`;
    const counted = [
      ...(well > 0 ? [`${well} ${well === 1 ? "run" : "runs"} done`] : []),
      ...(failed > 0 ? [`${failed} ${interrupted ? "not done" : "failed"}`] : []),
    ];
    line(`${head} ${clock(report.seconds)}${counted.length > 0 ? `: ${list(counted)}` : ""}`);
  }
  if (interrupted) return EXIT.interrupted;
  return report.ok ? EXIT.ok : EXIT.failed;
}

/** Runs at the same time, unless told: one a core, up to this, since each has images in memory. */
const MOST_JOBS = 4;
