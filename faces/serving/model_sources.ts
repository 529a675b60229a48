/** What the artifacts say about the models that are served. */
import { join } from "node:path";
import { type MetricsFile, type ModelMetrics, readMetrics } from "../evaluation/score_model.ts";
import { parsePreprocessing, type Preprocessing } from "../images/preprocessing.ts";
import { readHistory, readRecord, type TrainingRecord } from "../training/training_record.ts";
import type { ServedModel } from "./api.ts";
import type { OutputSpec } from "./prediction.ts";

/** A model artifact, and all that serving needs to know of it. */
export interface Source extends OutputSpec {
  /** The artifact's folder. */
  readonly path: string;
  readonly preprocessing: Preprocessing;
  readonly record: TrainingRecord;
  readonly description: ServedModel;
}

/** What reports say: of each model, and as a page. */
export interface ReportedMetrics {
  readonly models: MetricsFile["models"];
  /** The first report's page. */
  readonly page?: string;
}

/** Reads `report` artifacts, of which there may be none. */
export async function readReports(folders: readonly string[]): Promise<ReportedMetrics> {
  const models: MetricsFile["models"] = {};
  for (const folder of folders) {
    Object.assign(models, (await readMetrics(folder)).models);
  }
  const [first] = folders;
  if (first === undefined) return { models };
  return { models, page: await Deno.readTextFile(join(first, "report.html")) };
}

/** Reads `model` artifacts; `judged` is what reports say of them, by id of their stage. */
export async function readSources(
  models: readonly { readonly stage: string; readonly path: string }[],
  judged: MetricsFile["models"],
): Promise<Source[]> {
  return await Promise.all(models.map(async ({ stage: id, path }) => {
    const record = await readRecord(path);
    const history = await readHistory(path);
    const source = join(path, "training.json");
    const preprocessing = parsePreprocessing(record.preprocessing, source);
    const { task, variant, metric, classes, counts } = record;
    const validation = history[record.weightsOfEpoch - 1]?.val_metric;
    if (validation === undefined) {
      throw new Error(
        `Cannot serve "${id}": its history.csv has no epoch ${record.weightsOfEpoch}, whose weights ` +
          `these are. Train it again: --force ${id}.`,
      );
    }
    // An artifact is never written to again, so its file is as old as the training.
    const { mtime } = await Deno.stat(join(path, "model.json"));
    const description: ServedModel = {
      id,
      task,
      variant,
      classes: classes?.map(({ label }) => label) ?? null,
      trained: {
        at: (mtime ?? new Date(0)).toISOString(),
        images: counts.train,
        datasets: record.datasets,
        epochs: record.epochs,
        seed: record.seed,
        backend: record.backend,
        weights: record.weights,
      },
      metric,
      validation: { images: counts.validation, value: validation },
      test: judged[id] ? testOf(judged[id]) : null,
      input: record.input.size,
      steps: preprocessing.steps,
    };
    return { id, task, classes, error: validation, path, preprocessing, record, description };
  }));
}

function testOf({ metric, test, interval, baseline, counts }: ModelMetrics): ServedModel["test"] {
  return {
    images: counts.test,
    value: test[metric]!,
    low: interval.low,
    high: interval.high,
    guess: baseline.test[metric]!,
  };
}
