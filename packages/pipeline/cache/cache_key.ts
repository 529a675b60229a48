/** Cache key of a planned stage, and the decision whether it must run. */
import { basename } from "node:path";
import { mapPaths } from "../config/stage_config.ts";
import { formatError, joinWords } from "../errors.ts";
import type { ArtifactStore } from "../artifact_store.ts";
import { type CacheKey, canonicalJson, explainChanges, fingerprint } from "../fingerprint.ts";
import { History } from "../history.ts";
import { fileNameOf } from "../pipeline_identity.ts";
import { ancestors, type Edge, outputName, type Plan, type PlannedStage } from "../plan.ts";
import { withoutSecrets } from "../secrets.ts";
import type { RunContext } from "../run/run_context.ts";
import type { StageRecord } from "../stage_record.ts";

/** Returns the URLs of a stage's module and of the plugins that its parameters name. */
export function modulesOf({ module, extensions }: PlannedStage): string[] {
  return [module, ...extensions.map((extension) => extension.module)];
}

/** Returns the part of a stage's cache key that the YAML gives. */
export function writtenKey(
  { use, params, definition, seed }: PlannedStage,
  plan: Pick<Plan, "seed">,
): Pick<CacheKey, "use" | "params" | "seed"> {
  const located = mapPaths(
    params,
    definition.params,
    (text, field) => field.meta()?.byContent === true ? basename(text) : text,
  ) as PlannedStage["params"];
  const counting = Object.entries(located).filter(([name, value]) =>
    value !== undefined && !definition.ignoreInCacheKey.includes(name)
  );
  return {
    use,
    params: withoutSecrets(Object.fromEntries(counting)),
    ...definition.seeded(params) && { seed: seed ?? plan.seed },
  };
}

/**
 * Collects everything that a stage's result depends on.
 * @param digestOf returns the digest of an input, or what stands for it before it is made
 * @param fingerprintOf returns the same of a stage before it
 */
export async function cacheKeyOf(
  stage: PlannedStage,
  plan: Plan,
  { resolveCompute, externals = new Map(), ...context }: RunContext,
  digestOf: (input: Edge) => string,
  fingerprintOf: (id: string) => string,
): Promise<CacheKey> {
  const { moduleHasher, denoLock, excludedFolders, store, reporter, signal } = context;
  const { use, params, seed } = writtenKey(stage, plan);
  const given = canonicalJson([stage.use, stage.params]);
  const external = async () => {
    using progress = reporter.startProgress(stage.id);
    try {
      const place = { artifacts: plan.artifacts, signal, progress };
      return withoutSecrets(await stage.definition.external(stage.params, place));
    } catch (error) {
      signal.throwIfAborted();
      // After a pull the data is not here: what was pulled counts.
      const last = await store.latest(fileNameOf(plan.identity), stage.id, plan.former);
      const known = last?.pulled ? last.record?.dependencies : undefined;
      if (!known || canonicalJson(known.params) !== canonicalJson(params)) throw error;
      reporter.log(`  ${stage.id}: its data counts as it was pulled: ${formatError(error)}`);
      return known.external;
    }
  };
  const inputs = Object.fromEntries(
    Object.entries(stage.wires).map(([name, wired]) => {
      if ("stage" in wired) return [name, digestOf(wired)];
      const digests = wired.map((one) => [outputName(one, wired), digestOf(one)]);
      return [name, Object.fromEntries(digests)];
    }),
  );
  const graphs = await Promise.all(
    modulesOf(stage).map((module) => moduleHasher.graph(module, excludedFolders)),
  );
  const packages = new Set(graphs.flatMap((graph) => graph.packages));
  return {
    use,
    params,
    inputs,
    ...seed !== undefined && { seed },
    ...stage.definition.compute(stage.params) &&
      { compute: (await resolveCompute(plan.compute)).backend },
    modules: Object.assign({}, ...graphs.map((graph) => graph.modules)),
    packages: denoLock.versions([...packages].map((name) => moduleHasher.imports.mapped(name))),
    external: await externals.getOrInsertComputed(given, external),
    ...stage.definition.lineage && {
      pipeline: plan.name,
      file: plan.identity,
      lineage: Object.fromEntries(
        [...ancestors(plan, stage.after)].sort().map((id) => [id, fingerprintOf(id)]),
      ),
    },
  };
}

/**
 * Decides whether a stage must run.
 * @param plan its changes are explained against the results that this pipeline used last
 * @param pending ids of earlier stages that a dry run would run
 * @returns a hit's record, or a miss's human-readable reason; `waits`: it is stages before it alone
 */
export async function checkCache(
  { id, use, after, definition }: PlannedStage,
  cacheKey: CacheKey,
  store: ArtifactStore,
  plan: Pick<Plan, "identity" | "former">,
  force: boolean,
  pending: ReadonlySet<string>,
): Promise<{ record: StageRecord } | { why: string; waits?: true }> {
  const hash = fingerprint(cacheKey);
  if (force) return { why: "forced by --force" };
  const waitsFor = after.filter((other) => pending.has(other));
  const { record, damage } = waitsFor.length > 0
    ? {}
    : await store.find(use, hash, Object.keys(definition.outputs));
  if (record) return { record };
  if (damage) return { why: damage };
  const last = await store.latest(fileNameOf(plan.identity), id, plan.former);
  const before = last?.record;
  const reasons = before ? explainChanges(id, before.dependencies, cacheKey) : [];
  if (reasons.length > 0) {
    const more = reasons.length > 4 ? ` and ${reasons.length - 4} more` : "";
    return { why: reasons.slice(0, 4).join(", ") + more };
  }
  if (waitsFor.length > 0) {
    return { why: `${joinWords(waitsFor)} will run before it`, waits: true };
  }
  const attempt = await store.attempt(use, hash);
  if (attempt === "at work") {
    const runs = await new History(store.folder).list();
    const [run, ...others] = runs.filter(({ state }) => state === "running");
    const maker = run && others.length === 0 ? `run ${run.id}` : "another run";
    return { why: `it is at work in ${maker}` };
  }
  if (attempt === "interrupted") return { why: "an earlier run of it was interrupted" };
  return { why: last ? "its last result is gone" : "it has not run yet" };
}
