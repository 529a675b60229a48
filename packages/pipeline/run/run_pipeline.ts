/** Runs the stages of a plan that lack a result, and records the run. */
import { basename, join } from "node:path";
import { cacheKeyOf, checkCache, modulesOf } from "../cache/cache_key.ts";
import { directionsOf } from "../define.ts";
import { assertIntact } from "../verify_results.ts";
import {
  formatError,
  formatErrorWithStack,
  isDiskFull,
  isOutOfFiles,
  joinWords,
  placeIn,
  RunError,
} from "../errors.ts";
import type { ReadyStage } from "./run_stage.ts";
import { type CacheKey, fingerprint, PENDING } from "../fingerprint.ts";
import { formatBytes, formatDuration } from "../format.ts";
import { type Beginning, type Begun, History } from "../history.ts";
import { LiveLog } from "../live_log.ts";
import { ancestors, type Plan, type PlannedStage, select, type Selection } from "../plan.ts";
import { fileNameOf } from "../pipeline_identity.ts";
import { displayPath } from "../paths.ts";
import type { RemoteResults } from "../remote_results/remote_results.ts";
import { bytesOf, type StageRecord } from "../stage_record.ts";
import { type Cause, INTERRUPTED, metricsOf, type RunReport, type Status } from "./run_report.ts";
import { cautionsOf } from "../stage.ts";
import type { ResolvedBackend, RunContext } from "./run_context.ts";

/** Loaded by a run that has something to do. */
const loadRunStage = () => import("./run_stage.ts");

export interface RunResult {
  readonly report: RunReport;
  /** Its id, if it is listed: a run that changed nothing is not. */
  readonly id?: string;
  /** Stage id → its result, if it has one. */
  readonly records: ReadonlyMap<string, StageRecord>;
}

export interface RunOptions {
  readonly dryRun?: boolean;
  readonly services?: boolean;
  /**
   * All stages of a sweep, by id, with all parameters, which may check shared results: the run of the
   * shared ones is not listed, and has no lines for unselected stages.
   */
  readonly ahead?: ReadonlyMap<string, readonly PlannedStage[]>;
  /** The varied values of a run of a sweep, key → value. */
  readonly point?: Readonly<Record<string, unknown>>;
  /** Id → a result to use without a check of its cache key. */
  readonly given?: ReadonlyMap<string, StageRecord>;
}

/** Runs the selected stages of a plan whose results are missing. */
export async function runPlan(
  plan: Plan,
  selection: Selection,
  tools: RunContext,
  options: RunOptions = {},
): Promise<RunResult> {
  const { dryRun = false, services = false, ahead, point } = options;
  const began = performance.now();
  const { name: pipeline, identity: file, overrides, seed } = plan;
  const entry = ahead || dryRun
    ? undefined
    : new RunEntry(tools.store.folder, { pipeline, file, overrides, seed, point });
  const context = entry ? { ...tools, reporter: entry.live.reporter(tools.reporter) } : tools;
  const { store, signal, moduleHasher, reporter: { log } } = context;
  using _held = dryRun ? undefined : await store.lockShared(log, signal);
  const run = new Run(plan, selection, context, options, entry);
  const reportNow = () => run.report((performance.now() - began) / 1000);
  let id: string | undefined;
  try {
    if (services) await entry?.begin();
    await run.stages();
    // A service may run for days: the hashes are stored before.
    await moduleHasher.close();
    // A run of a sweep is listed even if all its results are cached.
    if (entry && (run.worked || run.usesOthers || point)) {
      id = await run.record(await reportNow(), entry);
    }
    if (services && run.ok && !dryRun) {
      await entry?.close();
      await run.services();
    }
  } finally {
    await entry?.close();
    await moduleHasher.close();
  }
  return { report: await reportNow(), id, records: run.records };
}

/** Size in bytes up to which a service's input files are compared with their digests. */
const MAX_CHECKED = 1e9;

/**
 * One execution of a plan, a stage after the other. Each is the first of these: failed by a check
 * ahead, skipped, given, cached, pulled, refused as it is needed but not selected, or made.
 *
 * `records` has a stage once its result is complete in the store, or, in a dry run, would be pulled.
 * A stage is made when `records` has all stages that it takes from.
 */
