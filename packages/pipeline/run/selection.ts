/** Selection of the stages to run. */
import { ancestors, descendants, type Plan } from "../plan.ts";

export interface Selection {
  /** These stages and all that they need. */
  until?: readonly string[];
  /** This and all that needs it. */
  from?: string;
  only?: string;
  /** Run even if cached. */
  force?: readonly string[];
}

/** Returns the ids of the stages to run, without services. */
export function select(plan: Plan, { until, from, only }: Selection): Set<string> {
  let ids = plan.stages.filter((stage) => !stage.stage.service).map((stage) => stage.id);
  if (until) ids = ids.filter((id) => until.some((last) => ancestors(plan, last).has(id)));
  if (from) ids = ids.filter((id) => descendants(plan, from).has(id));
  if (only) ids = ids.filter((id) => id === only);
  return new Set(ids);
}
