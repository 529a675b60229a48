/** deno task serve. */
import { UsageError } from "../errors.ts";
import { abortOnSignal } from "../interrupt.ts";
import { createRunContext, loadPlan } from "../run/create_context.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { runPlan } from "../run/run_pipeline.ts";

export default async function serve(call: CommandContext): Promise<number> {
  const { values } = call;
  let planned = await loadPlan(call);
  const services = planned.stages.filter((stage) => stage.stage.service);
  if (values.host !== undefined) {
    const set = services.filter(({ stage }) => "host" in stage.params.shape)
      .map(({ id }) => `${id}.host=${JSON.stringify(values.host)}`);
    planned = await loadPlan({
      ...call,
      values: { ...values, set: [...values.set ?? [], ...set] },
    });
  }
  if (services.length === 0) {
    const { text } = planned.source.at(["stages"], true);
    throw new UsageError(`${text}: the pipeline has no service; add a stage that is one`);
  }
  using interrupt = abortOnSignal(call.reporter, EXIT.interrupted);
  const context = await createRunContext(planned.artifacts, call, interrupt.signal);
  const until = services.flatMap((stage) => stage.after);
  const { report: { ok } } = await runPlan(planned, { until }, context, { services: true });
  // A service is meant to be stopped by Ctrl-C; what has to run before it is not.
  if (interrupt.signal.aborted && !ok) return EXIT.interrupted;
  return ok ? EXIT.ok : EXIT.failed;
}
