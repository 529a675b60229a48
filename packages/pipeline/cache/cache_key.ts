/** Collects the cache key of a planned stage. */
import type { CacheKeyInputs } from "../fingerprint.ts";
import { ancestors, type Edge, outputName, type Plan, type PlannedStage } from "../plan.ts";
import { withoutSecrets } from "../secrets.ts";
import type { ResolvedBackend, RunContext } from "../run/run_context.ts";

/** Facts that are known only while stages run. */
export interface RuntimeFacts {
  /** Returns the digest of an input. */
  digest(wire: Edge): string;
  /** Returns the fingerprint of an earlier stage. */
  fingerprintOf(id: string): string;
  /** Called only for a stage that computes. */
  backend(): Promise<ResolvedBackend>;
}

/** Returns the URLs of a stage's module and of the plugins that its parameters name. */
export function modulesOf({ module, extensions }: PlannedStage): string[] {
  return [module, ...extensions.map((extension) => extension.module)];
}

export async function cacheKeyInputsOf(
  stage: PlannedStage,
  plan: Plan,
  { moduleHasher, denoLock, excludedFolders }: Pick<
    RunContext,
    "moduleHasher" | "denoLock" | "excludedFolders"
  >,
  { digest, fingerprintOf, backend }: RuntimeFacts,
): Promise<CacheKeyInputs> {
  const params = Object.fromEntries(
    Object.entries(stage.params).filter(([name, value]) =>
      value !== undefined && !stage.stage.ignoreInCacheKey.includes(name)
    ),
  );
  const inputs = Object.fromEntries(
    Object.entries(stage.wires).map(([name, wired]) => [
      name,
      Array.isArray(wired)
        ? Object.fromEntries(
          (wired as Edge[]).map((source, _, all) => [outputName(source, all), digest(source)]),
        )
        : digest(wired as Edge),
    ]),
  );
  const graphs = await Promise.all(
    modulesOf(stage).map((module) => moduleHasher.graph(module, excludedFolders)),
  );
  const packages = new Set(graphs.flatMap((graph) => graph.packages));
  return {
    use: stage.use,
    params: withoutSecrets(params),
    inputs,
    ...(stage.stage.seeded(stage.params) ? { seed: stage.seed ?? plan.seed } : {}),
    ...(stage.stage.compute(stage.params) ? { compute: (await backend()).backend } : {}),
    modules: Object.assign({}, ...graphs.map((graph) => graph.modules)),
    packages: denoLock.versions([...packages].map((name) => moduleHasher.imports.mapped(name))),
    external: withoutSecrets(await stage.stage.external(stage.params, plan)),
    ...(stage.stage.lineage
      ? {
        pipeline: plan.name,
        file: plan.identity,
        lineage: Object.fromEntries(
          [...ancestors(plan, stage.id)].filter((id) => id !== stage.id).sort()
            .map((id) => [id, fingerprintOf(id)]),
        ),
      }
      : {}),
  };
}
