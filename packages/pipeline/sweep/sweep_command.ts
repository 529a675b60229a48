/** `deno task run` of a pipeline with a sweep. */
import { parseWhole } from "../args.ts";
import { outcomeLine, runOne, selectionOf } from "../cli/run_command.ts";
import { counted } from "../causes.ts";
import { ConfigError, UsageError } from "../errors.ts";
import { type Plan, select } from "../plan.ts";
import { abortOnSignal } from "../interrupt.ts";
import { type CommandContext, EXIT } from "../app.ts";
import type { Child } from "./child_process.ts";
import { pointsOf, readSweep } from "./sweep_points.ts";
import { checkParams } from "../run/check_params.ts";
import { runSweep } from "./run_sweep.ts";
import { withoutSeeds } from "../sweep_summary.ts";
import { printJson } from "../reporter.ts";

/** Default limit of concurrent runs, each of which has images in memory. */
const MAX_JOBS = 4;

/** @param base the pipeline with its own values in place of those to try */
export async function sweep(base: Plan, call: CommandContext): Promise<number> {
  const { values, reporter } = call;
  const written = readSweep(base.source, call);
  // --set and --seed fixed all of them.
  if (written.axes.length === 0 && !written.best) {
    if (written.trials === undefined || call.values.set) return await runOne(base, call);
    const at = values.sweep ? { text: "--sweep" } : base.source.at(["sweep", "trials"]);
    throw ConfigError.at(at, "sweep.trials: nothing is varied; add a range, as { from: 0, to: 1 }");
  }
  const points = await pointsOf(written, base, call);
  if (written.trials !== undefined && !written.best) {
    const drawn = new Set(points.map(({ values }) => JSON.stringify(withoutSeeds(values)))).size;
    if (drawn < written.trials) {
      const all = counted(drawn, "combination");
      reporter.log(`trials: ${written.trials}: there are no more than ${all}`);
    }
  }
  const number = parseWhole("point", values);
  if (number !== undefined) {
    const point = points[number - 1];
    if (!point) throw new UsageError(`--point ${number}: there are ${points.length} combinations`);
    return await runOne(point.plan, call, { point: point.values });
  }
  if (base.remoteWorkers && values.jobs !== undefined) {
    throw new UsageError(
      "--jobs limits the runs on this machine; with executor: bullmq each worker has one at a time",
    );
  }
  const most = Math.min(navigator.hardwareConcurrency, MAX_JOBS);
  const jobs = Math.min(parseWhole("jobs", values) ?? most, points.length);
  const dryRun = values["dry-run"] ?? false;
  const selection = selectionOf(call, points[0]!.plan);
  const plans = points.map(({ plan }) => plan);
  const selected = new Set(plans.flatMap((plan) => [...select(plan, selection)]));
  await checkParams(plans, selected, call);
  const running = new Set<Child>();
  const kill = () => running.forEach((child) => child.kill());
  using interrupt = abortOnSignal(reporter, { atOnce: kill });
  const { signal } = interrupt;
  const report = await runSweep(points, call, {
    selection,
    selected,
    dryRun,
    jobs,
    signal,
    running,
  });
  if (values.json) printJson(report);
  if (!dryRun) {
    const done = report.runs.filter(({ ok }) => ok).length;
    const failed = (signal.aborted ? points : report.runs).length - done;
    const notBegun = points.length - report.runs.length;
    const notDone = notBegun === 0 ? "not done" : `not done, ${notBegun} of them not begun`;
    reporter.log(outcomeLine(report, signal.aborted, reporter, [
      [done, `${done === 1 ? "run" : "runs"} done`],
      [failed, signal.aborted ? notDone : "failed"],
    ]));
  }
  if (signal.aborted) return EXIT.interrupted;
  return report.ok ? EXIT.ok : EXIT.failed;
}
