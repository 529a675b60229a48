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
  let ids = plan.stages.filter((stage) => !stage.stage.service).map((stage) => stage.id);
  if (until) ids = ids.filter((id) => until.some((last) => ancestors(plan, last).has(id)));
  if (from) ids = ids.filter((id) => from.some((first) => descendants(plan, first).has(id)));
  if (only) ids = ids.filter((id) => only.includes(id));
  return new Set(ids);
}
