/** deno task run and serve. */
import { join } from "node:path";
import { didYouMean, joinWords, UsageError } from "../errors.ts";
import { type Plan, select, type Selection } from "../plan.ts";
import { commandOf, shellQuote } from "../pipeline_identity.ts";
import { abortOnSignal } from "../interrupt.ts";
import { loadPlan } from "../load_plan.ts";
import { checkParams } from "../run/check_params.ts";
import { createRunContext } from "../run/run_context.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { isInterrupted } from "../history.ts";
import { formatDuration } from "../format.ts";
import { printJson, type Reporter } from "../reporter.ts";
import { runPlan, type RunResult } from "../run/run_pipeline.ts";
import { withoutSecrets } from "../secrets.ts";
import { projectCache } from "../config/config.ts";
import { type followParent, PARENT_ENV } from "../sweep/child_process.ts";

export async function run(call: CommandContext): Promise<number> {
  const { values } = call;
  const kind = Deno.env.get(PARENT_ENV);
  if (kind === "order") {
    return await (await import("../sweep/remote_run.ts")).runRemoteRun(call);
  }
  if (kind === "point") return await (await import("../sweep/local_sweep.ts")).runLocalRun(call);
  const planned = await loadPlan(call).catch(async (error) => {
    if (!values.sweep) throw error;
    // It may need what is varied, such as the fold beside a number of folds.
    return await loadPlan(
      call,
      (await import("../sweep/sweep_points.ts")).firstValues(values.sweep),
    );
  });
  if (planned.source.values.sweep === undefined && values.sweep === undefined) {
    for (const option of ["jobs", "point"] as const) {
      if (values[option] !== undefined) {
        throw new UsageError(`--${option} is about a sweep, and nothing is varied; see --sweep`);
      }
    }
    return await runOne(planned, call);
  }
  // Loaded by those who sweep.
  return await (await import("../sweep/sweep_command.ts")).sweep(planned, call);
}

export interface Swept {
  readonly point: Readonly<Record<string, unknown>>;
  /** The sweep that started it as a process. */
  readonly parent?: ReturnType<typeof followParent>;
}

export async function runOne(planned: Plan, call: CommandContext, swept?: Swept): Promise<number> {
  const { values, reporter } = call;
  const selection = selectionOf(call, planned);
  await checkParams([planned], select(planned, selection), call);
  using interrupt = swept?.parent ?? abortOnSignal(reporter);
  const context = await createRunContext(planned.artifacts, call, interrupt.signal);
  const dryRun = values["dry-run"] ?? false;
  const ended = await runPlan(planned, selection, context, { dryRun, point: swept?.point });
  if (values.json) {
    printJson({ ...ended.report, ...(swept?.parent && { run: ended.id }) });
  }
  // A run with nothing to do writes nothing.
  if (ended.id !== undefined) {
    await Promise.all(planned.source.files.map((file) => file.keep(projectCache(call.project))));
  }
  const interrupted = interrupt.signal.aborted;
  if (!dryRun) {
    logSummary(ended, interrupted, reporter);
    if (ended.report.ok && !swept) logNext(planned, ended, call);
  }
  if (interrupted) return EXIT.interrupted;
  return ended.report.ok ? EXIT.ok : EXIT.failed;
}

/** The stages that the command line asks for. Throws when there is no such, or none is left. */
export function selectionOf({ values }: Pick<CommandContext, "values">, planned: Plan): Selection {
  const ids = planned.stages.map((stage) => stage.id);
  for (const option of ["until", "from", "only", "force"] as const) {
    for (const id of values[option] ?? []) {
      if (!ids.includes(id)) {
        throw new UsageError(
          `--${option} ${id}: the pipeline has no such stage.${didYouMean(id, ids)} ` +
            `It has ${joinWords(ids)}.`,
        );
      }
    }
  }
  const { until, from, only, force } = values;
  const selection = { until, from, only, force };
  if (select(planned, selection).size > 0) return selection;
  const service = planned.stages.find(({ id, definition }) =>
    definition.service && (only ?? from ?? until ?? [id]).includes(id)
  );
  throw new UsageError(
    service
      ? `${service.id} is a service, which deno task serve starts`
      : "--until, --from and --only leave no stage to run",
  );
}

