/** Which stages of several plans will make the same results, before any has run. */
import { cacheKeyInputsOf } from "../cache/cache_key.ts";
import { fingerprint } from "../fingerprint.ts";
import type { Plan } from "../plan.ts";
import { select, type Selection } from "../run/selection.ts";
import type { ResolvedBackend, RunContext } from "../run/run_context.ts";

/**
 * A name for the result of each stage: equal ones will be equal results. What a stage takes is named
 * by who makes it, since its content is not known yet.
 */
export async function predictFingerprints(
  plan: Plan,
  context: Pick<RunContext, "moduleHasher" | "denoLock" | "excludedFolders" | "resolveCompute">,
): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  let backend: Promise<ResolvedBackend> | undefined;
  for (const stage of plan.stages) {
    const dependencies = await cacheKeyInputsOf(stage, plan, context, {
      digest: ({ stage, output }) => `${output} of ${names.get(stage)}`,
      fingerprintOf: (id) => names.get(id)!,
      backend: () => backend ??= context.resolveCompute(plan.compute),
    });
    names.set(stage.id, fingerprint(dependencies));
  }
  return names;
}

/** Ids of the selected stages that are the same in all plans, with all that they need. */
export function sharedStages(
  plans: readonly Plan[],
  identities: readonly ReadonlyMap<string, string>[],
  selection: Selection,
): string[] {
  const [first] = plans as [Plan];
  return [...select(first, selection)].filter((id) =>
    identities.every((names) => names.get(id) === identities[0]!.get(id))
  );
}
