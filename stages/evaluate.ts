import { join } from "node:path";
import { z } from "zod";
import type { Backend } from "../compute/resolve.ts";
import type { MetricsFile, ModelMetrics, Predictions, SplitName } from "../evaluation/judge.ts";
import type { DatasetReport, ModelReport } from "../evaluation/report.ts";
import { all, defineStage, type Metrics } from "../runner/stage.ts";
import { dataset, model, report, splits } from "./artifacts.ts";

export default defineStage({
  name: "evaluate",
  summary: "Score every model on all splits, and make the report",
  inputs: { dataset, splits, models: all(model) },
  outputs: { report },
  params: z.strictObject({
    examples: z.int().min(0).max(200).default(12).describe(
      "Faces to show of each kind, predicted well and badly, for each model",
    ),
  }),
  compute: true,
  async run({ dataset, splits, models }, { examples }, context) {
    const { openBackend } = await import("../compute/mod.ts");
    const { evaluateModel } = await import("../evaluation/evaluateModel.ts");
    const { page } = await import("../evaluation/page.ts");
    const { writePredictions } = await import("../evaluation/predictionsFile.ts");
    const { line } = await import("../evaluation/words.ts");
    const { readPreprocessing } = await import("../faces/preprocessing.ts");
    const { NpyFile, readNpy } = await import("../formats/npy.ts");
    const { readParquet } = await import("../formats/parquet.ts");
    const output = context.outputs.report;

    const people = await readParquet(join(dataset.path, "table.parquet"), {
      age: "int32",
      gender: "int32",
      identity: "string?",
      dataset: "string",
    });
    using images = new NpyFile(join(dataset.path, "images.npy"), "uint8");
    const rows = bySplit((name) => readNpy(join(splits.path, `${name}.npy`), "int32").data);
    const counts = bySplit((name) => rows[name].length);
    const empty = Object.entries(counts).find(([, count]) => count === 0)?.[0];
    if (empty !== undefined) {
      throw new Error(
        `Cannot evaluate: the ${empty} set of "${splits.stage}" is empty. Change its shares.`,
      );
    }
    const total = counts.train + counts.validation + counts.test;
    context.progress.start(total * models.length, "predictions");

    await openBackend(context.compute as Backend);
    const reports: ModelReport[] = [];
    const predicted: { stage: string; predictions: Record<SplitName, Predictions> }[] = [];
    for (const { stage, path } of models) {
      const { report, predictions } = await evaluateModel(path, { images, people, rows }, {
        id: stage,
        examples,
        signal: context.signal,
        onBatch: (n) => context.progress.advance(n, stage),
      });
      context.info(line(stage, report.metrics));
      reports.push(report);
      predicted.push({ stage, predictions });
    }

    const metrics: MetricsFile = {
      models: Object.fromEntries(reports.map(({ id, metrics }) => [id, metrics])),
    };
    await Deno.writeTextFile(
      join(output, "metrics.json"),
      JSON.stringify(metrics, null, 2) + "\n",
    );
    await writePredictions(join(output, "predictions.parquet"), predicted);
    await Deno.writeTextFile(
      join(output, "report.html"),
      page({
        datasets: byDataset(people),
        splits: counts,
        preprocessing: await readPreprocessing(dataset.path),
        models: reports,
      }),
    );
    return {
      metrics: Object.fromEntries(reports.map(({ id, metrics }) => [id, scores(metrics)])),
      show: ["report/report.html"],
    };
  },
});

function bySplit<T>(make: (name: SplitName) => T): Record<SplitName, T> {
  return { train: make("train"), validation: make("validation"), test: make("test") };
}

/** Loss and metric of each split, as the runner tells them. */
function scores(metrics: ModelMetrics): Metrics[string] {
  return bySplit((name) => ({ ...metrics[name] } as Record<string, number>));
}

/** Ages and genders of each data set, in order of names. */
function byDataset(
  people: { age: number[]; gender: number[]; dataset: string[] },
): DatasetReport[] {
  const byName = new Map<string, { name: string; ages: number[]; genders: number[] }>();
  people.dataset.forEach((name, row) => {
    const group = byName.get(name) ?? { name, ages: [], genders: [] };
    group.ages.push(people.age[row]);
    group.genders.push(people.gender[row]);
    byName.set(name, group);
  });
  return [...byName.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}
