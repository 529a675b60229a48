/** The process of a run that was written down on another machine. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { z } from "zod";
import { type Compute, pipelineSchema } from "../config/config.ts";
import { createRunContext } from "../run/create_context.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { runPlan } from "../run/run_pipeline.ts";
import { ArtifactStore } from "../artifact_store.ts";
import { demandPlugins, IncompatibleWorkerError, toRelative } from "../remote/compatibility.ts";
import { followParent } from "./child_process.ts";
import {
  assertSameResults,
  demandSamePlugins,
  open,
  orderSchema,
  planOf,
  type RemoteRun,
} from "./remote_run.ts";

/** First words of the process that started this one. */
export const openingSchema = z.strictObject({
  order: orderSchema,
  /** The artifact folder as this machine has it. */
  artifacts: z.string(),
  /** Ms after which one that holds a result and gives no sign of life is not waited for. */
  patience: z.number().positive(),
});

export type RemoteRunInit = z.output<typeof openingSchema>;

/** Runs it, and prints its report, or `{ refused }` and why. */
export async function runRemoteRun(call: CommandContext): Promise<number> {
  using parent = followParent();
  const { order, artifacts, patience } = openingSchema.parse(JSON.parse(await parent.order));
  const { project, stages } = call;
  try {
    const context = await createRunContext(artifacts, call, parent.signal, `modules-${hostname()}`);
    await demandPlugins(order.plugins, { project, artifacts });
    await demandSamePlugins(order, context);
    const planned = await planOf(order, { project, stages, artifacts });
    context.store = new ArtifactStore(artifacts, { patience });
    await assertSameResults(order, planned, context);
    context.resolveCompute = async () => await demandBackend(order, call);
    if (order.backend) await context.resolveCompute(planned.compute);
    const given = await open(order.given, context.store);
    const { selection, point } = order;
    const { report, id } = await runPlan(planned, selection, context, { point, given });
    // As every machine understands it that has the folder.
    const told = (path: string) => toRelative(resolve(project, path), artifacts) ?? path;
    const travelling = report.stages.map((stage) => ({
      ...stage,
      outputs: Object.fromEntries(
        Object.entries(stage.outputs).map(([name, path]) => [name, told(path)]),
      ),
    }));
    console.log(JSON.stringify({ ...report, stages: travelling, run: id }));
    return report.ok ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof IncompatibleWorkerError)) throw error;
    console.log(JSON.stringify({ refused: error.message }));
    return EXIT.failed;
  }
}

/** The backend that the sweep's machine chose. */
async function demandBackend({ backend: chosen }: RemoteRun, { resolveCompute }: CommandContext) {
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
