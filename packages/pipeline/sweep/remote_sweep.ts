/** Runs the runs of a sweep on workers of other machines. */
import { join } from "node:path";
import type { BullmqSettings } from "../config/config.ts";
import { displayPath } from "../paths.ts";
import type { Plan } from "../plan.ts";
import type { CommandContext } from "../app.ts";
import { INTERRUPTED, WOULD_RUN } from "../run/run_report.ts";
import { runPlan } from "../run/run_pipeline.ts";
import type { Selection } from "../run/selection.ts";
import type { RunContext } from "../run/run_context.ts";
import { SweepProgress, type SweepRunResult } from "./sweep_progress.ts";
import { type ChildReport, failedReport } from "./child_process.ts";
import type { SweepPoint } from "./grid.ts";
import { describeRemoteRun, finishedResults, pluginsOf, type RemoteRun } from "./remote_run.ts";

export interface RemoteSweepOptions {
  readonly selection: Selection;
  /** Ids of the shared stages, which are cached. */
  readonly common: readonly string[];
  /** Cautions of the shared stages, which are printed already. */
  readonly cautions: readonly string[];
  /** Predicted fingerprints of each point; see `predictFingerprints`. */
  readonly identities: readonly ReadonlyMap<string, string>[];
  readonly context: RunContext;
  readonly remoteWorkers: BullmqSettings;
  readonly signal: AbortSignal;
}

/** @throws if runs remain for workers and plugins or Redis prevent it */
export async function checkWorkersReachable(
  points: readonly SweepPoint[],
  { project, checkWorkers }: CommandContext,
  { selection, context, remoteWorkers }: Pick<
    RemoteSweepOptions,
    "selection" | "context" | "remoteWorkers"
  >,
): Promise<void> {
  for (const { plan } of points) {
    if (await isCached(plan, selection, context)) continue;
    pluginsOf(plan, project);
    return await checkWorkers?.(remoteWorkers);
  }
}

/** Runs what is not cached on workers. A failed run does not end the others. */
export async function runRemote(
  points: readonly SweepPoint[],
  { reporter, runRemotely }: CommandContext,
  { selection, common, cautions, identities, context, remoteWorkers, signal }: RemoteSweepOptions,
): Promise<SweepRunResult[]> {
  if (!runRemotely) {
    throw new Error("Cannot send runs to other machines: the app does not.");
  }
  const { store, project } = context;
  const [{ plan: first }] = points as [SweepPoint];
  const same = first.stages.map(({ id }) => id).filter((id) =>
    identities.every((names) => names.get(id) === identities[0]!.get(id))
  );
  const given = await finishedResults(first, same, context);
  const own = { ...selection, force: selection.force?.filter((id) => !common.includes(id)) };
  const progress = new SweepProgress(points, reporter, cautions);
  const orders: RemoteRun[] = [];
  /** Index of each order's point. */
  const indices: number[] = [];
  for (const [index, { plan, values: point }] of points.entries()) {
    if (await isCached(plan, own, context)) {
      progress.started(index);
      const { report, id } = await runPlan(plan, own, silent(context), { point });
      progress.finished(index, { ...report, ...(id === undefined ? {} : { run: id }) }, false);
    } else {
      orders.push(await describeRemoteRun(plan, { point, given, selection: own }, context));
      indices.push(index);
    }
  }
  const { log: info, paint } = reporter;
  const warn = (message: string) => info(paint.yellow(message));
  /** Outputs of a worker's report are relative to the artifact folder. */
  const localPaths = (report: ChildReport): ChildReport => ({
    ...report,
    stages: report.stages.map((stage) => ({
      ...stage,
      outputs: Object.fromEntries(
        Object.entries(stage.outputs)
          .map(([name, path]) => [name, displayPath(join(store.folder, path), project)]),
      ),
    })),
  });
  try {
    const work = { artifacts: store.folder, signal, info, warn };
    const events = orders.length > 0 ? runRemotely(remoteWorkers, work, orders) : [];
    for await (const event of events) {
      const index = indices[event.index]!;
      if ("begins" in event) progress.started(index);
      else if ("says" in event) progress.updated(index, event.says);
      else progress.finished(index, localPaths(event.ended), false);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    for (const index of progress.unfinished) {
      progress.finished(index, failedReport(points[index]!.plan.name, INTERRUPTED), true);
    }
  } finally {
    progress.close();
  }
  return progress.runs;
}

/** Returns true if all results of a run are cached. */
async function isCached(
  planned: Plan,
  selection: Selection,
  context: RunContext,
): Promise<boolean> {
  const { report: { ok, stages } } = await runPlan(planned, selection, silent(context), {
    dryRun: true,
  });
  return ok && !stages.some(({ why }) => why.startsWith(WOULD_RUN));
}

/** Returns a context that logs nothing. */
export function silent(context: RunContext): RunContext {
  return { ...context, reporter: { ...context.reporter, log: () => {} } };
}
