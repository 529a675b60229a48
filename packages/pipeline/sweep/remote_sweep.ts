/** Has a sweep's points run by workers on other machines. */
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
import type { ChildReport } from "./child_process.ts";
import type { SweepPoint } from "./grid.ts";
import { describeRemoteRun, finishedResults, pluginsOf, type RemoteRun } from "./remote_run.ts";

export interface RemoteSweepOptions {
  readonly selection: Selection;
  /** Ids of the stages that were made before. */
  readonly common: readonly string[];
  /** Cautions of the shared stages, which are printed already. */
  readonly cautions: readonly string[];
  /** Of each point, names of the results of its stages; see `identitiesOf`. */
  readonly identities: readonly ReadonlyMap<string, string>[];
  readonly context: RunContext;
  readonly remoteWorkers: BullmqSettings;
  readonly signal: AbortSignal;
}

/** Throws when there is something to send to other machines, and it cannot be sent. */
export async function checkWorkersReachable(
  points: readonly SweepPoint[],
  { project, checkWorkers }: CommandContext,
  { selection, context, remoteWorkers }: Pick<
    RemoteSweepOptions,
    "selection" | "context" | "remoteWorkers"
  >,
): Promise<void> {
  const [{ plan: first }] = points as [SweepPoint];
  for (const { plan } of points) {
    if (await isMade(plan, selection, context)) continue;
    pluginsOf(first, project);
    return await checkWorkers?.(remoteWorkers);
  }
}

/** One that fails is told, and the others go on. */
export async function runRemote(
  points: readonly SweepPoint[],
  { reporter, runRemotely }: CommandContext,
  { selection, common, cautions, identities, context, remoteWorkers, signal }: RemoteSweepOptions,
): Promise<SweepRunResult[]> {
  if (!runRemotely) {
    throw new Error("Cannot send runs to other machines: nothing does that.");
  }
  const { store, project } = context;
  const [{ plan: first }] = points as [SweepPoint];
  const same = first.stages.map(({ id }) => id).filter((id) =>
    identities.every((names) => names.get(id) === identities[0]!.get(id))
  );
  const given = await finishedResults(first, same, context);
  // What was forced and is shared is made by now.
  const force = selection.force?.filter((id) => !common.includes(id));
  const own = { ...selection, force };
  const board = new SweepProgress(points, reporter, cautions);
  const orders: RemoteRun[] = [];
  /** Of each order, which of the points it is. */
  const indices: number[] = [];
  for (const [index, { plan, values: point }] of points.entries()) {
    if (await isMade(plan, own, context)) {
      board.started(index);
      const { report, id } = await runPlan(plan, own, silent(context), { point });
      board.finished(index, { ...report, ...(id === undefined ? {} : { run: id }) }, false);
    } else {
      orders.push(await describeRemoteRun(plan, { point, given, selection: own }, context));
      indices.push(index);
    }
  }
  const { log: info, paint } = reporter;
  const warn = (message: string) => info(paint.yellow(message));
  const here = (report: ChildReport): ChildReport => ({
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
    const sent = orders.length > 0 ? runRemotely(remoteWorkers, work, orders) : [];
    for await (const news of sent) {
      const index = indices[news.index]!;
      if ("begins" in news) board.started(index);
      else if ("says" in news) board.updated(index, news.says);
      else board.finished(index, here(news.ended), false);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    for (const index of board.underWay) {
      const { name: pipeline } = points[index]!.plan;
      const report = { pipeline, ok: false, seconds: 0, stages: [], metrics: {} };
      board.finished(index, { ...report, error: INTERRUPTED }, true);
    }
  } finally {
    board.close();
  }
  return board.runs;
}

/** Whether all of a run is there. */
async function isMade(planned: Plan, selection: Selection, context: RunContext): Promise<boolean> {
  const { report: { ok, stages } } = await runPlan(planned, selection, silent(context), {
    dryRun: true,
  });
  return ok && !stages.some(({ why }) => why.startsWith(WOULD_RUN));
}

function silent(context: RunContext): RunContext {
  return { ...context, reporter: { ...context.reporter, log: () => {} } };
}
