/** Reads the models to serve, and their reported metrics, from artifacts. */
import type { Interval } from "../../packages/statistics/confidence_intervals.ts";
import { join } from "node:path";
import {
  describePretraining,
  type ModelCardData,
  type Pretrained,
} from "../evaluation/model_card.ts";
import { type MetricsFile, type ModelMetrics, readAllMetrics } from "../evaluation/score_model.ts";
import { joinWords } from "../../packages/pipeline/errors.ts";
import type { Lineage } from "../../packages/pipeline/stage.ts";
import {
  dropForeignModule,
  framingDifferences,
  type Preprocessing,
} from "../images/preprocessing.ts";
import { readHistory, readRecord, TRAIN_AGAIN } from "../training/training_record.ts";
import type { ServedModel } from "./api.ts";
import type { OutputSpec } from "./prediction.ts";

/** A model artifact, with everything that serving needs. */
export interface Source extends OutputSpec, Pick<Pretrained, "training"> {
  readonly path: string;
  readonly preprocessing: Preprocessing;
  readonly constantBaseline?: number;
  readonly description: ServedModel;
}

/** Metrics of `report` artifacts. */
export interface ReportedMetrics extends Pick<ModelCardData, "earlier" | "terms" | "framedBy"> {
  /** By id of the training stage. */
  readonly models: MetricsFile["models"];
  /** HTML of the first report. */
  readonly page?: string;
}

/** Reads `report` artifacts; there may be none. Metrics of a model are of its first report, as the page. */
export async function readReports(folders: readonly string[]): Promise<ReportedMetrics> {
  const models = await readAllMetrics(folders.toReversed());
  if (folders.length === 0) return { models };
  return { models, page: await Deno.readTextFile(join(folders[0], "report.html")) };
}

/**
 * Reads `model` artifacts and adds their reported metrics.
 * @param lineage of the models. Default: none, which names no pretraining
 */
export async function readSources(
  models: readonly { readonly stage: string; readonly path: string }[],
  reported: MetricsFile["models"],
  lineage: Pick<Lineage, "stages"> = { stages: [] },
): Promise<Source[]> {
  return await Promise.all(models.map(async ({ stage: id, path }) => {
    const record = await readRecord(path);
    const history = await readHistory(path);
    const { task, variant, metric, classes, preprocessing } = record;
    dropForeignModule(path, preprocessing);
    const { counts, datasets, epochs, seed, backend, weights } = record;
    const stage = lineage.stages.find((stage) => stage.id === id.split(".")[0]);
    const training: Pretrained["training"] = { ...stage?.observed, datasets };
    const learned = { id, params: record.params, training };
    const pretraining = stage && describePretraining(learned, lineage);
    const validation = history[record.weightsOfEpoch - 1]?.val_metric;
    if (validation === undefined) {
      throw new Error(
        `Cannot serve "${id}": its history.csv has no epoch ${record.weightsOfEpoch}, which its ` +
          `weights are from. ${TRAIN_AGAIN}.`,
      );
    }
    // Files keep the time of their training where they are imported, not where they are pulled.
    const recorded = stage?.use === "importModel" ? undefined : stage?.startedAt;
    const { mtime } = await Deno.stat(join(path, "model.json"));
    const at = recorded ?? (mtime ?? new Date(0)).toISOString();
    const description: ServedModel = {
      id,
      task,
      variant,
      metric,
      classes: classes?.map(({ label }) => label) ?? null,
      trained: { at, images: counts.train, datasets, epochs, seed, backend, weights, pretraining },
      validation: { images: counts.validation, value: validation },
      test: testOf(Object.hasOwn(reported, id) ? reported[id] : undefined),
      input: record.input.size,
      steps: preprocessing.steps,
    };
    return { ...record, id, error: validation, path, training, description };
  }));
}

function testOf(metrics?: ModelMetrics): ServedModel["test"] {
  if (!metrics) return null;
  const { metric, test, interval, baseline, counts, further = [] } = metrics;
  const ends = (range?: Interval) => ({ low: range?.low ?? null, high: range?.high ?? null });
  return {
    images: counts.test,
    value: test[metric]!,
    ...ends(interval),
    guess: baseline.test[metric]!,
    metrics: further.map(({ name, title, unit, intervals }) => ({
      name,
      title,
      unit,
      value: (test as Record<string, number | null>)[name],
      ...ends(intervals.test),
    })),
  };
}

/** Returns what models have in place of the first one's: '"gender" has margin 0, here 0.2'. */
export function otherFramings(
  [first, ...others]: readonly Pick<Source, "id" | "preprocessing">[],
): string[] {
  return others.flatMap(({ id, preprocessing }) => {
    const differences = framingDifferences(preprocessing, first.preprocessing);
    return differences.length === 0 ? [] : `"${id}" has ${joinWords(differences)}`;
  });
}
