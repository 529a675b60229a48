/** Has a sweep's points run by workers on other machines. */
import { join } from "node:path";
import type { FleetSettings } from "../config.ts";
import { short } from "../paths.ts";
import type { Call } from "../program.ts";
import { INTERRUPTED } from "../report.ts";
import type { Selection } from "../selection.ts";
import type { Workshop } from "../workshop.ts";
import { Board, type SweptRun } from "./board.ts";
import type { ChildReport } from "./child.ts";
import type { Point } from "./grid.ts";
import { givenOf, orderOf } from "./order.ts";

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
  const orders = [];
  for (const { plan, values: point } of points) {
    orders.push(await orderOf(plan, { point, given, selection: { ...selection, force } }, shop));
  }
  const board = new Board(points, reporter);
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
    for await (const news of program.sendRuns(fleet, work, orders)) {
      if ("begins" in news) board.begins(news.index);
      else if ("says" in news) board.says(news.index, news.says);
      else board.ends(news.index, here(news.ended), false);
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
