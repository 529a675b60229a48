/** deno task run. */
import { didYouMean, list, UsageError } from "../errors.ts";
import type { Plan } from "../graph.ts";
import { commandOf } from "../identity.ts";
import { onInterrupt } from "../interrupt.ts";
import { openWorkshop, planOf } from "../open.ts";
import { type Call, EXIT } from "../program.ts";
import { INTERRUPTED } from "../report.ts";
import { clock, type Reporter } from "../reporter.ts";
import { type Ended, runPlan } from "../run.ts";
import { withoutSecrets } from "../secrets.ts";
import { select, type Selection } from "../selection.ts";
import { ATTACHED } from "../sweep/child.ts";

export default async function run(call: Call): Promise<number> {
  const { values } = call;
  if (Deno.env.get(ATTACHED) === "order") {
    return await (await import("../sweep/ordered.ts")).runOrdered(call);
  }
  const planned = await planOf(call);
  if (planned.source.values.sweep === undefined && values.sweep === undefined) {
    for (const option of ["jobs", "point"] as const) {
      if (values[option] !== undefined) {
        throw new UsageError(`--${option} is about a sweep, and nothing is varied; see --sweep`);
      }
    }
    return await runOne(planned, call);
  }
  // Loaded by those who sweep.
  return await (await import("../sweep/command.ts")).sweep(planned, call, runOne);
}

/** What a run of a sweep has beside the pipeline. */
export interface Swept {
  readonly point: Readonly<Record<string, unknown>>;
  /** Whether a sweep started it as a process of its own. */
  readonly attached: boolean;
}

/** Runs a pipeline once, and returns the exit code. */
export async function runOne(planned: Plan, call: Call, swept?: Swept): Promise<number> {
  const { values, reporter } = call;
  const selection = selectionOf(call, planned);
  using interrupt = swept?.attached
    ? (await import("../sweep/child.ts")).untilParentEnds()
    : onInterrupt(reporter, EXIT.interrupted);
  const shop = await openWorkshop(planned.artifacts, call, interrupt.signal);
  const dryRun = values["dry-run"] ?? false;
  const ended = await runPlan(planned, selection, shop, { dryRun, point: swept?.point });
  if (values.json) {
    console.log(JSON.stringify({ ...ended.report, ...(swept?.attached && { run: ended.id }) }));
  }
  const interrupted = interrupt.signal.aborted;
  if (!dryRun) {
    summarise(ended, interrupted, reporter);
    if (ended.report.ok && !swept) next(planned, ended, call);
  }
  if (interrupted) return EXIT.interrupted;
  return ended.report.ok ? EXIT.ok : EXIT.failed;
}

/** The stages that the command line asks for. Throws when there is no such, or none is left. */
export function selectionOf({ values }: Pick<Call, "values">, planned: Plan): Selection {
  const ids = planned.stages.map((stage) => stage.id);
  for (const option of ["until", "from", "only", "force"] as const) {
    for (const id of [values[option] ?? []].flat()) {
      if (!ids.includes(id)) {
        throw new UsageError(
          `--${option} ${id}: the pipeline has no such stage.${didYouMean(id, ids)} ` +
            `It has ${list(ids)}.`,
        );
      }
    }
  }
  const { from, only, force } = values;
  const until = values.until === undefined ? undefined : [values.until];
  const selection = { until, from, only, force };
  if (select(planned, selection).size > 0) return selection;
  const service = planned.stages.find(({ id, stage }) => stage.service && id === (only ?? from));
  throw new UsageError(
    service
      ? `${service.id} is a service, which deno task serve starts`
      : "--until, --from and --only leave no stage to run",
  );
}

function summarise(
  { report: { stages, seconds, ok, cautions = [] }, id }: Ended,
  interrupted: boolean,
  { line, paint }: Reporter,
): void {
  const counted = (["ran", "cached", "failed"] as const).flatMap((status) => {
    const count = stages.filter((stage) => stage.status === status && stage.why !== INTERRUPTED)
      .length;
    return count > 0 ? [`${count} ${status}`] : [];
  });
  cautions.forEach((caution) => line(paint.warning(caution)));
  const head = ok
    ? `${paint.good("done")} in`
    : interrupted
    ? `${paint.warning("interrupted")} after`
    : `${paint.bad("not done")} in`;
  const named = id === undefined ? "" : `  ${paint.faint(`run ${id}`)}`;
  line(`${head} ${clock(seconds)}${counted.length > 0 ? `: ${list(counted)}` : ""}${named}`);
}

/** Lists the commands that make sense after a run. */
function next(
  { stages, identity, overrides }: Plan,
  { report, id }: Ended,
  { program, reporter }: Call,
): void {
  const made = (id: string) =>
    report.stages.some((one) => one.id === id && Object.keys(one.outputs).length > 0);
  const model = stages.some(({ id, stage }) =>
    made(id) && Object.values(stage.outputs).some(({ kind }) => kind === "model")
  );
  const words = (values: Plan["overrides"]) =>
    commandOf(identity, withoutSecrets(values)).slice("deno task run ".length);
  const commands = [
    stages.some(({ stage, after }) => stage.service && after.every(made)) &&
    `serve ${words(overrides)}`,
    model && program.commands?.predict && `predict FOLDER --model ${id ?? words({})}`,
    id !== undefined && Object.keys(report.metrics).length > 0 && program.commands?.compare &&
    `compare ${id} RUN`,
  ].filter((command) => typeof command === "string");
  if (commands.length === 0) return;
  reporter.line(`next: ${commands.map((command) => `deno task ${command}`).join("\n      ")}`);
}
