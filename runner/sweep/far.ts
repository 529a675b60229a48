/** Has a sweep's points run by workers on other machines. */
import { join } from "node:path";
import type { FleetSettings } from "../config.ts";
import { short } from "../paths.ts";
import type { Plan } from "../graph.ts";
import type { Call } from "../program.ts";
import { INTERRUPTED, WOULD_RUN } from "../report.ts";
import { runPlan } from "../run.ts";
import type { Selection } from "../selection.ts";
import type { Workshop } from "../workshop.ts";
import { Board, type SweptRun } from "./board.ts";
import type { ChildReport } from "./child.ts";
import type { Point } from "./grid.ts";
import { givenOf, type Order, orderOf, pluginsOf } from "./order.ts";

export interface FarOptions {
  readonly selection: Selection;
  /** Ids of the stages that were made before. */
  readonly common: readonly string[];
  /** Of each point, names of the results of its stages; see `identitiesOf`. */
  readonly identities: readonly ReadonlyMap<string, string>[];
  readonly shop: Workshop;
  readonly fleet: FleetSettings;
  readonly signal: AbortSignal;
}

/** Throws when there is something to send to other machines, and it cannot be sent. */
export async function demandFleet(
  points: readonly Point[],
  { program }: Call,
  { selection, shop, fleet }: Pick<FarOptions, "selection" | "shop" | "fleet">,
): Promise<void> {
  const [{ plan: first }] = points as [Point];
  for (const { plan } of points) {
    if (await isMade(plan, selection, shop)) continue;
    pluginsOf(first, program.project);
    return await program.reachFleet?.(fleet);
  }
}

/** One that fails is told, and the others go on. */
export async function runFarAway(
  points: readonly Point[],
  { reporter, program }: Call,
  { selection, common, identities, shop, fleet, signal }: FarOptions,
): Promise<SweptRun[]> {
  if (!program.sendRuns) throw new Error("Cannot send runs to other machines: nothing does that.");
  const { store, project } = shop;
  const [{ plan: first }] = points as [Point];
  const same = first.stages.map(({ id }) => id).filter((id) =>
    identities.every((names) => names.get(id) === identities[0]!.get(id))
  );
  const given = await givenOf(first, same, shop);
  // What was forced and is shared is made by now.
  const force = selection.force?.filter((id) => !common.includes(id));
  const own = { ...selection, force };
  const board = new Board(points, reporter);
  const orders: Order[] = [];
  /** Of each order, which of the points it is. */
  const indices: number[] = [];
  for (const [index, { plan, values: point }] of points.entries()) {
    if (await isMade(plan, own, shop)) {
      board.begins(index);
      const { report, id } = await runPlan(plan, own, silent(shop), { point });
      board.ends(index, { ...report, ...(id === undefined ? {} : { run: id }) }, false);
    } else {
      orders.push(await orderOf(plan, { point, given, selection: own }, shop));
      indices.push(index);
    }
  }
  const { line: info, paint } = reporter;
  const warn = (message: string) => info(paint.warning(message));
  const here = (report: ChildReport): ChildReport => ({
    ...report,
    stages: report.stages.map((stage) => ({
      ...stage,
      outputs: Object.fromEntries(
        Object.entries(stage.outputs)
          .map(([name, path]) => [name, short(join(store.folder, path), project)]),
      ),
    })),
  });
  try {
    const work = { artifacts: store.folder, signal, info, warn };
    const sent = orders.length > 0 ? program.sendRuns(fleet, work, orders) : [];
    for await (const news of sent) {
      const index = indices[news.index]!;
      if ("begins" in news) board.begins(index);
      else if ("says" in news) board.says(index, news.says);
      else board.ends(index, here(news.ended), false);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    for (const index of board.underWay) {
      const { name: pipeline } = points[index]!.plan;
      const report = { pipeline, ok: false, seconds: 0, stages: [], metrics: {} };
      board.ends(index, { ...report, error: INTERRUPTED }, true);
    }
  } finally {
    board.close();
  }
  return board.runs;
}

/** Whether all of a run is there. */
async function isMade(planned: Plan, selection: Selection, shop: Workshop): Promise<boolean> {
  const { report: { ok, stages } } = await runPlan(planned, selection, silent(shop), {
    dryRun: true,
  });
  return ok && !stages.some(({ why }) => why.startsWith(WOULD_RUN));
}

function silent(shop: Workshop): Workshop {
  return { ...shop, reporter: { ...shop.reporter, line: () => {} } };
}