class Run {
  readonly #selected: ReadonlySet<string>;
  /** Those, and all that they take from. */
  readonly #needed: ReadonlySet<string>;
  readonly records = new Map<string, StageRecord>();
  /** Stages of a dry run that would run. */
  readonly #pending = new Set<string>();
  /** Modules of the stages that were made: an edit of these counts in the next run. */
  readonly #loaded = new Set<string>();
  /** Id → number of results that it has checked, in the order of the stages. */
  readonly #checked = new Map<string, number>();
  /** Id → why it would fail. */
  readonly #doomed = new Map<string, string>();
  readonly #reports: RunReport["stages"] = [];
  readonly #show: string[] = [];
  #compute: ResolvedBackend | undefined;
  #remote: RemoteResults | "failed" | undefined;
  ok = true;
  /** True if a result was made or pulled, or a stage failed. */
  worked = false;
  /** True if other results are used than last time. */
  usesOthers = false;

  /** @param entry where the run is listed, if it is to be */
  constructor(
    readonly plan: Plan,
    readonly selection: Selection,
    readonly context: RunContext,
    readonly options: RunOptions,
    readonly entry?: RunEntry,
  ) {
    this.#selected = select(plan, selection);
    this.#needed = ancestors(plan, this.#selected);
    const stages = plan.stages.map(({ id, use, after }) => ({ id, use, after }));
    entry?.live.add({ type: "run", pipeline: plan.name, startedAt: entry.startedAt, stages });
  }

  async stages(): Promise<void> {
    const { dryRun } = this.options;
    const { store, moduleHasher, excludedFolders, reporter } = this.context;
    if (!dryRun) await store.cleanUp();
    // All code is hashed now: early stages may compute for hours, and have loaded it by then.
    for (const stage of this.plan.stages) {
      if (!this.#needed.has(stage.id) || this.options.given?.has(stage.id)) continue;
      for (const module of modulesOf(stage)) await moduleHasher.graph(module, excludedFolders);
    }
    for (const stage of this.plan.stages) await this.#stage(stage);
    if (this.ok && !dryRun) this.usesOthers = await this.#setCurrent();
    if (this.ok && !dryRun) this.#show.forEach(reporter.log);
  }

  async #stage(stage: PlannedStage): Promise<void> {
    const { id } = stage, { paint } = this.context.reporter;
    // Also where all results that the runs of a sweep share are cached.
    if (this.ok && this.options.ahead?.has(id)) await this.#failsAhead();
    const doomed = this.#doomed.get(id), left = this.#skipReason(stage);
    if (doomed !== undefined) return this.#finish(stage, "failed", doomed, 0, "error");
    if (left !== undefined) return this.#skip(stage, left);
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    try {
      await this.#obtain(stage, seconds);
    } catch (error) {
      if (this.context.signal.aborted) {
        this.ok = false;
        this.worked = true;
        this.#log(paint.yellow("!"), id, "interrupted; the next run resumes here");
        this.#finish(stage, "failed", INTERRUPTED, seconds(), INTERRUPTED);
      } else {
        const place = this.#placeOf(error, stage) + wayOutOf(error);
        this.#fail(id, formatErrorWithStack(error, place));
        this.#finish(stage, "failed", formatError(error) + place, seconds(), "error");
      }
    }
  }

  /** Takes the result of a stage, or makes it. */
  async #obtain(stage: PlannedStage, seconds: () => number): Promise<void> {
    const { id, rights } = stage, { dryRun, given } = this.options;
    const known = given?.get(id);
    if (known) return this.#takeCached(stage, known);
    const cacheKey = await this.#cacheKey(stage);
    const { plan, context: { store } } = this, force = this.#isForced(id);
    const decision = await checkCache(stage, cacheKey, store, plan, force, this.#pending);
    if ("record" in decision) return this.#takeCached(stage, decision.record);
    if (await this.#pull(stage, cacheKey)) return;
    const { why } = decision;
    if (!this.#selected.has(id)) {
      throw new RunError(
        `${id} has to run first (${why}), and the command line leaves it out. ` +
          `Run it with --until ${id}.`,
      );
    }
    // Now it is skipped, or it is the one that fails.
    if (!dryRun && await this.#failsAhead()) return this.#stage(stage);
    const granted = rights ? `; third-party code, allow: [${rights.join(", ")}]` : "";
    const text = `runs: ${why}${granted}`;
    this.#log(this.context.reporter.paint.bold(">"), id, text);
    if (dryRun) {
      this.#pending.add(id);
      // Rights are part of the reason, so it is printed.
      const cause = decision.waits && !rights ? "waits" : "runs";
      return this.#finish(stage, "skipped", text, 0, cause);
    }
    this.entry?.live.add({ type: "stage", id, status: "running", why });
    await this.#make(await this.#ready(stage, cacheKey), why, seconds);
  }

  #skip(stage: PlannedStage, why: string): void {
    const { id, definition: { service } } = stage, { signal: { aborted }, reporter } = this.context;
    const { paint } = reporter, needed = this.#needed.has(id);
    if (aborted && !service && needed) this.ok = false;
    const shown = !service && (needed || aborted || !this.options.ahead);
    if (shown) this.#log(paint.dim("-"), id, paint.dim(`skipped: ${why}`));
    this.#finish(stage, "skipped", why);
  }

  #fail(id: string, why: string): void {
    this.ok = false;
    this.worked = true;
    this.#log(this.context.reporter.paint.red("✗"), id, `failed: ${why}`);
  }

