/** Runs a sweep: what its runs share once, then each run as a process, some of them at a time. */
import { list } from "../errors.ts";
import { openWorkshop } from "../open.ts";
import { userFolder } from "../paths.ts";
import type { Call } from "../program.ts";
import { INTERRUPTED, type RunReport, type StageReport } from "../report.ts";
import { clock } from "../reporter.ts";
import { runPlan } from "../run.ts";
import { select, type Selection } from "../selection.ts";
import { scores } from "../scores.ts";
import type { Workshop } from "../workshop.ts";
import { type Child, type ChildReport, startChild } from "./child.ts";
import { labelOf, type Point } from "./grid.ts";
import { identitiesOf, shared } from "./identities.ts";
import { summarise, summaryLines, type SummaryRow } from "./summary.ts";

/** What a run of a sweep tells, to a program. */
export interface SweptRun extends ChildReport {
  /** Key → value. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** What a sweep tells, to a program; its stages are those that its runs share. */
export interface SweepReport extends RunReport {
  readonly runs: readonly SweptRun[];
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
  points: readonly Point[],
  call: Call,
  options: SweepOptions,
): Promise<SweepReport> {
  const began = performance.now();
  const { reporter: { line } } = call;
  const { selection, dryRun, signal } = options;
  const [{ plan: first }] = points as [Point];
  const shop = await openWorkshop(first.artifacts, call, signal);
  const identities = [];
  for (const { plan } of points) identities.push(await identitiesOf(plan, shop));
  const common = shared(points.map(({ plan }) => plan), identities, selection);
  const report = (stages: StageReport[], ok: boolean, runs: readonly SweptRun[]): SweepReport => ({
    pipeline: first.name,
    ok,
    seconds: Math.round(performance.now() - began) / 1000,
    stages,
    metrics: {},
    runs,
    summary: summarise(runs.filter(({ ok }) => ok)),
  });
  line(`${points.length} runs: ${axesText(points)}`);
  if (dryRun) return report([], true, await foresee(points, identities, common, shop, options));

  // From here on nothing that is prepared is removed before the last run has taken it.
  const wait = () => line("results are being removed; waiting for the end of it");
  using _held = await shop.store.hold(wait, signal);
  let prepared: StageReport[] = [];
  if (common.length > 0) {
    const once = { ...selection, until: common };
    const { report: made } = await runPlan(first, once, shop, { part: true });
    prepared = made.stages.filter(({ id }) => common.includes(id));
    if (!made.ok) return report(prepared, false, []);
  }
  const left = [...select(first, selection)].filter((id) => !common.includes(id));
  line(`each of the ${points.length} runs goes on with ${list(left) || "nothing"}`);
  const runs = await runAll(points, call, common, options);
  const summary = summarise(runs.filter(({ ok }) => ok));
  if (summary.length > 0) ["", ...summaryLines(summary), ""].forEach(line);
  return report(prepared, runs.length === points.length && runs.every(({ ok }) => ok), runs);
}

/** "trainGender.learningRate 0.001, 0.0003 × seed 1, 2, 3". */
function axesText(points: readonly Point[]): string {
  return Object.keys(points[0]!.values).map((key) => {
    const values = new Set(points.map(({ values }) => JSON.stringify(values[key])));
    return `${key} ${[...values].join(", ")}`;
  }).join(" × ");
}

/** Says what would run: what is shared, once, and then of each run the rest. */
async function foresee(
  points: readonly Point[],
  identities: readonly ReadonlyMap<string, string>[],
  common: readonly string[],
  shop: Workshop,
  { selection }: SweepOptions,
): Promise<SweptRun[]> {
  const { reporter } = shop;
  const runs: SweptRun[] = [];
  const foreseen = new Set<string>();
  for (const [i, { plan, values }] of points.entries()) {
    const silent = { ...shop, reporter: { ...reporter, line: () => {} } };
    const { report } = await runPlan(plan, selection, silent, { dryRun: true });
    runs.push({ values, ...report });
    if (i === 0) {
      for (const { id, why, status } of report.stages.filter(({ id }) => common.includes(id))) {
        reporter.line(`  once: ${id} ${status === "cached" ? "is cached" : why}`);
        foreseen.add(identities[i]!.get(id)!);
      }
    }
    const told = report.stages.flatMap(({ id, status, why }) => {
      const name = identities[i]!.get(id)!;
      if (common.includes(id) || (status === "skipped" && !why.startsWith("runs: "))) return [];
      const before = foreseen.has(name);
      foreseen.add(name);
      if (status === "cached") return [`${id} cached`];
      return [before ? `${id} of an earlier run` : `${id} ${why}`];
    });
    reporter.line(`${reporter.paint.strong(">")} ${labelOf(values)}: ${told.join("; ")}`);
  }
  return runs;
}

/** Runs the points, some at a time; one that fails is told, and the others go on. */
async function runAll(
  points: readonly Point[],
  call: Call,
  common: readonly string[],
  { jobs, signal, onKill }: SweepOptions,
): Promise<SweptRun[]> {
  const { reporter: { line, paint, begin } } = call;
  const progress = begin("sweep");
  progress.start(points.length, "runs");
  const running = new Set<Child>();
  onKill(() => running.forEach((child) => child.kill()));
  const stop = () => running.forEach((child) => child.stop());
  signal.addEventListener("abort", stop);
  const done: (SweptRun | undefined)[] = points.map(() => undefined);
  let next = 0;
  const one = async () => {
    while (next < points.length && !signal.aborted) {
      const index = next++;
      const { values } = points[index]!;
      const label = labelOf(values);
      const tail: string[] = [];
      const child = startChild(await childArgs(index, common, call), {
        cwd: call.program.project,
        user: userFolder(),
        // Two runs of one core each are done sooner than one after the other with both.
        cores: Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs)),
        onLine(text) {
          tail.push(text);
          if (tail.length > 20) tail.shift();
          progress.advance(0, `${label}: ${text.trim()}`);
        },
      });
      running.add(child);
      const began = performance.now();
      const ended = await child.ended;
      running.delete(child);
      progress.advance(1, "");
      const run = { values, ...(ended ?? died(points[index]!, tail)) };
      done[index] = run;
      const head = `${index + 1}/${points.length}  ${label}`;
      const id = run.run === undefined ? "" : `  ${paint.faint(`run ${run.run}`)}`;
      if (run.ok) {
        const time = clock((performance.now() - began) / 1000);
        line(`${paint.good("✓")} ${head}  ${time}  ${scores(run.metrics)}${id}`);
      } else if (signal.aborted) {
        line(`${paint.warning("!")} ${head}  interrupted; the next sweep goes on from here`);
      } else {
        line(`${paint.bad("✗")} ${head}  failed: ${failure(run)}${id}`);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, points.length) }, one));
  } finally {
    signal.removeEventListener("abort", stop);
    progress.end();
  }
  return done.filter((run) => run !== undefined);
}

