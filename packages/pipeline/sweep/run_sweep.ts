/** Runs a sweep: shared stages once, then each run, here or on workers of other machines. */
import { cacheKeyOf } from "../cache/cache_key.ts";
import { joinWords } from "../errors.ts";
import { fingerprint } from "../fingerprint.ts";
import { ancestors, type Plan, type PlannedStage, select, type Selection } from "../plan.ts";
import type { CommandContext } from "../app.ts";
import type { RunReport, StageReport } from "../run/run_report.ts";
import { runPlan } from "../run/run_pipeline.ts";
import { createRunContext, type RunContext } from "../run/run_context.ts";
import { SweepProgress, type SweepRunResult } from "./sweep_progress.ts";
import { checkWorkersReachable, rehearse, runRemote } from "./remote_sweep.ts";
import { formatValues } from "../format.ts";
import type { SweepPoint } from "./sweep_points.ts";
import type { Child } from "./child_process.ts";
import { runLocal } from "./local_sweep.ts";
import { areComparable, summarise, summaryLines, type SummaryRow } from "../sweep_summary.ts";
import { History } from "../history.ts";
import { counted } from "../causes.ts";
import { directionsOf } from "../define.ts";

/** Machine-readable report of a sweep; its stages are the shared ones. */
export interface SweepReport extends RunReport {
  readonly runs: readonly SweepRunResult[];
  readonly summary: readonly SummaryRow[];
}

export interface SweepOptions {
  readonly selection: Selection;
  /** Ids of the selected stages of any point: a value may drop a stage. */
  readonly selected: ReadonlySet<string>;
  readonly dryRun: boolean;
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Processes of the runs at work. */
  readonly running: Set<Child>;
}

export async function runSweep(
  points: readonly SweepPoint[],
  call: CommandContext,
  options: SweepOptions,
): Promise<SweepReport> {
  const began = performance.now();
  const { reporter } = call;
  const { log } = reporter;
  const { selection, selected, signal } = options;
  const [{ plan: first }] = points;
  const context = await createRunContext(first.artifacts, call, signal);
  // The plans share stages, whose data is read once.
  const described: RunContext = { ...context, externals: new Map() };
  const predicted: ReadonlyMap<string, string>[] = [];
  for (const { plan } of points) {
    predicted.push(await predictFingerprints(plan, selection, described));
  }
  const same = [...predicted[0]].filter(([id, print]) =>
    predicted.every((prints) => prints.get(id) === print)
  ).map(([id]) => id);
  const shared = same.filter((id) => selected.has(id));
  const report = (
    stages: StageReport[],
    ok: boolean,
    runs: readonly SweepRunResult[],
  ): SweepReport => ({
    pipeline: first.name,
    ok,
    seconds: Math.round(performance.now() - began) / 1000,
    stages,
    metrics: {},
    runs,
    summary: summarise(runs.filter(({ ok }) => ok)),
  });
  log(`${counted(points.length, "run")}: ${axesText(points)}`);
  if (options.dryRun) {
    const runs = await dryRun(points, predicted, shared, described, selection);
    return report([], runs.every(({ ok }) => ok), runs);
  }
  // Fails before the shared stages run, which may take hours.
  if (first.remoteWorkers) await checkWorkersReachable(points, call, selection, context);

  // The shared results must not be removed before the last run has used them.
  using _held = await context.store.lockShared(log, signal);
  await context.store.cleanUp(); // the runs find nothing to hold while others look at it
  let prepared: StageReport[] = [];
  let cautions: readonly string[] = [];
  if (shared.length > 0) {
    const once = { ...selection, until: shared };
    const { report: made } = await runPlan(first, once, context, {
      ahead: new Map([...selected].map((id) => [id, variantsOf(id, points)])),
    });
    prepared = made.stages.filter(({ id, status }) => shared.includes(id) || status === "failed");
    cautions = made.cautions ?? [];
    if (!made.ok) return report(prepared, false, []);
  }
  const left = joinWords([...selected].filter((id) => !shared.includes(id)));
  const runText = points.length === 1 ? "the run continues" : `${points.length} runs continue`;
  log(left === "" ? "all stages have run; collecting results" : `${runText} with ${left}`);
  const each = { ...selection, force: selection.force?.filter((id) => !shared.includes(id)) };
  const names = await call.metricNames?.(points.flatMap(({ plan }) => plan.stages));
  using progress = new SweepProgress(points, reporter, cautions, names);
  await (first.remoteWorkers
    ? runRemote(points, call, each, same, context, progress)
    : runLocal(points, call, each, options, context, progress));
  const { runs } = progress;
  const ok = runs.length === points.length && runs.every(({ ok }) => ok);
  const result = report(prepared, ok, runs);
  if (result.summary.length > 0) {
    const better = Object.assign({}, await call.better?.(), directionsOf(first.stages));
    const ids = new Set(runs.map(({ run }) => run));
    const recorded = (await new History(first.artifacts).list()).filter(({ id }) => ids.has(id));
    const comparable = await areComparable(recorded.filter(({ ok }) => ok), context.store);
    const lines = summaryLines(result.summary, better, reporter.columns(), names, comparable);
    ["", ...lines, ""].forEach(log);
  }
  return result;
}

