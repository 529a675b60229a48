/** The process of a run that another machine dispatched. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { z } from "zod";
import { createRunContext } from "../run/create_context.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { runPlan } from "../run/run_pipeline.ts";
import { withPaths } from "../run/run_report.ts";
import { ArtifactStore } from "../artifact_store.ts";
import {
  assertBackend,
  assertPluginsInProject,
  IncompatibleWorkerError,
  toRelative,
} from "../remote/compatibility.ts";
import { followParent } from "./child_process.ts";
import {
  assertSamePlugins,
  assertSameResults,
  openResults,
  orderSchema,
  planOf,
} from "./remote_run.ts";

/** First line of standard input. */
const initSchema = z.strictObject({
  order: orderSchema,
  /** The artifact folder on this machine. */
  artifacts: z.string(),
  /** Ms without a heartbeat after which another run's lock on a result is stale. */
  patience: z.number().positive(),
});

export type RemoteRunInit = z.output<typeof initSchema>;

/** Runs it, and prints its report or `{ refused }` with the reason. */
export async function runRemoteRun(call: CommandContext): Promise<number> {
  using parent = followParent();
  const { order, artifacts, patience } = initSchema.parse(JSON.parse(await parent.order));
  const { project } = call;
  try {
    const context = await createRunContext(artifacts, call, parent.signal, `modules-${hostname()}`);
    await assertPluginsInProject(order.plugins, { project, artifacts });
    await assertSamePlugins(order, context);
    const planned = await planOf(order, call, artifacts);
    context.store = new ArtifactStore(artifacts, { patience });
    await assertSameResults(order, planned, context);
    if (order.backend) await assertBackend(order.backend.backend, call);
    context.resolveCompute = () => Promise.resolve(order.backend ?? { backend: "", why: "" });
    const given = await openResults(order.given, context.store);
    const { selection, point } = order;
    const { report, id } = await runPlan(planned, selection, context, { point, given });
    // Relative to the artifact folder, which other machines have elsewhere.
    const shared = (path: string) => toRelative(resolve(project, path), artifacts) ?? path;
    console.log(JSON.stringify({ ...withPaths(report, shared), run: id }));
    return report.ok ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof IncompatibleWorkerError)) throw error;
    console.log(JSON.stringify({ refused: error.message }));
    return EXIT.failed;
  }
}
