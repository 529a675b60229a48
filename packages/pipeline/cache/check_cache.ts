/** Decides whether a stage must run, with a human-readable reason. */
import { joinWords } from "../errors.ts";
import { WAITS } from "../run/run_report.ts";
import { type CacheKeyInputs, explainChanges, fingerprint } from "../fingerprint.ts";
import type { Plan, PlannedStage } from "../plan.ts";
import { fileNameOf } from "../pipeline_identity.ts";
import type { StageRecord } from "../stage_record.ts";
import type { ArtifactStore } from "../artifact_store.ts";

/** A hit with its record, or a miss with its reason. */
export type CacheCheck = { record: StageRecord } | { why: string };

interface Circumstances {
  /** Changes are explained against the results that this pipeline used last. */
  readonly plan: Pick<Plan, "identity" | "former">;
  readonly force: boolean;
  /** Ids of earlier stages that a dry run would run. */
  readonly pending: ReadonlySet<string>;
}

export async function checkCache(
  { id, use, after, wires, stage }: PlannedStage,
  dependencies: CacheKeyInputs,
  store: ArtifactStore,
  { plan, force, pending }: Circumstances,
): Promise<CacheCheck> {
  const hash = fingerprint(dependencies);
  if (force) return { why: "forced by --force" };
  const waitsFor = after.filter((other) => pending.has(other));
  const { record, damage } = waitsFor.length > 0
    ? {}
    : await store.find(use, hash, Object.keys(stage.outputs));
  if (record) return { record };
  if (damage) return { why: damage };
  const last = await store.latest(fileNameOf(plan.identity), id, plan.former);
  const before = last?.record;
  const waiting = Object.entries(wires)
    .filter(([, wired]) => [wired].flat().some((source) => waitsFor.includes(source.stage)))
    .map(([name]) => name);
  const reasons = before ? explainChanges(id, before.dependencies, dependencies, waiting) : [];
  if (reasons.length > 0) {
    return { why: reasons.slice(0, 4).join(", ") + more(reasons.length - 4) };
  }
  if (waitsFor.length > 0) return { why: `${joinWords(waitsFor)}${WAITS}` };
  if (await store.interrupted(use, hash)) return { why: "an earlier run of it was interrupted" };
  return { why: last ? "its last result is gone" : "it has not run yet" };
}

function more(count: number): string {
  return count > 0 ? ` and ${count} more` : "";
}
