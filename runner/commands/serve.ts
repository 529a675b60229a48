/** deno task serve. */
import { UsageError } from "../errors.ts";
import { onInterrupt } from "../interrupt.ts";
import { openWorkshop, planOf } from "../open.ts";
import { type Call, EXIT } from "../program.ts";
import { runPlan } from "../run.ts";

export default async function serve(call: Call): Promise<number> {
  const { values } = call;
  let planned = await planOf(call);
  const services = planned.stages.filter((stage) => stage.stage.service);
  if (values.host !== undefined) {
    const set = services.filter(({ stage }) => "host" in stage.params.shape)
      .map(({ id }) => `${id}.host=${JSON.stringify(values.host)}`);
    planned = await planOf({ ...call, values: { ...values, set: [...values.set ?? [], ...set] } });
  }
  if (services.length === 0) {
    const { text } = planned.source.at(["stages"], true);
    throw new UsageError(`${text}: the pipeline has no service; add "webcamServe:" to its stages`);
  }
  using interrupt = onInterrupt(call.reporter, EXIT.interrupted);
  const shop = await openWorkshop(planned.artifacts, call, interrupt.signal);
  const until = services.flatMap((stage) => stage.after);
  const { report: { ok } } = await runPlan(planned, { until }, shop, { services: true });
  // A service is meant to be stopped by Ctrl-C; what has to run before it is not.
  if (interrupt.signal.aborted && !ok) return EXIT.interrupted;
  return ok ? EXIT.ok : EXIT.failed;
}
