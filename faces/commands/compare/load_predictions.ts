/** What the models of a run said of their test sets, read from what `evaluate` left. */
import { join } from "node:path";
import { readMetrics } from "../../evaluation/score_model.ts";
import { absoluteErrors, isCorrect } from "../../../packages/statistics/prediction_metrics.ts";
import { readParquet } from "../../../packages/formats/parquet.ts";
import { nameOf, type RunRecord } from "../../../packages/pipeline/history.ts";
import type { StageRecord } from "../../../packages/pipeline/stage_record.ts";
import { assertIntact, damagedError } from "../../../packages/pipeline/verify_results.ts";
import type { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";

/** A model of a run, and how it did on each picture of the test set. */
export interface TestedModel {
  /** Id of the stage that trained it, as `evaluate` names it. */
  readonly id: string;
  readonly task: string;
  readonly variant?: string;
  readonly metric: "accuracy" | "mae";
  readonly classes?: readonly string[];
  /** For each picture: 1 or 0 for right or wrong, or the absolute error in years. */
  readonly scores: Float64Array;
  /** Which picture each is: its data set and path. */
  readonly pictures: readonly string[];
  /** Who is in it, if that is known. */
  readonly people: readonly (string | null)[];
  /** Class number or age, as the model was to say. */
  readonly truth: Float64Array;
}

/** Reads the models of a run; `missing` tells why there are none. */
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
  const folderOf = (kind: string, digest?: string) => {
    for (const [id, record] of records) {
      for (const [output, made] of Object.entries(record.outputs)) {
        if (made.kind !== kind || (digest !== undefined && made.digest !== digest)) continue;
        return { record, made, path: store.artifact(record, output, id).path };
      }
    }
    return undefined;
  };
  const report = folderOf("report");
  const [error] = damaged;
  if (!report) {
    if (error) throw error;
    const evaluated = run.stages.some(({ use, fingerprint }) => use === "evaluate" && fingerprint);
    const missing = evaluated
      ? `the predictions of run ${run.id} are gone; run ${nameOf(run)} as it was to make them again`
      : `run ${run.id} has evaluated no model`;
    return { models: [], missing };
  }
  const { dataset } = report.record.dependencies.inputs;
  const data = folderOf("dataset", String(dataset));
  if (!data) {
    if (error) throw error;
    return { models: [], missing: `the dataset of run ${run.id} is gone` };
  }
  await assertIntact(report.path, report.made, ["metrics.json", "predictions.parquet"]);
  await assertIntact(data.path, data.made, ["table.parquet"]);
  return { models: await readModels(report.path, data.path) };
}

async function readModels(report: string, dataset: string): Promise<TestedModel[]> {
  const { models } = await readMetrics(report);
  const said = await readParquet(join(report, "predictions.parquet"), {
    ...{ stage: "string", row: "int32", split: "string" },
    ...{ truth: "float64", prediction: "float64" },
  });
  const table = await readParquet(join(dataset, "table.parquet"), {
    ...{ dataset: "string", path: "string", identity: "string?" },
  });
  return Object.entries(models).map(([id, { task, variant, metric, classes }]) => {
    const lines = said.stage.flatMap((stage, i) =>
      stage === id && said.split[i] === "test" ? [i] : []
    );
    const rows = lines.map((i) => said.row[i]);
    const truth = Float64Array.from(lines, (i) => said.truth[i]);
    const prediction = Float64Array.from(lines, (i) => said.prediction[i]);
    return {
      ...{ id, task, variant, metric, classes, truth },
      scores: (metric === "accuracy" ? isCorrect : absoluteErrors)(truth, prediction),
      pictures: rows.map((row) => `${table.dataset[row]}/${table.path[row]}`),
      people: rows.map((row) => table.identity[row]),
    };
  });
}