  /** Lets stages check the results so far that theirs will come from; returns true if one would fail. */
  async #failsAhead(): Promise<boolean> {
    const { store } = this.context, { stages } = this.plan;
    for (const one of stages) {
      const { id } = one;
      const ahead = this.options.ahead?.get(id) ?? (this.#needed.has(id) ? [one] : []);
      if (!ahead.some(({ definition }) => definition.checkAhead)) continue;
      const before = ancestors(this.plan, one.after);
      const behind = stages.filter((other) => before.has(other.id));
      // A plugin's stage may change what was found before it.
      const from = Math.max(0, behind.findLastIndex(({ plugin }) => plugin));
      const found = behind.slice(from).filter((one) => this.records.has(one.id));
      const unchecked = found.slice(this.#checked.get(id) ?? 0);
      try {
        for (const { id: maker, definition: { outputs } } of unchecked) {
          for (const output of Object.keys(outputs)) {
            const artifact = store.artifact(this.records.get(maker)!, output, maker);
            for (const one of ahead) await one.definition.checkAhead?.(one.params, artifact);
          }
        }
      } catch (error) {
        this.#doomed.set(id, formatError(error));
        this.#fail(id, formatError(error));
      }
      this.#checked.set(id, found.length);
    }
    return this.#doomed.size > 0;
  }

  /** Returns the place of an error in a plugin, on a line of its own. */
  #placeOf(error: unknown, { plugin, module, use, extensions }: PlannedStage): string {
    if (error instanceof RunError) return "";
    if (plugin && !(error instanceof Error)) return `\n  at "${use}" of ${module}`;
    const modules = [...plugin ? [module] : [], ...extensions.map(({ module }) => module)];
    const found = modules.find((module) => placeIn(error, module));
    if (found === undefined) return "";
    const names = extensions.filter(({ module }) => module === found)
      .map(({ kind, name }) => `${kind} "${name}"`);
    return `\n  at ${placeIn(error, found)}${names.length > 0 ? `, of ${joinWords(names)}` : ""}`;
  }

