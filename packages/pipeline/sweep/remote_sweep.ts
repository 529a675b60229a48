/** Runs the runs of a sweep on workers of other machines. */
import { join } from "node:path";
import { displayPath } from "../paths.ts";
import type { Plan, Selection } from "../plan.ts";
import type { CommandContext } from "../app.ts";
import { INTERRUPTED, withPaths } from "../run/run_report.ts";
import { runPlan, type RunResult } from "../run/run_pipeline.ts";
import type { RunContext } from "../run/run_context.ts";
import type { SweepProgress } from "./sweep_progress.ts";
import { failedReport } from "./child_process.ts";
import type { SweepPoint } from "./sweep_points.ts";
import { describeRemoteRun, pluginsOf, type RemoteRun } from "./remote_run.ts";

/** @throws if runs remain for workers and plugins or Redis prevent it */
export async function checkWorkersReachable(
  points: readonly SweepPoint[],
  { project, checkWorkers }: CommandContext,
  selection: Selection,
  context: RunContext,
): Promise<void> {
  for (const { plan } of points) {
    if (await isCached(plan, selection, context)) continue;
    pluginsOf(plan, project);
    return await checkWorkers?.(plan.remoteWorkers!);
  }
}

/**
 * Runs what is not cached on workers. A failed run does not end the others.
 * @param same ids of the stages that make the same in all runs; those that are cached are shared
 */
export async function runRemote(
  points: readonly SweepPoint[],
  { reporter, runRemotely }: CommandContext,
  selection: Selection,
  same: readonly string[],
  context: RunContext,
  progress: SweepProgress,
): Promise<void> {
  if (!runRemotely) throw new Error("Cannot send runs to other machines: the app does not.");
  const { store, project, signal } = context;
  const [{ plan: first }] = points;
  const given = await finishedResults(first, same, context);
  const orders: RemoteRun[] = [];
  /** Index of each order's point. */
  const indices: number[] = [];
  for (const [index, { plan, values: point }] of points.entries()) {
    if (await isCached(plan, selection, context)) {
      progress.started(index);
      const { report, id: run } = await runPlan(plan, selection, silent(context), { point });
      progress.finished(index, { ...report, run }, false);
    } else {
      orders.push(await describeRemoteRun(plan, { point, given, selection }, context));
      indices.push(index);
    }
  }
  if (orders.length === 0) return;
  const { log: info, paint } = reporter;
  const warn = (message: string) => info(paint.yellow(message));
  /** Outputs of a worker's report are relative to the artifact folder. */
  const local = (path: string) => displayPath(join(store.folder, path), project);
  try {
    const work = { artifacts: store.folder, signal, info, warn };
    for await (const event of runRemotely(first.remoteWorkers!, work, orders)) {
      const index = indices[event.index];
      if ("begins" in event) progress.started(index);
      else if ("line" in event) progress.updated(index, event.line);
      else progress.finished(index, withPaths(event.ended, local), false);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    for (const index of progress.unfinished) {
      progress.finished(index, failedReport(points[index].plan.name, INTERRUPTED), true);
    }
  }
}

/** Returns true if all results of a run are cached. */
async function isCached(planned: Plan, selection: Selection, context: RunContext) {
  const { report: { ok, stages } } = await rehearse(planned, selection, context);
  return ok && stages.every(({ cause }) => cause === undefined);
}

/** Finds the cached results of some stages. @param ids stages that are equal in all runs */
export async function finishedResults(
  planned: Plan,
  ids: readonly string[],
  context: RunContext,
): Promise<RemoteRun["given"]> {
  const { report, records } = await rehearse(planned, { until: ids }, context);
  const cached = report.stages.filter(({ status }) => status === "cached");
  return Object.fromEntries(
    cached.map(({ id, use }) => [id, { use, fingerprint: records.get(id)!.fingerprint }]),
  );
}

/** Executes a dry run, which logs nothing. */
export async function rehearse(
  planned: Plan,
  selection: Selection,
  context: RunContext,
): Promise<RunResult> {
  return await runPlan(planned, selection, silent(context), { dryRun: true });
}

function silent(context: RunContext): RunContext {
  return { ...context, reporter: { ...context.reporter, log: () => {} } };
}
