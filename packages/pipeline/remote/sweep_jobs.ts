/** Runs of a sweep, as jobs. */
import type { RemoteRunEvent } from "../app.ts";
import type { ChildReport } from "../sweep/child_process.ts";
import type { RemoteRun } from "../sweep/remote_run.ts";
import { dispatchJobs, type DispatchOptions } from "./coordinator.ts";
import { firstProblem, JOB_FORMAT, type PointData, pointResultSchema } from "./job_schemas.ts";

/** Parts go before runs of a sweep: somebody waits for them, and they are soon done. */
const PRIORITY = 1;

/** Has runs done; one that fails, wherever and however, is told like one that is done. */
export async function* dispatchSweepPoints(
  hands: Omit<DispatchOptions, "run">,
  orders: readonly RemoteRun[],
): AsyncGenerator<RemoteRunEvent> {
  const run = crypto.randomUUID();
  const tasks = orders.map((order, index) => {
    const data: PointData = { version: JOB_FORMAT, kind: "point", run, order };
    return { key: String(index), data, priority: PRIORITY };
  });
  const begun = new Set<number>();
  const said = new Map<number, { says: string; turn: number }>();
  const turnOf = (index: number) => said.get(index)?.turn ?? -1;
  let turn = 0;
  for await (const news of dispatchJobs({ ...hands, run }, tasks)) {
    if ("outcome" in news) {
      const { outcome } = news;
      const index = Number(outcome.key);
      if (!begun.has(index)) yield { index, begins: true };
      begun.add(index);
      const ended = "failed" in outcome
        ? unfinished(orders[index]!, outcome.failed)
        : reported(orders[index]!, outcome.result);
      yield { index, ended };
      continue;
    }
    let next: { index: number; says: string } | undefined;
    for (const [key, state] of news.states) {
      const index = Number(key);
      // One that was given back begins once more, whoever takes it.
      if (state.state === "waiting" || state.state === "gone") begun.delete(index);
      if (state.state !== "active") continue;
      if (!begun.has(index)) yield { index, begins: true };
      begun.add(index);
      const { note = "", worker = "" } = state.standing ?? {};
      const says = `${note} (on ${worker})`;
      if (note === "" || said.get(index)?.says === says) continue;
      if (!next || turnOf(index) < turnOf(next.index)) next = { index, says };
    }
    // There is one bar: they take turns.
    if (!next) continue;
    said.set(next.index, { says: next.says, turn: turn++ });
    yield next;
  }
}

/** Checks what a worker says of a run. */
function reported(order: RemoteRun, value: unknown): ChildReport {
  const { success, data, error } = pointResultSchema.safeParse(value);
  if (success) return data as ChildReport; // a metric that is no number is null, as in any JSON
  return unfinished(order, `what its worker sent cannot be used: ${firstProblem(error)}`);
}

function unfinished({ name: pipeline }: RemoteRun, error: string): ChildReport {
  return { pipeline, ok: false, seconds: 0, stages: [], metrics: {}, error };
}