  #takeCached(stage: PlannedStage, record: StageRecord): void {
    const { paint } = this.context.reporter;
    this.#useResult(stage, record);
    this.#log(paint.dim("·"), stage.id, paint.dim("cached"));
    this.#finish(stage, "cached", "cached");
  }

  /** Takes a missing result from the remote, if it has it. Its failures are logged. */
  async #pull(stage: PlannedStage, cacheKey: CacheKey): Promise<boolean> {
    const { id, use, after } = stage;
    const { store, signal, reporter: { log, paint, startProgress } } = this.context;
    const { remote } = this.plan;
    if (!remote || this.#isForced(id) || after.some((other) => this.#pending.has(other))) {
      return false;
    }
    const { madeElsewhere, RemoteError, RemoteResults } = await import(
      "../remote_results/remote_results.ts"
    );
    const began = performance.now();
    using progress = startProgress(id);
    try {
      this.#remote ??= new RemoteResults(remote, signal);
      if (this.#remote === "failed") return false;
      const { place } = this.#remote;
      const found = await this.#remote.find(use, fingerprint(cacheKey));
      if (!found) return false;
      const size = formatBytes(bytesOf(found));
      const origin = [`${size} from ${place.url}`, madeElsewhere(found)].filter(Boolean).join("; ");
      if (this.options.dryRun) {
        this.#log(paint.bold(">"), id, `would pull ${origin}`);
        this.#finish(stage, "skipped", "runs: it would be pulled", 0, "runs");
        // Later stages are compared with what it will be.
        this.records.set(id, found);
        return true;
      }
      this.entry?.live.add({ type: "stage", id, status: "running", why: "it is pulled" });
      const info = (line: string) => log(`  ${id}: ${line}`);
      const record = await this.#remote.pull(found, store, info, progress);
      this.#useResult(stage, record);
      await this.#setCurrent();
      this.worked = true;
      this.#log(paint.dim("·"), id, `pulled ${origin}`);
      this.#finish(stage, "cached", `pulled from ${place.url}`, (performance.now() - began) / 1000);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const lasting = error instanceof RemoteError && error.lasting;
      if (lasting) this.#remote = "failed";
      const rest = lasting ? ". This run no longer asks it" : "";
      log(paint.yellow(`  ${id}: nothing is pulled from the remote: ${formatError(error)}${rest}`));
      return false;
    }
  }

  async #make(ready: ReadyStage, why: string, seconds: () => number): Promise<void> {
    const { paint } = this.context.reporter;
    const { stage, cacheKey: { modules } } = ready;
    const late = (path: string) => Object.hasOwn(modules, path) && !this.#loaded.has(path);
    const edited = stage.plugin ? undefined : await this.context.moduleHasher.edited(late);
    if (edited) throw new RunError(`${edited} changed after the run began. Run again.`);
    Object.keys(modules).forEach((path) => this.#loaded.add(path));
    const force = this.#isForced(stage.id);
    const { executeStage } = await loadRunStage();
    const { record, made } = await executeStage(ready, this.plan, this.context, force);
    this.#useResult(stage, record);
    await this.#setCurrent();
    this.worked = true;
    if (made) {
      this.#log(paint.green("✓"), stage.id, `done in ${formatDuration(seconds())}`);
      this.#finish(stage, "ran", why, seconds());
    } else {
      this.#log(paint.dim("·"), stage.id, paint.dim("cached: another run made it"));
      this.#finish(stage, "cached", "another run made it", seconds());
    }
  }

  /** Stores which results the pipeline uses. A failure is logged and does not end the run. */
  async #setCurrent(): Promise<boolean> {
    const { store, reporter } = this.context;
    const { identity, former } = this.plan;
    try {
      return await store.setCurrent(fileNameOf(identity), this.records, former);
    } catch (error) {
      reporter.log(`what this run uses could not be noted: ${formatError(error)}`);
      return false;
    }
  }

  #log(mark: string, id: string, text: string): void {
    const width = Math.max(...this.plan.stages.map((stage) => stage.id.length));
    this.context.reporter.log(`${mark} ${id.padEnd(width)}  ${text}`);
  }

  #finish(stage: PlannedStage, status: Status, why: string, seconds = 0, cause?: Cause): void {
    const { id, use, after } = stage;
    this.entry?.live.add({ type: "stage", id, status, why, seconds });
    const record = this.records.get(id);
    const outputs = Object.fromEntries(
      Object.keys(record ? stage.definition.outputs : {}).map((name) => {
        const { path } = this.context.store.artifact(record!, name, id);
        return [name, displayPath(path, this.context.project)];
      }),
    );
    this.#reports.push({ id, use, after, status, why, cause, seconds, outputs });
  }

  #useResult(stage: PlannedStage, record: StageRecord): void {
    const { log: line, paint } = this.context.reporter;
    const known = cautionsOf(this.records.values());
    this.records.set(stage.id, record);
    // Before the first line with a score.
    cautionsOf(this.records.values()).filter((caution) => !known.includes(caution))
      .forEach((caution) => line(paint.yellow(caution)));
    for (const file of record.show ?? []) {
      const place = this.context.store.pathOf(stage.use, record.fingerprint);
      const path = displayPath(join(place, file), this.context.project);
      const what = basename(file).replace(/\..*$/, "").replaceAll("_", " ").toLowerCase();
      this.#show.push(`  ${what}: ${paint.bold(path)}`);
    }
  }

  /** Returns the reason to skip a stage, if there is one. */
  #skipReason(stage: PlannedStage): string | undefined {
    if (this.context.signal.aborted) return "the run was interrupted";
    if (stage.definition.service) return "a service; deno task serve starts it";
    const missing = stage.after.filter((id) => !this.records.has(id) && !this.#pending.has(id));
    if (!this.#needed.has(stage.id)) return "not selected";
    if (!this.ok) {
      return missing.length > 0
        ? `${joinWords(missing)} did not finish`
        : "an earlier stage failed, and a run ends at the first failure";
    }
    return undefined;
  }

  #isForced(id: string): boolean {
    return this.selection.force?.includes(id) ?? false;
  }

  async #cacheKey(stage: PlannedStage): Promise<CacheKey> {
    const { plan, context } = this;
    const cacheKey = await cacheKeyOf(
      stage,
      plan,
      context,
      ({ stage: id, output }) => this.records.get(id)?.outputs[output]?.digest ?? PENDING,
      (id) => this.records.get(id)?.fingerprint ?? PENDING,
    );
    if (cacheKey.compute) this.#compute = await context.resolveCompute(plan.compute);
    return cacheKey;
  }

  async #ready(stage: PlannedStage, cacheKey: CacheKey): Promise<ReadyStage> {
    const begun = await this.entry?.begin();
    const { prepareStage } = await loadRunStage();
    return prepareStage(stage, cacheKey, this.plan, this.records, this.context, begun);
  }

  /** Starts the pipeline's services and waits until they are stopped. */
  async services(): Promise<void> {
    const { reporter, signal } = this.context;
    const services = this.plan.stages.filter(({ definition }) => definition.service);
    await Promise.all(services.map(async (stage) => {
      try {
        const cacheKey = await this.#cacheKey(stage);
        for (const { stage: id, output } of Object.values(stage.wires).flat()) {
          const record = this.records.get(id)!;
          const { path } = this.context.store.artifact(record, output, id);
          const { files } = record.outputs[output];
          const names = Object.keys(files).filter((name) => files[name].size < MAX_CHECKED);
          await assertIntact(path, { files }, names);
        }
        const { executeService } = await loadRunStage();
        await executeService(await this.#ready(stage, cacheKey), this.context);
      } catch (error) {
        if (signal.aborted) return;
        this.ok = false;
        const text = formatErrorWithStack(error, this.#placeOf(error, stage));
        reporter.log(`${reporter.paint.red("✗")} ${stage.id}  failed: ${text}`);
      }
    }));
  }

  async report(seconds: number): Promise<RunReport> {
    const { name: pipeline } = this.plan;
    const stages = this.#reports.map((stage) => ({ ...stage, seconds: toMs(stage.seconds) }));
    const cautions = cautionsOf(this.records.values());
    return {
      pipeline,
      ok: this.ok,
      seconds: toMs(seconds),
      stages,
      metrics: await metricsOf(this.records, this.context.metricNames),
      ...(cautions.length > 0 && { cautions }),
    };
  }

  /** Keeps what ran, from what, with what result; returns the run's id, if it could be kept. */
  async record(report: RunReport, entry: RunEntry): Promise<string | undefined> {
    const stages = report.stages.map((stage) => {
      const { fingerprint, dependencies, warnings } = this.records.get(stage.id) ?? {};
      return { ...stage, fingerprint, dependencies, warnings };
    });
    const better = directionsOf(this.plan.stages);
    const run = { ...report, ...entry.beginning, compute: this.#compute, better, stages };
    // The runs of a sweep take turns with what they use: one that did nothing was there before.
    const same = run.point && !this.worked ? await entry.history.find(run) : undefined;
    if (same) return same.id;
    try {
      return await entry.record(run);
    } catch (error) {
      this.context.reporter.log(`this run could not be recorded: ${formatError(error)}`);
      return undefined;
    }
  }
}

/**
 * A run's entry in the history, and its live log: made at its first work, kept if it is recorded. A run
 * with nothing to do never begins it, and so writes nothing.
 */
class RunEntry {
  readonly live: LiveLog;
  readonly startedAt: string = new Date().toISOString();
  readonly history: History;
  #begun: Begun | undefined;
  #state: "open" | "recorded" | "closed" = "open";

  /** @param artifacts the artifact folder */
  constructor(artifacts: string, readonly beginning: Beginning) {
    this.live = new LiveLog(artifacts);
    this.history = new History(artifacts);
  }

  /** Lists the run as running, if it is not. */
  async begin(): Promise<Begun> {
    if (!this.#begun) {
      this.#begun = await this.history.begin(this.beginning, this.startedAt);
      this.live.open(this.#begun.id);
    }
    return this.#begun;
  }

  /** Records the run's end; returns its id. */
  async record(run: Parameters<History["add"]>[0]): Promise<string> {
    const { id } = await this.history.add(run, await this.begin());
    this.#state = "recorded";
    return id;
  }

  /** Ends the live log, and removes an entry that is not recorded. */
  async close(): Promise<void> {
    if (this.#begun && this.#state === "open") await this.history.drop(this.#begun);
    this.#state = "closed";
    await this.live.close();
  }
}

/** The system's message names the file alone. */
function wayOutOf(error: unknown): string {
  const message = formatError(error);
  const wayOut = isDiskFull(message)
    ? "Free space on that disk, or name a folder on another one: --set artifacts=FOLDER."
    : isOutOfFiles(message)
    ? "Raise the hard limit of the process: ulimit -Hn 4096, or --ulimit nofile of a container."
    : undefined;
  return wayOut ? `\n  ${wayOut} The next run resumes.` : "";
}

/** Seconds to the millisecond. */
function toMs(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
