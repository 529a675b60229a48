/** Predictions of a run's models on the test set, from the results of `evaluate`. */
import { join } from "node:path";
import { readParquet } from "../../../packages/formats/parquet.ts";
import type { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { nameOf } from "../../../packages/pipeline/find_runs.ts";
import { sha256 } from "../../../packages/pipeline/fingerprint.ts";
import type { RunRecord } from "../../../packages/pipeline/history.ts";
import type { StageRecord } from "../../../packages/pipeline/stage_record.ts";
import { type Choice, namesOf, useOf } from "../../../packages/pipeline/define.ts";
import { assertIntact, damagedError } from "../../../packages/pipeline/verify_results.ts";
import { metricNames, METRICS } from "../../evaluation/metrics.ts";
import { readMetrics } from "../../evaluation/score_model.ts";
import {
  areOrdered,
  chooseMetrics,
  furtherMetrics,
  type ScoredPredictions,
} from "../../training/further_metrics.ts";
import { readPeople } from "../../training/targets.ts";

/** A model of a run and its results, with one value per test image. */
export type TestedModel = Awaited<ReturnType<typeof readModels>>[number];

type Made = Pick<StageRecord, "dependencies"> & { readonly path: string };

/** Loads the models of a run; `missing` is the reason if there are none. */
export async function loadPredictions(
  run: RunRecord,
  store: ArtifactStore,
): Promise<{ models: TestedModel[]; missing?: string }> {
  const records = new Map<string, StageRecord>();
  const damaged: Error[] = [];
  for (const { id, use, fingerprint } of run.stages) {
    if (fingerprint === undefined) continue;
    const { record, damage } = await store.find(use, fingerprint);
    if (damage !== undefined) damaged.push(damagedError(store.pathOf(use, fingerprint), damage));
    if (record) records.set(id, record);
  }
  const made = [...records].flatMap(([id, record]) =>
    Object.entries(record.outputs).map(([output, made]) => {
      const { path } = store.artifact(record, output, id);
      return { ...made, path, dependencies: record.dependencies };
    })
  );
  const reports = made.filter(({ kind }) => kind === "report"), [error] = damaged;
  const evaluated = run.stages.filter(({ use, fingerprint }) => use === "evaluate" && fingerprint);
  if (reports.length < Math.max(1, evaluated.length)) {
    if (error) throw error;
    const missing = evaluated.length > 0
      ? `the predictions of run ${run.id} were removed; run ${nameOf(run)} with the same ` +
        "settings again"
      : `run ${run.id} evaluated no model`;
    return { models: [], missing };
  }
  // A model of several reports is that of the last one, as in the metrics of the run.
  const models = new Map<string, TestedModel>();
  for (const report of reports) {
    const { dataset } = report.dependencies.inputs;
    const data = made.find(({ kind, digest }) => kind === "dataset" && digest === dataset);
    if (!data) {
      if (error) throw error;
      return { models: [], missing: `the dataset of run ${run.id} was removed` };
    }
    await assertIntact(report.path, report, ["metrics.json", "predictions.parquet"]);
    await assertIntact(data.path, data, ["table.parquet"]);
    for (const model of await readModels(report, data.path)) models.set(model.id, model);
  }
  return { models: [...models.values()] };
}

/** Returns built-in metrics: as written, and all others with their defaults. Plugins are not loaded. */
function builtIn(written: readonly Choice[]) {
  return furtherMetrics.flatMap((definition) => {
    const own = written.filter((choice) => namesOf(definition).includes(useOf(choice)));
    const { name: use } = definition, named = own.length > 0;
    return chooseMetrics(named ? own : [use], []).map((metric) => ({ ...metric, use, named }));
  });
}

async function readModels({ path: report, dependencies }: Made, dataset: string) {
  const { models } = await readMetrics(report), names = metricNames([dependencies]);
  const metrics = builtIn((dependencies.params.metrics ?? []) as Choice[]);
  // Predictions of earlier versions have no probabilities.
  const all = await readParquet(join(report, "predictions.parquet")) as
    & Record<"row" | "truth" | "prediction", number[]>
    & { stage: string[]; split: string[]; probabilities?: (number[] | null)[] };
  const table = await readParquet(join(dataset, "table.parquet"), {
    dataset: "string",
    path: "string",
    identity: "string?",
  });
  const persons = await readPeople(join(dataset, "table.parquet"));
  return Object.entries(models).map(([id, { task, variant, metric, classes, further = [] }]) => {
    const lines = all.stage.flatMap((stage, i) =>
      stage === id && all.split[i] === "test" ? [i] : []
    );
    const rows = lines.map((i) => all.row[i]!);
    const truth = Float64Array.from(lines, (i) => all.truth[i]!);
    const prediction = Float64Array.from(lines, (i) => all.prediction[i]!);
    const probabilities = classes && all.probabilities && lines.map((i) => all.probabilities![i]!);
    const images = rows.map((row) => `${table.dataset[row]}/${table.path[row]}`);
    const scored: ScoredPredictions = {
      truth,
      prediction,
      classes: classes?.length,
      ...(probabilities && { probabilities }),
      gender: rows.map((row) => persons[row]!.gender),
      age: rows.map((row) => persons[row]!.age),
    };
    return {
      // The stage that trained it, as in metrics.json.
      id,
      task,
      variant,
      metric,
      classes,
      scored,
      // Metrics to compare models by, beside the primary one.
      computable: metrics.filter(({ use, of, named }) =>
        of === (classes ? "classes" : "years") && (use !== "auc" || probabilities) &&
        // Of two classes all are neighbors.
        (use !== "oneOff" || classes!.length > 2 && (named || areOrdered(classes!)))
      ),
      // Printed name of a metric → its 95 % interval, as evaluate computed it.
      further: new Map(
        further.map(({ name, intervals }) => [names[name] ?? name, intervals.test]),
      ),
      // 1 or 0 for a correct or wrong class, or the absolute error in years.
      scores: METRICS[metric].each(truth, prediction),
      images,
      // Equal for equal models, as of runs that share one.
      key: sha256(JSON.stringify([images, [...truth], probabilities ?? [...prediction]])),
      people: rows.map((row) => table.identity[row]),
      // Names of the data sets of the test set.
      datasets: [...new Set(rows.map((row) => table.dataset[row]))].sort(),
    };
  });
}
