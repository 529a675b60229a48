/** Runs one stage: makes a result, or serves until it is stopped. */
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { openAttempt } from "../cache/attempt.ts";
import { type CacheKey, explainChanges, fingerprint } from "../fingerprint.ts";
import { mapPaths } from "../config/stage_config.ts";
import { listFiles } from "../digest.ts";
import { formatValues } from "../format.ts";
import { joinWords } from "../errors.ts";
import { makeTemporaryFolder } from "../paths.ts";
import type { Begun } from "../history.ts";
import { type Edge, edgeName, type Plan, type PlannedStage } from "../plan.ts";
import { describeMachine, lineageOf } from "./lineage.ts";
import { checkOutputs } from "./check_outputs.ts";
import { stageContextOf } from "./stage_context.ts";
import type { StageRecord } from "../stage_record.ts";
import { withoutSecrets } from "../secrets.ts";
import { verifyResult } from "../verify_results.ts";
import type { Artifact, Lineage, StageResult } from "../stage.ts";
import type { RunContext, ShardedWork } from "./run_context.ts";

/** A stage that is about to run, with its inputs. */
export interface ReadyStage {
  readonly stage: PlannedStage;
  readonly cacheKey: CacheKey;
  readonly inputs: Record<string, Artifact | readonly Artifact[]>;
  /** Set for a stage that declares it. */
  readonly lineage?: Lineage;
}

/** Collects the inputs of a stage from the results of earlier stages. */
export function prepareStage(
  stage: PlannedStage,
  cacheKey: CacheKey,
  plan: Plan,
  records: ReadonlyMap<string, StageRecord>,
  { store, project }: Pick<RunContext, "store" | "project">,
  begun?: Begun,
): ReadyStage {
  const open = (edge: Edge) => {
    const { definition } = plan.stages.find(({ id }) => id === edge.stage)!;
    return store.artifact(records.get(edge.stage)!, edge.output, edgeName(edge, definition));
  };
  const inputs = Object.fromEntries(
    Object.entries(stage.wires).map(([name, wired]) => [
      name,
      "stage" in wired ? open(wired) : wired.map(open),
    ]),
  );
  const lineage = stage.definition.lineage
    ? lineageOf(plan, stage.id, records, project, begun)
    : undefined;
  return { stage, cacheKey, inputs, lineage };
}

/**
 * Makes a result, unless another run makes it first.
 * @param force make it even if it exists
 */
export async function executeStage(
  ready: ReadyStage,
  { name: pipeline, remoteWorkers }: Pick<Plan, "name" | "remoteWorkers">,
  run: RunContext,
  force: boolean,
): Promise<{ record: StageRecord; made: boolean }> {
  const { project, store, reporter, signal, connectWorkers, checkFile, noteStep } = run;
  const { stage, cacheKey, inputs, lineage } = ready;
  const { paint } = reporter;
  const startedAt = new Date();
  const info = (message: string) => reporter.log(`  ${labelled(stage.id, message)}`);
  await using attempt = await openAttempt(store, stage.definition, cacheKey, info, signal);
  const { outputs, bounded } = stage.definition, hash = fingerprint(cacheKey);
  const { record: there } = force ? {} : await store.find(stage.use, hash, Object.keys(outputs));
  if (there) return { record: there, made: false };
  if (attempt.resumed) info("resumes an interrupted attempt");
  const warnings: string[] = [];
  using progress = reporter.startProgress(stage.id);
  const given = {
    id: stage.id,
    outputs: attempt.outputs,
    scratch: attempt.scratch,
    earlierResults: async () => force ? [] : await store.resultsOf(cacheKey),
    async checkExternal() {
      const place = { artifacts: store.folder, signal, progress };
      const external = withoutSecrets(await stage.definition.external(stage.params, place));
      const changes = explainChanges(stage.id, cacheKey, { ...cacheKey, external });
      if (changes.length === 0) return;
      throw new Error(`Cannot use its data: ${joinWords(changes)} while it was read. Run again.`);
    },
    signal,
    progress,
    info,
    warn: (message: string) => {
      warnings.push(String(message));
      reporter.log(`  ${paint.yellow(labelled(stage.id, message))}`);
    },
  };
  for (const path of await withUnknownFiles(stage, run)) {
    given.warn(
      `${path} may read or import files whose names are not written in it. Their changes do not run ` +
        "the stage again. Name them in imports or new URL(name, import.meta.url), or return their " +
        "digests as external.",
    );
  }
  const work: ShardedWork = {
    use: stage.use,
    cacheKey,
    inputs: Object.fromEntries(
      Object.entries(inputs).flatMap(([name, one]) => "path" in one ? [[name, one.path]] : []),
    ),
    artifacts: store.folder,
    ...given,
  };
  const context = stageContextOf({ ...stage, project }, { ...cacheKey, lineage }, {
    ...given,
    ...(remoteWorkers && connectWorkers && stage.definition.part
      ? { remoteWorkers: connectWorkers(remoteWorkers, work) }
      : {}),
  });
  const isOwn = stage.plugin && !bounded;
  const unchanged = isOwn ? await watchInputs(stage.id, inputs, run) : undefined;
  const assertAwaited = isOwn ? watchPromises(stage.id) : undefined;
  const result: StageResult | void = await Promise
    .try(() => stage.definition.run(inputs, stage.params, context)).finally(unchanged);
  signal.throwIfAborted();
  await checkOutputs(stage.id, outputs, attempt.outputs, checkFile, bounded);
  await assertAwaited?.();
  if (stage.plugin) {
    // The folders of this machine are nothing for a model card.
    const named = mapPaths(cacheKey.params, stage.definition.params, (path) => basename(path));
    const step = [stage.use, formatValues(named as CacheKey["params"])].filter(Boolean).join(" ");
    const made = Object.entries(attempt.outputs).map(([key, path]) => ({ ...outputs[key]!, path }));
    await noteStep?.(step, signal, Object.values(inputs).flat(), made);
  }
  const record = await attempt.commit({
    ...withoutSecrets({ ...result, warnings }),
    id: stage.id,
    pipeline,
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
    deno: Deno.version.deno,
    platform: Deno.build.target,
    machine: describeMachine(),
    rights: stage.rights,
  }, progress);
  return { record, made: true };
}

