/** Which stages of several plans will make the same results, before any has run. */
import { dependenciesOf } from "../dependencies.ts";
import { fingerprint } from "../fingerprint.ts";
import type { Plan } from "../graph.ts";
import { select, type Selection } from "../selection.ts";
import type { Backend, Workshop } from "../workshop.ts";

/**
 * A name for the result of each stage: equal ones will be equal results. What a stage takes is named
 * by who makes it, since its content is not known yet.
 */
export async function identitiesOf(
  plan: Plan,
  shop: Pick<Workshop, "modules" | "locked" | "uncounted" | "resolveCompute">,
): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  let backend: Promise<Backend> | undefined;
  for (const stage of plan.stages) {
    const dependencies = await dependenciesOf(stage, plan, shop, {
      digest: ({ stage, output }) => `${output} of ${names.get(stage)}`,
      print: (id) => names.get(id)!,
      backend: () => backend ??= shop.resolveCompute(plan.compute),
    });
    names.set(stage.id, fingerprint(dependencies));
  }
  return names;
}

/** Ids of the selected stages that are the same in all plans, with all that they need. */
export function shared(
  plans: readonly Plan[],
  identities: readonly ReadonlyMap<string, string>[],
  selection: Selection,
): string[] {
  const [first] = plans as [Plan];
  return [...select(first, selection)].filter((id) =>
    identities.every((names) => names.get(id) === identities[0]!.get(id))
  );
}
