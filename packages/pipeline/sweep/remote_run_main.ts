/** The process of a run that another machine dispatched. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { createRunContext } from "../run/run_context.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { runPlan } from "../run/run_pipeline.ts";
import { withPaths } from "../run/run_report.ts";
import { ArtifactStore } from "../artifact_store.ts";
import { assertBackend, IncompatibleWorkerError, toRelative } from "../remote/compatibility.ts";
import { followParent } from "./child_process.ts";
import { printJson } from "../reporter.ts";
import {
  assertSamePlugins,
  assertSameResults,
  openResults,
  planOf,
  type RemoteRun,
} from "./remote_run.ts";

/** First line of standard input; the worker has validated the order and where its plugins lie. */
export interface RemoteRunInit {
  readonly order: RemoteRun;
  /** The artifact folder on this machine. */
  readonly artifacts: string;
  /** Ms without a heartbeat after which another run's lock on a result is stale. */
  readonly patience: number;
}

/** Runs it, and prints its report or `{ refused }` with the reason. */
export async function runRemoteRun(call: CommandContext): Promise<number> {
  using parent = followParent();
  const { order, artifacts, patience }: RemoteRunInit = JSON.parse(await parent.order);
  const { project } = call;
  try {
    const context = await createRunContext(artifacts, call, parent.signal, `modules-${hostname()}`);
    await assertSamePlugins(order, context);
    const planned = await planOf(order, call, artifacts);
    await assertSameResults(order, planned, context);
    if (order.backend) await assertBackend(order.backend.backend, call);
    const { selection, point, backend = { backend: "", why: "" } } = order;
    const store = new ArtifactStore(artifacts, { patience });
    const own = { ...context, store, resolveCompute: () => Promise.resolve(backend) };
    const given = await openResults(order.given, store);
    const { report, id } = await runPlan(planned, selection, own, { point, given });
    // Relative to the artifact folder, which other machines have elsewhere.
    const shared = (path: string) => toRelative(resolve(project, path), artifacts) ?? path;
    printJson({ ...withPaths(report, shared), run: id });
    return report.ok ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof IncompatibleWorkerError)) throw error;
    printJson({ refused: error.message });
    return EXIT.failed;
  }
}
