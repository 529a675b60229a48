/** Metrics in a line. */
import type { Metrics } from "../stage.ts";
import { formatNumber } from "../format.ts";

/** "train accuracy 0.681, again loss 11.4": metrics of the test set, or of the last one. */
export function formatMetrics(metrics: Metrics): string {
  return Object.entries(metrics).map(([stage, splits]) => {
    const split = splits.test ?? Object.values(splits).at(-1) ?? {};
    const names = Object.keys(split).filter((name) => name !== "loss");
    const told = names.length > 0 ? names : Object.keys(split);
    return `${stage} ${told.map((name) => `${name} ${formatNumber(split[name]!)}`).join(" ")}`;
  }).join(", ");
}