/**
 * Returns what refuses inputs that the stage has changed since, and marks them as damaged: results of
 * other stages are made of them. The process of a third-party plugin has no right to write there.
 */
async function watchInputs(
  id: string,
  inputs: ReadyStage["inputs"],
  { store, signal }: RunContext,
): Promise<() => Promise<void>> {
  const stampsOf = async ({ path }: Artifact) =>
    new Map((await listFiles(path)).map((name) => {
      const { size, mtime, ctime } = Deno.statSync(join(path, name));
      return [`${basename(path)}/${name}`, JSON.stringify([size, mtime, ctime])];
    }));
  const artifacts = Object.values(inputs).flat();
  const before = await Promise.all(artifacts.map(stampsOf));
  return async () => {
    for (const [i, artifact] of artifacts.entries()) {
      const now = await stampsOf(artifact).catch(() => new Map<string, string>());
      if (isDeepStrictEqual(now, before[i])) continue;
      const path = dirname(artifact.path);
      const place = { use: basename(dirname(path)), fingerprint: basename(path), path };
      const { record, problems, strangers } = await verifyResult(place);
      if (record && problems.length > 0) {
        await store.markDamaged(place, record, problems, () => {}, signal);
      }
      // File managers leave hidden files, and an earlier stage may have left others.
      const added = strangers.filter((name) =>
        !basename(name).startsWith(".") && now.has(name) && !before[i].has(name)
      );
      const changes = [...problems, ...added.map((name) => `${name} is no part of it`)];
      if (changes.length === 0) continue; // another run made it again
      throw new Error(
        `Cannot keep what stage "${id}" made: it changed the result of "${artifact.stage}": ` +
          `${joinWords(changes)}. Write into context.outputs or context.scratch, and run again.`,
      );
    }
  };
}

/** Keeps promises that a plugin does not await from ending the program, until none was rejected. */
function watchPromises(id: string): () => Promise<void> {
  const errors: unknown[] = [], watching = new AbortController();
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    errors.push(event.reason);
  }, { signal: watching.signal });
  return async () => {
    await delay(); // the event comes when other tasks wait
    if (errors.length === 0) return watching.abort();
    const why = "a call that run() does not await failed. Await it.";
    throw new Error(`Cannot keep what stage "${id}" made: ${why}`, { cause: errors[0] });
  };
}

/** Returns modules of plugins that take part in a stage whose files the cache key may lack. */
async function withUnknownFiles(
  { plugin, module, definition, extensions }: PlannedStage,
  { moduleHasher, excludedFolders }: RunContext,
): Promise<Set<string>> {
  const modules = extensions.filter(({ isData }) => !isData).map(({ module }) => module);
  if (plugin && !definition.hasExternal) modules.push(module);
  const graphs = modules.map((one) => moduleHasher.graph(one, excludedFolders));
  return new Set((await Promise.all(graphs)).flatMap(({ computed }) => computed));
}

/** Returns a message with its stage before each line, so that none looks like the runner's own. */
function labelled(id: string, message: string): string {
  return `${message}`.split("\n").map((line) => `${id}: ${line}`).join("\n  ");
}

/** Runs a service until it is stopped. Throws what it throws. */
export async function executeService(
  ready: ReadyStage,
  { project, reporter, signal, store }: RunContext,
): Promise<void> {
  const { stage, inputs, cacheKey, lineage } = ready, { id } = stage;
  const scratch = await makeTemporaryFolder(`${id}-`);
  using progress = reporter.startProgress(id);
  const { bold, green, yellow } = reporter.paint;
  // The address of a service is what its user looks for.
  const info = (message: string) =>
    reporter.log(`  ${id}: ${message.replace(/https?:\/\/\S+/g, (url) => bold(green(url)))}`);
  const warn = (message: string) => reporter.log(`  ${id}: ${yellow(message)}`);
  const earlierResults = () => store.resultsOf(cacheKey);
  const rest = { id, outputs: {}, scratch, earlierResults, signal, progress, info, warn };
  const context = stageContextOf({ ...stage, project }, { ...cacheKey, lineage }, rest);
  try {
    await stage.definition.run(inputs, stage.params, context);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}