function logSummary({ report, id }: RunResult, interrupted: boolean, reporter: Reporter): void {
  const { log, paint } = reporter;
  report.cautions?.forEach((caution) => log(paint.yellow(caution)));
  const ended = report.stages.filter((stage) => !isInterrupted(stage));
  const count = (wanted: string) => ended.filter(({ status }) => status === wanted).length;
  const counts = ["ran", "cached", "failed"].map((status) => [count(status), status] as const);
  const named = id === undefined ? "" : `  ${paint.dim(`run ${id}`)}`;
  log(`${outcomeLine(report, interrupted, reporter, counts)}${named}`);
}

/** Returns the last line of a run or sweep: "done in 3 s: 2 ran and 1 cached". */
export function outcomeLine(
  { ok, seconds }: Pick<RunResult["report"], "ok" | "seconds">,
  interrupted: boolean,
  { paint }: Reporter,
  counts: readonly (readonly [count: number, text: string])[],
): string {
  const head = ok
    ? `${paint.green("done")} in`
    : interrupted
    ? `${paint.yellow("interrupted")} after`
    : `${paint.red("not done")} in`;
  const parts = counts.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
  return `${head} ${formatDuration(seconds)}${parts.length > 0 ? `: ${joinWords(parts)}` : ""}`;
}

/** Logs the commands that can follow. */
function logNext(
  { stages, identity, overrides, artifacts }: Plan,
  { report, id }: RunResult,
  { project, commands, reporter }: CommandContext,
): void {
  const made = (id: string) =>
    report.stages.some((one) => one.id === id && Object.keys(one.outputs).length > 0);
  const model = stages.some(({ id, definition }) =>
    made(id) && Object.values(definition.outputs).some(({ kind }) => kind === "model")
  );
  const words = (values: Plan["overrides"]) =>
    commandOf(identity, withoutSecrets(values)).slice("deno task run ".length);
  // `serve` reads the folder from the pipeline.
  const elsewhere = artifacts === join(project, "artifacts")
    ? ""
    : ` --artifacts ${shellQuote(artifacts)}`;
  const next = [
    stages.some(({ definition, after }) => definition.service && after.every(made)) &&
    `serve ${words(overrides)}`,
    model && commands?.predict && `predict FOLDER --model ${id ?? words({})}${elsewhere}`,
    id !== undefined && Object.keys(report.metrics).length > 0 && commands?.compare &&
    `compare ${id} RUN${elsewhere}`,
  ].filter((command) => typeof command === "string");
  if (next.length === 0) return;
  reporter.log(`next: ${next.map((command) => `deno task ${command}`).join("\n      ")}`);
}

export async function serve(call: CommandContext): Promise<number> {
  const { values } = call;
  let planned = await loadPlan(call);
  const services = planned.stages.filter(({ definition }) => definition.service);
  if (values.host !== undefined) {
    const set = services.filter(({ definition }) => "host" in definition.params.shape)
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
  const until = services.flatMap((stage) => stage.after);
  const needed = [...select(planned, { until }), ...services.map(({ id }) => id)];
  await checkParams([planned], new Set(needed), call);
  using interrupt = abortOnSignal(call.reporter, { stopping: "stopping" });
  const context = await createRunContext(planned.artifacts, call, interrupt.signal);
  const { report: { ok } } = await runPlan(planned, { until }, context, { services: true });
  // A service is meant to be stopped by Ctrl-C; what has to run before it is not.
  if (interrupt.signal.aborted && !ok) return EXIT.interrupted;
  return ok ? EXIT.ok : EXIT.failed;
}
