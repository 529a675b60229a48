/** A metric against each parameter that varies, over all runs of a pipeline. */
import { dom } from "../../serving/page_dom.ts";
import { color, type Dot, dots } from "./ui_charts.ts";
import { number, select, table, text } from "./ui_dom.ts";
import type { UiRun } from "../ui_api.ts";
import {
  bestOf,
  betterOf,
  metricsOf,
  repeatsOf,
  rowsOf,
  statsOf,
  store,
  turn,
  variedOf,
  type View,
} from "./ui_store.ts";

/** Returns runs with only the settings of a model's stage and of the stages before it. */
function influencing(runs: readonly UiRun[], model: string): UiRun[] {
  const stages = new Set([model.split(".")[0]!, "compute"]);
  for (const run of runs) {
    const ids = run.stages.map(({ id }) => id);
    for (const { id, after } of run.stages.toReversed()) {
      if (!stages.has(id)) continue;
      // Records of earlier versions name no inputs; stages are in the order of execution.
      for (const one of after ?? ids.slice(0, ids.indexOf(id))) stages.add(one);
    }
  }
  return runs.map((run) => {
    const kept = Object.entries(run.settings).filter(([name]) =>
      stages.has(name.split(/[.:]/)[0]!)
    );
    return { ...run, settings: Object.fromEntries(kept), group: JSON.stringify(kept) };
  });
}

export const sweepsView: View = {
  name: "sweeps",
  title: "Sweeps",
  show(params) {
    const ended = store.runs.filter(({ state }) => state === "ok");
    const pipelines = [...Map.groupBy(ended, ({ name }) => name)];
    const sweeps = pipelines.flatMap(([pipeline, runs]) => {
      const metrics = metricsOf(runs, new Set(params.get("test") ? ["test"] : []));
      const chosen = metrics.filter((one) => one.join(" ") === params.get("metric"));
      // Some metrics are those of few runs.
      for (const path of [...chosen, ...metrics.toReversed()]) {
        const rows = rowsOf(influencing(runs, path[0]!)).flatMap((row) => {
          const stats = statsOf(row, path);
          return stats ? [{ ...row, stats }] : [];
        });
        const varied = variedOf(rows);
        if (varied.length > 0) return [{ pipeline, metrics, path, rows, varied }];
      }
      return [];
    });
    const sweep = sweeps.find(({ pipeline }) => pipeline === params.get("pipeline")) ?? sweeps[0];
    if (!sweep) {
      return dom`<p>No pipeline has runs that differ in a parameter of a network or of the
        stages before it. Vary one: <code>deno task run pipeline --sweep
        trainGender.dropout=0.1,0.3 --sweep seed=1,2,3</code></p>`;
    }
    const { pipeline, metrics, path, rows, varied } = sweep;
    const [model, split, metric] = path as [string, string, string];
    const most = bestOf(rows, path);
    const best = rows.find(({ stats }) => stats.mean === most);
    const charts = varied.map((name) => {
      const points = rows.map((row): Dot => {
        const { stats: { mean, deviation, runs: n }, first: { settings } } = row;
        const spread = deviation !== undefined && { low: mean - deviation, high: mean + deviation };
        const values = varied.map((key) => `${key} ${text(settings[key])}`).join("\n");
        const title = `${number(mean, false)}, n ${n}\n${values}`;
        const shade = color(row === best ? 1 : 0);
        return { x: settings[name], y: mean, ...spread, best: row === best, title, color: shade };
      });
      return dots(`${model} ${metric} by ${name}`, name, `${metric} (${split})`, points);
    });
    const paths = metrics.map((one) => one.join(" "));
    const sign = betterOf(rows, metric) === "more" ? -1 : 1;
    const order = rows.toSorted((a, b) => sign * (a.stats.mean - b.stats.mean));
    const choices = sweeps.map((one) => one.pipeline);
    const results = order.map((row) => {
      const { first, stats: { mean, deviation, runs: n } } = row;
      const spread = deviation === undefined ? "" : ` ± ${number(deviation, false, mean)}`;
      return [
        ...varied.map((name) => text(first.settings[name])),
        `${row === best ? "★ " : ""}${number(mean, false)}${spread}`,
        n > 1 ? `${n} ${repeatsOf(row)}` : n,
        dom`<a href="#inside?id=${first.id}">${first.id}</a>`,
      ];
    });
    return dom`<p class="tools">
      ${select("Pipeline", choices, pipeline, (name) => turn({ pipeline: name }))}
      ${select("Metric", paths, path.join(" "), (metric) => turn({ metric }))}</p>
      <p class="muted">A point is the mean over seeds or folds, its line one standard deviation${
      best && "; the star is the best on validation"
    }.</p><div class="grid">${charts}</div>
      ${table("Results", [...varied, `${metric} (${split})`, "n", "run"], results)}`;
  },
};
