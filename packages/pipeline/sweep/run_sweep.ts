/** Runs a sweep: what its runs share once, then each run as a process, some of them at a time. */
import { joinWords } from "../errors.ts";
import { createRunContext } from "../run/create_context.ts";
import type { CommandContext } from "../app.ts";
import { type RunReport, type StageReport, WOULD_RUN } from "../run/run_report.ts";
import { runPlan } from "../run/run_pipeline.ts";
import { select, type Selection } from "../run/selection.ts";
import type { RunContext } from "../run/run_context.ts";
import type { SweepRunResult } from "./sweep_progress.ts";
import { checkWorkersReachable, runRemote } from "./remote_sweep.ts";
import { formatValues, type SweepPoint } from "./grid.ts";
import { runLocal } from "./local_sweep.ts";
import { predictFingerprints, sharedStages } from "./shared_stages.ts";
import { summarise, summaryLines, type SummaryRow } from "../sweep_summary.ts";
import { counted } from "../causes.ts";

/** What a sweep tells, to a program; its stages are those that its runs share. */
export interface SweepReport extends RunReport {
  readonly runs: readonly SweepRunResult[];
  readonly summary: readonly SummaryRow[];
}

export interface SweepOptions {
  readonly selection: Selection;
  readonly dryRun: boolean;
  /** Runs at a time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Is given what ends all runs at once. */
  onKill(kill: () => void): void;
}

export async function runSweep(
  points: readonly SweepPoint[],
  call: CommandContext,
  options: SweepOptions,
): Promise<SweepReport> {
  const began = performance.now();
  const { reporter: { log: line } } = call;
  const { selection, dryRun, signal } = options;
  const [{ plan: first }] = points as [SweepPoint];
  const context = await createRunContext(first.artifacts, call, signal);
  const identities = [];
  for (const { plan } of points) identities.push(await predictFingerprints(plan, context));
  const common = sharedStages(points.map(({ plan }) => plan), identities, selection);
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
  line(`${counted(points.length, "run")}: ${axesText(points)}`);
  if (dryRun) return report([], true, await foresee(points, identities, common, context, options));

  // Before hours of work, not after.
  if (first.remoteWorkers) {
    await checkWorkersReachable(points, call, {
      selection,
      context,
      remoteWorkers: first.remoteWorkers,
    });
  }

  // From here on nothing that is prepared is removed before the last run has taken it.
  const wait = () => line("results are being removed; waiting for the end of it");
  using _held = await context.store.lockShared(wait, signal);
  let prepared: StageReport[] = [];
  let cautions: readonly string[] = [];
  if (common.length > 0) {
    const once = { ...selection, until: common };
    const { report: made } = await runPlan(first, once, context, { part: true });
    prepared = made.stages.filter(({ id }) => common.includes(id));
    cautions = made.cautions ?? [];
    if (!made.ok) return report(prepared, false, []);
  }
  const left = [...select(first, selection)].filter((id) => !common.includes(id));
  line(
    `${points.length === 1 ? "the run" : `each of the ${points.length} runs`} goes on with ${
      joinWords(left) || "nothing"
    }`,
  );
  const runs = first.remoteWorkers
    ? await runRemote(points, call, {
      ...options,
      common,
      cautions,
      identities,
      context,
      remoteWorkers: first.remoteWorkers,
    })
    : await runLocal(points, call, { ...options, common, cautions });
  const summary = summarise(runs.filter(({ ok }) => ok));
  if (summary.length > 0) {
    ["", ...summaryLines(summary, call.better, call.reporter.columns()), ""].forEach(line);
  }
  return report(prepared, runs.length === points.length && runs.every(({ ok }) => ok), runs);
}

/** "trainGender.learningRate 0.001, 0.0003 × seed 1, 2, 3". */
function axesText(points: readonly SweepPoint[]): string {
  return Object.keys(points[0]!.values).map((key) => {
    const values = new Set(points.map(({ values }) => JSON.stringify(values[key])));
    return `${key} ${[...values].join(", ")}`;
  }).join(" × ");
}

/** Says what would run: what is shared, once, and then of each run the rest. */
async function foresee(
  points: readonly SweepPoint[],
  identities: readonly ReadonlyMap<string, string>[],
  common: readonly string[],
  context: RunContext,
  { selection }: SweepOptions,
): Promise<SweepRunResult[]> {
  const { reporter } = context;
  const runs: SweepRunResult[] = [];
  const foreseen = new Set<string>();
  for (const [i, { plan, values }] of points.entries()) {
    const silent = { ...context, reporter: { ...reporter, log: () => {} } };
    const { report } = await runPlan(plan, selection, silent, { dryRun: true });
    runs.push({ values, ...report });
    if (i === 0) {
      for (const { id, why, status } of report.stages.filter(({ id }) => common.includes(id))) {
        reporter.log(`  once: ${id} ${status === "cached" ? "is cached" : why}`);
        foreseen.add(identities[i]!.get(id)!);
      }
    }
    const told = report.stages.flatMap(({ id, status, why }) => {
      const name = identities[i]!.get(id)!;
      if (common.includes(id) || (status === "skipped" && !why.startsWith(WOULD_RUN))) return [];
      const before = foreseen.has(name);
      foreseen.add(name);
      if (status === "cached") return [`${id} cached`];
      return [before ? `${id} of an earlier run` : `${id} ${why}`];
    });
    reporter.log(`${reporter.paint.bold(">")} ${formatValues(values)}: ${told.join("; ")}`);
  }
  return runs;
}
