/** Decides what has to run and why, runs it, and records what came of it. */
import { join } from "node:path";
import type { Compute } from "./config.ts";
import { explain, list, RunError, tell } from "./errors.ts";
import { type Dependencies, differences, fingerprint } from "./fingerprint.ts";
import {
  ancestors,
  descendants,
  type Plan,
  type PlannedStage,
  type Wire,
  wireName,
} from "./graph.ts";
import { describeMachine, lineageOf } from "./lineage.ts";
import type { Locked } from "./lockfile.ts";
import type { Modules } from "./modules.ts";
import { short, writeWhole } from "./paths.ts";
import { clock, type Reporter } from "./reporter.ts";
import type { Artifact, Metrics, StageContext, StageResult } from "./stage.ts";
import type { StageRecord, Store } from "./store.ts";

/** Which stages to run. */
export interface Selection {
  /** These and all that they need. */
  until?: readonly string[];
  /** This and all that needs it. */
  from?: string;
  only?: string;
  /** Run even if their results are there. */
  force?: readonly string[];
}

/** What a run works with; nothing of it is about faces. */
export interface Workshop {
  project: string;
  store: Store;
  modules: Modules;
  locked: Locked;
  /** Folders whose modules do not count, such as the runner's own. */
  uncounted: readonly string[];
  /** Turns the compute backend that the config wants into one that is there. */
  resolveCompute(wanted: Compute): Promise<{ backend: string; why: string }>;
  reporter: Reporter;
  signal: AbortSignal;
}

/** The reason of a stage that Ctrl-C ended. */
export const INTERRUPTED = "interrupted";

export type Status = "ran" | "cached" | "skipped" | "failed";

export interface StageReport {
  id: string;
  use: string;
  status: Status;
  why: string;
  seconds: number;
  /** Output → folder, from the project. */
  outputs: Record<string, string>;
}

export interface RunReport {
  pipeline: string;
  ok: boolean;
  seconds: number;
  stages: StageReport[];
  metrics: Metrics;
}

/** Either a result that is there already, or the reason why there has to be a new one. */
type Decision = { record: StageRecord } | { why: string };

/** Runs a plan's stages that are selected and whose results are not there yet. */
export async function runPlan(
  plan: Plan,
  selection: Selection,
  shop: Workshop,
  { dryRun = false, services = false } = {},
): Promise<RunReport> {
  const began = performance.now();
  const run = new Run(plan, selection, shop);
  try {
    await run.stages(dryRun);
    // A service may run for days; what was learnt of the modules is kept before that.
    await shop.modules.close();
    if (services && run.ok && !dryRun) await run.services();
  } finally {
    await shop.modules.close();
  }
  const report = run.report((performance.now() - began) / 1000);
  if (!dryRun && report.stages.some(({ status }) => status === "ran" || status === "failed")) {
    try {
      await run.record(report);
    } catch (error) {
      shop.reporter.line(`this run could not be recorded: ${explain(error)}`);
    }
  }
  return report;
}

class Run {
  readonly #plan: Plan;
  readonly #selection: Selection;
  readonly #shop: Workshop;
  readonly #selected: ReadonlySet<string>;
  readonly #records = new Map<string, StageRecord>();
  /** Stages of a dry run that would run. */
  readonly #pending = new Set<string>();
  readonly #reports: StageReport[] = [];
  readonly #show: string[] = [];
  #compute: { backend: string; why: string } | undefined;
  ok = true;

  constructor(plan: Plan, selection: Selection, shop: Workshop) {
    this.#plan = plan;
    this.#selection = selection;
    this.#shop = shop;
    this.#selected = select(plan, selection);
  }

