/** The process of a run that another machine dispatched. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { z } from "zod";
import { type Compute, pipelineSchema } from "../config/config.ts";
import { createRunContext } from "../run/create_context.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { runPlan } from "../run/run_pipeline.ts";
import { withPaths } from "../run/run_report.ts";
import { ArtifactStore } from "../artifact_store.ts";
import {
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
  type RemoteRun,
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
    context.resolveCompute = async () => await requireBackend(order, call);
    if (order.backend) await context.resolveCompute(planned.compute);
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

/** Returns the backend that the sweep's machine chose. @throws {IncompatibleWorkerError} */
async function requireBackend({ backend: chosen }: RemoteRun, { resolveCompute }: CommandContext) {
  const { backend, why } = chosen ?? { backend: "", why: "" };
  const wanted = pipelineSchema.shape.compute.safeParse(backend);
  try {
    if (!wanted.success) throw new Error("there is no such backend");
    await resolveCompute(wanted.data as Compute);
  } catch (cause) {
    const message = `it cannot compute on "${backend}": ${(cause as Error).message}`;
    throw new IncompatibleWorkerError(message, { cause });
  }
  return { backend, why };
}
