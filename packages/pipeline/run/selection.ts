/** Selection of the stages to run. */
import { ancestors, descendants, type Plan } from "../plan.ts";

export interface Selection {
  /** These stages and all that they need. */
  until?: readonly string[];
  /** These and all that need one of them. */
  from?: readonly string[];
  only?: readonly string[];
  /** Run even if cached. */
  force?: readonly string[];
}

/** Returns the ids of the stages to run, without services. */
export function select(plan: Plan, { until, from, only }: Selection): Set<string> {
  let ids = plan.stages.filter(({ stage }) => !stage.service).map(({ id }) => id);
  const keep = (wanted: ReadonlySet<string>) => ids = ids.filter((id) => wanted.has(id));
  if (until) keep(ancestors(plan, until));
  if (from) keep(descendants(plan, from));
  if (only) keep(new Set(only));
  return new Set(ids);
}