  async stages(dryRun: boolean): Promise<void> {
    const { paint, line } = this.#shop.reporter;
    if (!dryRun) await this.#shop.store.tidy();
    // All code is looked at now: a module that is edited while an early stage computes for hours
    // would otherwise be recorded as what a later stage ran, though the old one may be loaded.
    for (const { id, module } of this.#plan.stages) {
      if (this.#isNeeded(id)) await this.#shop.modules.graph(module, this.#shop.uncounted);
    }
    const width = Math.max(...this.#plan.stages.map((stage) => stage.id.length));
    const say = (mark: string, id: string, text: string) =>
      line(`${mark} ${id.padEnd(width)}  ${text}`);
    for (const stage of this.#plan.stages) {
      const { id, use } = stage;
      const settle = (status: Status, why: string, seconds = 0) => {
        const outputs = Object.fromEntries(
          Object.keys(stage.stage.outputs).flatMap((name) => {
            const record = this.#records.get(id);
            if (!record) return [];
            const { path } = this.#shop.store.artifact(record, name, id);
            return [[name, short(path, this.#shop.project)]];
          }),
        );
        this.#reports.push({ id, use, status, why, seconds, outputs });
      };
      const left = this.#leftOut(stage);
      if (left !== undefined) {
        if (!stage.stage.service) say(paint.faint("-"), id, paint.faint(`skipped: ${left}`));
        settle("skipped", left);
        continue;
      }
      const started = performance.now();
      try {
        const dependencies = await this.#dependencies(stage);
        const decision = await this.#decide(stage, dependencies);
        if ("record" in decision) {
          this.#records.set(id, decision.record);
          this.#noteShow(stage, decision.record);
          say(paint.faint("·"), id, paint.faint("cached"));
          settle("cached", "cached");
        } else if (!this.#selected.has(id)) {
          throw new RunError(
            `${id} has to run first (${decision.why}), and the command line leaves it out. ` +
              `Run it with --until ${id}.`,
          );
        } else if (dryRun) {
          this.#pending.add(id);
          say(paint.strong(">"), id, `runs: ${decision.why}`);
          settle("skipped", `runs: ${decision.why}`);
        } else {
          say(paint.strong(">"), id, `runs: ${decision.why}`);
          const { record, made } = await this.#execute(stage, dependencies);
          const seconds = (performance.now() - started) / 1000;
          this.#records.set(id, record);
          this.#noteShow(stage, record);
          await this.#shop.store.use(this.#plan.name, this.#records);
          if (made) {
            say(paint.good("✓"), id, `done in ${clock(seconds)}`);
            settle("ran", decision.why, seconds);
          } else {
            say(paint.faint("·"), id, paint.faint("cached: another run made it"));
            settle("cached", "another run made it", seconds);
          }
        }
      } catch (error) {
        const seconds = (performance.now() - started) / 1000;
        this.ok = false;
        if (this.#shop.signal.aborted) {
          say(paint.warning("!"), id, "interrupted; the next run goes on from here");
          settle("failed", INTERRUPTED, seconds);
        } else {
          say(paint.bad("✗"), id, `failed: ${tell(error)}`);
          settle("failed", explain(error), seconds);
        }
      }
    }
    if (this.ok && !dryRun) await this.#shop.store.use(this.#plan.name, this.#records);
    if (this.ok) this.#show.forEach((path) => line(`  ${paint.strong(path)}`));
  }

  /** Why a stage is not looked at, if so. */
  #leftOut(stage: PlannedStage): string | undefined {
    if (this.#shop.signal.aborted) return "the run was interrupted";
    if (stage.stage.service) return "a service; deno task serve starts it";
    const missing = stage.after.filter((id) => !this.#records.has(id) && !this.#pending.has(id));
    if (!this.#isNeeded(stage.id)) return "not selected";
    if (!this.ok) {
      return missing.length > 0 ? `${list(missing)} did not finish` : "an earlier stage failed";
    }
    return undefined;
  }

  /** Whether a stage is selected, or a selected one takes from it. */
  #isNeeded(id: string): boolean {
    return [...this.#selected].some((last) => ancestors(this.#plan, last).has(id));
  }

  async #dependencies(stage: PlannedStage): Promise<Dependencies> {
    const { modules, locked, uncounted } = this.#shop;
    const params = Object.fromEntries(
      Object.entries(stage.params).filter(([name, value]) =>
        value !== undefined && !stage.stage.unaffecting.includes(name)
      ),
    );
    const digest = ({ stage: id, output }: Wire) =>
      this.#records.get(id)?.outputs[output]?.digest ?? "not made yet";
    const inputs = Object.fromEntries(
      Object.entries(stage.wires).map(([name, wired]) => [
        name,
        Array.isArray(wired)
          ? Object.fromEntries(
            (wired as Wire[]).map((source, _, all) => [wireName(source, all), digest(source)]),
          )
          : digest(wired as Wire),
      ]),
    );
    const graph = await modules.graph(stage.module, uncounted);
    return {
      use: stage.use,
      params,
      inputs,
      ...(stage.stage.seeded(stage.params) ? { seed: stage.seed ?? this.#plan.seed } : {}),
      ...(stage.stage.compute(stage.params) ? { compute: (await this.#backend()).backend } : {}),
      modules: graph.modules,
      packages: locked.versions(graph.packages.map((name) => modules.importMap[name] ?? name)),
      external: await stage.stage.external(stage.params),
      ...(stage.stage.lineage
        ? { pipeline: this.#plan.name, lineage: this.#fingerprintsBefore(stage.id) }
        : {}),
    };
  }

  /** Fingerprints of the stages that a stage's inputs stem from. */
  #fingerprintsBefore(id: string): Record<string, string> {
    const before = [...ancestors(this.#plan, id)].filter((other) => other !== id).sort();
    return Object.fromEntries(
      before.map((other) => [other, this.#records.get(other)?.fingerprint ?? "not made yet"]),
    );
  }

  async #backend(): Promise<{ backend: string; why: string }> {
    return this.#compute ??= await this.#shop.resolveCompute(this.#plan.compute);
  }

  async #decide(stage: PlannedStage, dependencies: Dependencies): Promise<Decision> {
    const { store } = this.#shop;
    const { id, use } = stage;
    const print = fingerprint(dependencies);
    if (this.#selection.force?.includes(id)) return { why: "forced by --force" };
    const waitsFor = stage.after.filter((other) => this.#pending.has(other));
    const { record, damage } = waitsFor.length > 0 ? {} : await store.find(use, print);
    if (record) return { record };
    if (damage) return { why: damage };
    const last = await store.latest(this.#plan.name, id);
    const before = last?.record;
    const pending = Object.entries(stage.wires)
      .filter(([, wired]) => [wired].flat().some((source) => waitsFor.includes(source.stage)))
      .map(([name]) => name);
    const reasons = before ? differences(id, before.dependencies, dependencies, pending) : [];
    if (reasons.length > 0) {
      return { why: reasons.slice(0, 4).join(", ") + more(reasons.length - 4) };
    }
    if (waitsFor.length > 0) return { why: `${list(waitsFor)} will run before it` };
    if (await store.interrupted(use, print)) return { why: "an earlier run of it was interrupted" };
    return { why: last ? "its last result is gone" : "it has not run yet" };
  }

  /** Makes a result, unless another run makes it first. */
  async #execute(
    stage: PlannedStage,
    dependencies: Dependencies,
  ): Promise<{ record: StageRecord; made: boolean }> {
    const { store, reporter, signal } = this.#shop;
    const { paint } = reporter;
    const startedAt = new Date();
    await using attempt = await store.attempt(
      stage.stage,
      dependencies,
      () => reporter.line(`  ${stage.id}: another run is making this; waiting for it`),
      signal,
    );
    const forced = this.#selection.force?.includes(stage.id);
    const { record } = forced ? {} : await store.find(stage.use, fingerprint(dependencies));
    if (record) return { record, made: false };
    if (attempt.resumed) reporter.line(`  ${stage.id}: goes on from an interrupted attempt`);
    const warnings: string[] = [];
    const progress = reporter.begin(stage.id);
    try {
      const result: StageResult | void = await stage.stage.run(
        this.#inputs(stage),
        stage.params,
        this.#context(stage, dependencies, {
          outputs: attempt.outputs,
          scratch: attempt.scratch,
          signal,
          progress,
          info: (message) => reporter.line(`  ${stage.id}: ${message}`),
          warn: (message) => {
            warnings.push(message);
            reporter.line(`  ${paint.warning(`${stage.id}: ${message}`)}`);
          },
        }),
      );
      signal.throwIfAborted();
      const record = await attempt.commit({
        id: stage.id,
        ...result,
        warnings,
        pipeline: this.#plan.name,
        startedAt: startedAt.toISOString(),
        seconds: (Date.now() - startedAt.getTime()) / 1000,
        deno: Deno.version.deno,
        platform: Deno.build.target,
        machine: describeMachine(),
      });
      return { record, made: true };
    } finally {
      progress.end();
    }
  }

  #inputs(stage: PlannedStage): Record<string, Artifact | readonly Artifact[]> {
    const open = ({ stage: id, output }: Wire) =>
      this.#shop.store.artifact(this.#records.get(id)!, output, id);
    return Object.fromEntries(
      Object.entries(stage.wires).map(([name, wired]) => [
        name,
        Array.isArray(wired) ? (wired as Wire[]).map(open) : open(wired as Wire),
      ]),
    );
  }

  /** What a stage reads without having declared it would be missing from its fingerprint. */
  #context(
    { id, use, stage }: PlannedStage,
    { seed, compute }: Pick<Dependencies, "seed" | "compute">,
    rest: Omit<StageContext, "id" | "seed" | "compute" | "lineage">,
  ): StageContext {
    const lineage = stage.lineage
      ? lineageOf(this.#plan, id, this.#records, this.#shop.project)
      : undefined;
    const undeclared = (name: string, flag: string) =>
      new Error(
        `Stage "${use}" reads context.${name} without declaring it: add ${flag}: true to its ` +
          "definition.",
      );
    return {
      id,
      ...rest,
      get seed() {
        if (seed === undefined) throw undeclared("seed", "seeded");
        return seed;
      },
      get compute() {
        if (compute === undefined) throw undeclared("compute", "compute");
        return compute;
      },
      get lineage() {
        if (lineage === undefined) throw undeclared("lineage", "lineage");
        return lineage;
      },
    };
  }

  /** Starts the pipeline's services and waits until they are stopped. */
  async services(): Promise<void> {
    const { reporter, signal } = this.#shop;
    const services = this.#plan.stages.filter((stage) => stage.stage.service);
    await Promise.all(services.map(async (stage) => {
      const dependencies = await this.#dependencies(stage);
      const scratch = await Deno.makeTempDir({ prefix: `${stage.id}-` });
      const progress = reporter.begin(stage.id);
      const info = (message: string) => reporter.line(`  ${stage.id}: ${message}`);
      const warn = (message: string) => info(reporter.paint.warning(message));
      const context = { outputs: {}, scratch, signal, progress, info, warn };
      try {
        const inputs = this.#inputs(stage);
        await stage.stage.run(inputs, stage.params, this.#context(stage, dependencies, context));
      } catch (error) {
        if (signal.aborted) return;
        this.ok = false;
        reporter.line(`${reporter.paint.bad("✗")} ${stage.id}  failed: ${tell(error)}`);
      } finally {
        progress.end();
        await Deno.remove(scratch, { recursive: true });
      }
    }));
  }

  #noteShow(stage: PlannedStage, record: StageRecord): void {
    for (const file of record.show ?? []) {
      const place = this.#shop.store.place(stage.use, record.fingerprint);
      this.#show.push(short(join(place, file), this.#shop.project));
    }
  }

  report(seconds: number): RunReport {
    const metrics: Metrics = {};
    for (const record of this.#records.values()) Object.assign(metrics, record.metrics);
    const { name: pipeline } = this.#plan;
    const stages = this.#reports.map((stage) => ({ ...stage, seconds: toMs(stage.seconds) }));
    return { pipeline, ok: this.ok, seconds: toMs(seconds), stages, metrics };
  }

  /** Keeps what ran, from what, with what result. */
  async record(report: RunReport): Promise<void> {
    const { store } = this.#shop;
    const at = new Date().toISOString();
    const folder = join(store.folder, "runs");
    await Deno.mkdir(folder, { recursive: true });
    // The process tells apart runs that end at the same time.
    const name = `${
      at.replaceAll(":", "-").replace(/\.\d+/, "")
    }-${this.#plan.name}-${Deno.pid}.json`;
    const stages = report.stages.map((stage) => ({
      ...stage,
      fingerprint: this.#records.get(stage.id)?.fingerprint,
      dependencies: this.#records.get(stage.id)?.dependencies,
      warnings: this.#records.get(stage.id)?.warnings,
    }));
    const versions = { deno: Deno.version.deno, platform: Deno.build.target };
    const { seed } = this.#plan;
    const kept = { ...report, at, seed, compute: this.#compute, ...versions, stages };
    await writeWhole(join(folder, name), JSON.stringify(kept, null, 2) + "\n");
  }
}

/** Ids of the stages to run, services apart. */
export function select(plan: Plan, { until, from, only }: Selection): Set<string> {
  let ids = plan.stages.filter((stage) => !stage.stage.service).map((stage) => stage.id);
  if (until) ids = ids.filter((id) => until.some((last) => ancestors(plan, last).has(id)));
  if (from) ids = ids.filter((id) => descendants(plan, from).has(id));
  if (only) ids = ids.filter((id) => id === only);
  return new Set(ids);
}

/** Seconds to the millisecond. */
function toMs(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

function more(count: number): string {
  return count > 0 ? ` and ${count} more` : "";
}