/** Of a process that ended without a word. */
function died({ plan }: Point, tail: readonly string[]): ChildReport {
  const error = `its process died; the last that it said: ${
    tail.slice(-3).join(" / ") || "nothing"
  }`;
  return { pipeline: plan.name, ok: false, seconds: 0, stages: [], metrics: {}, error };
}

function failure({ error, stages }: SweptRun): string {
  const failed = stages.filter(({ status, why }) => status === "failed" && why !== INTERRUPTED);
  return error ?? (failed.map(({ id, why }) => `${id}: ${why}`).join("; ") || "interrupted");
}

/** The same words once more, for one combination; what was forced and is shared is made by now. */
async function childArgs(
  index: number,
  common: readonly string[],
  { names, values, program }: Call,
): Promise<string[]> {
  const many = (option: string, given: readonly string[] | undefined) =>
    (given ?? []).flatMap((value) => [`--${option}=${value}`]);
  const one = (option: "seed" | "until" | "from" | "only") =>
    values[option] === undefined ? [] : [`--${option}=${values[option]}`];
  return [
    ...await program.self(),
    ...["run", names[0]!, "--json", `--point=${index + 1}`],
    ...many("set", values.set),
    ...many("sweep", values.sweep),
    ...many("force", values.force?.filter((id) => !common.includes(id))),
    ...[...one("seed"), ...one("until"), ...one("from"), ...one("only")],
  ];
}