/** Returns a stage as it is in the runs of a sweep, once for each of its parameters. */
function variantsOf(id: string, points: readonly SweepPoint[]): PlannedStage[] {
  const all = points.flatMap(({ plan }) => plan.stages.filter((stage) => stage.id === id));
  return [...new Map(all.map((one) => [JSON.stringify([one.use, one.params]), one])).values()];
}

/**
 * Predicts which stages of several plans make equal results, before any has run.
 * @returns id of a stage that is selected or needed → a fingerprint in which inputs are named by the
 *   stages that make them, since their content is unknown
 */
async function predictFingerprints(
  plan: Plan,
  selection: Selection,
  context: RunContext,
): Promise<Map<string, string>> {
  const prints = new Map<string, string>();
  const needed = ancestors(plan, select(plan, selection));
  for (const stage of plan.stages.filter(({ id }) => needed.has(id))) {
    const cacheKey = await cacheKeyOf(
      stage,
      plan,
      context,
      ({ stage, output }) => `${output} of ${prints.get(stage)}`,
      (id) => prints.get(id)!,
    );
    prints.set(stage.id, fingerprint(cacheKey));
  }
  return prints;
}

/** Returns "train.learningRate 0.001, 0.0003 × seed 1, 2, 3"; with ";" where not all are combined. */
function axesText(points: readonly SweepPoint[]): string {
  const axes = Object.keys(points[0]!.values).map((key) => ({
    key,
    values: [...new Set(points.map(({ values }) => JSON.stringify(values[key])))],
  }));
  const all = axes.reduce((product, { values }) => product * values.length, 1);
  return axes.map(({ key, values }) => `${key} ${values.join(", ")}`)
    .join(all === points.length ? " × " : "; ");
}

/** Logs what would run: the shared stages once, then the others of each run. */
async function dryRun(
  points: readonly SweepPoint[],
  predicted: readonly ReadonlyMap<string, string>[],
  shared: readonly string[],
  context: RunContext,
  selection: Selection,
): Promise<SweepRunResult[]> {
  const { log, paint } = context.reporter;
  const runs: SweepRunResult[] = [];
  const seen = new Set<string>();
  for (const [i, { plan, values }] of points.entries()) {
    const { report } = await rehearse(plan, selection, context);
    runs.push({ values, ...report });
    if (i === 0) {
      for (const { id, why, status } of report.stages.filter(({ id }) => shared.includes(id))) {
        log(`  once: ${id} ${status === "cached" ? "is cached" : why}`);
        seen.add(predicted[i]!.get(id)!);
      }
    }
    const own: string[] = [], after: string[] = [], earlier: string[] = [], cached: string[] = [];
    for (const { id, status, why, cause } of report.stages) {
      const name = predicted[i]!.get(id)!;
      if (shared.includes(id) || (status === "skipped" && cause === undefined)) continue;
      if (status === "failed") own.push(why);
      else if (status === "cached") cached.push(id);
      else if (seen.has(name)) earlier.push(id);
      else if (cause === "waits") after.push(id);
      else own.push(`${id} ${why}`);
      seen.add(name);
    }
    if (after.length > 0) own.push(`then ${joinWords(after)}`);
    if (earlier.length > 0) own.push(`${joinWords(earlier)} of an earlier run`);
    if (cached.length > 0) own.push(`${joinWords(cached)} cached`);
    const text = own.join("; ") || "the shared stages are all";
    log(`${paint.bold(">")} ${formatValues(values)}: ${text}`);
  }
  return runs;
}
