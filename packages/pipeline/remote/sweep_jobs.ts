/** Dispatches the runs of a sweep. */
import type { RemoteOrder, RemoteRunEvent } from "../app.ts";
import { type ChildReport, failedReport } from "../sweep/child_process.ts";
import { dispatchJobs, type DispatchOptions, type Outcome } from "./coordinator.ts";
import { firstProblem, JOB_FORMAT, sweepResultSchema } from "./job_schemas.ts";

/** Shards precede runs of a sweep: a stage waits for them, and they are short. */
const PRIORITY = 1;

/** Dispatches runs. Yields their events; a failure anywhere is the report of a failed run. */
export async function* dispatchSweepRuns(
  options: Omit<DispatchOptions, "run">,
  orders: readonly RemoteOrder[],
): AsyncGenerator<RemoteRunEvent> {
  const run = crypto.randomUUID();
  const tasks = orders.map((order, index) => {
    const data = { version: JOB_FORMAT, kind: "point", run, order };
    return { key: String(index), data, priority: PRIORITY };
  });
  const begun = new Set<number>();
  /** Last note of each run. */
  const reported = new Map<number, string>();
  for await (const event of dispatchJobs({ ...options, run }, tasks)) {
    if ("outcome" in event) {
      const { outcome } = event;
      const index = Number(outcome.key);
      if (!begun.has(index)) yield { index, begins: true };
      begun.add(index);
      yield { index, ended: reportOf(orders[index]!, outcome) };
      continue;
    }
    for (const [key, state] of event.states) {
      const index = Number(key);
      // A released run starts again.
      if (state.state === "waiting" || state.state === "gone") begun.delete(index);
      if (state.state !== "active") continue;
      if (!begun.has(index)) yield { index, begins: true };
      begun.add(index);
      const { note = "", worker = "" } = state.standing ?? {};
      const line = `${note} (on ${worker})`;
      if (note !== "" && reported.get(index) !== line) yield { index, line };
      reported.set(index, line);
    }
  }
}

function reportOf({ name }: RemoteOrder, outcome: Outcome): ChildReport {
  if ("failed" in outcome) return failedReport(name, outcome.failed);
  const { success, data, error } = sweepResultSchema.safeParse(outcome.result);
  // A metric that is not a number is null, as in any JSON.
  if (success) return data as ChildReport;
  return failedReport(name, `its worker sent an invalid report: ${firstProblem(error)}`);
}
