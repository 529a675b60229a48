import { join } from "node:path";
import { z } from "zod";
import type { Backend } from "../packages/compute/backends.ts";
import type {
  MetricsFile,
  ModelMetrics,
  Predictions,
  SplitName,
} from "../faces/evaluation/score_model.ts";
import type { ModelReport, Report } from "../faces/evaluation/report_data.ts";
import { all, defineStage, type Metrics } from "../packages/pipeline/stage.ts";
import { archives, dataset, faces, model, reference, report, splits, table } from "./kinds.ts";

export default defineStage({
  name: "evaluate",
  summary: "Evaluate every model on all splits and write the report",
  inputs: {
    dataset,
    splits,
    models: all(model),
    // Optional sources of additional report sections.
    references: all(reference, { orNone: true }),
    faces: all(faces, { orNone: true }),
    tables: all(table, { orNone: true }),
    archives: all(archives, { orNone: true }),
  },
  outputs: { report },
  params: z.strictObject({
    examples: z.int().min(0).max(200).default(12).describe(
      "Test faces to show per model and kind: random, best and worst predictions. Also the " +
        "number of photos without a face",
    ),
    crops: z.int().min(0).max(500).default(48).describe(
      "Random crops to show",
    ),
  }),
  compute: true,
  lineage: true,
  async run(inputs, { examples, crops }, context) {
    const { openBackend } = await import("../packages/compute/open_backend.ts");
    const { evaluateModel } = await import("../faces/evaluation/evaluate_model.ts");
    const { modelCard } = await import("../faces/evaluation/model_card.ts");
    const { reportPage } = await import("../faces/evaluation/report_page.ts");
    const { writePredictions } = await import("../faces/evaluation/write_predictions.ts");
    const { readReference } = await import("../faces/evaluation/reference_predictions.ts");
    const { line } = await import("../faces/evaluation/format_result.ts");
    const { NpyFile, readNpy } = await import("../packages/formats/npy.ts");
    const { readParquet } = await import("../packages/formats/parquet.ts");
    const { gatherData } = await import("../faces/evaluation/data_facts.ts");
    const { dataset, splits, models } = inputs;
    const output = context.outputs.report;

    const people = await readParquet(join(dataset.path, "table.parquet"), {
      age: "int32",
      gender: "int32",
      identity: "string?",
      dataset: "string",
      path: "string",
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
    const references = await Promise.all(inputs.references.map(({ path }) => readReference(path)));
    const total = counts.train + counts.validation + counts.test;
    context.progress.start(total * models.length, "predictions");

    await openBackend(context.compute as Backend);
    const reports: ModelReport[] = [];
    const predicted: { stage: string; predictions: Record<SplitName, Predictions> }[] = [];
    for (const { stage, path } of models) {
      // With several outputs, the name includes the output: trainJoint.age.
      const origin = context.lineage.stages.find(({ id }) => id === stage.split(".")[0]);
      const { report, predictions } = await evaluateModel(
        path,
        { images, people, rows, references },
        {
          id: stage,
          examples,
          secondsPerEpoch: origin?.observed.secondsPerEpoch as number[] | undefined,
          computedBy: origin?.observed.computedBy as string | undefined,
          signal: context.signal,
          onBatch: (n) => context.progress.advance(n, stage),
        },
      );
      context.info(line(stage, report.metrics));
      reports.push(report);
      predicted.push({ stage, predictions });
    }

    const metrics: MetricsFile = {
      models: Object.fromEntries(reports.map(({ id, metrics }) => [id, metrics])),
    };
    const write = (name: string, text: string) => Deno.writeTextFile(join(output, name), text);
    await write("metrics.json", JSON.stringify(metrics, null, 2) + "\n");
    await writePredictions(join(output, "predictions.parquet"), predicted);
    const whole: Report = {
      pipeline: context.lineage.pipeline,
      data: await gatherData(inputs, people, rows, images, { crops, noFace: examples }),
      models: reports,
      made: {
        lineage: context.lineage,
        id: context.id,
        use: "evaluate",
        params: { examples, crops },
      },
    };
    await write("report.html", reportPage(whole));
    await write("MODEL_CARD.md", modelCard(whole));
    return {
      metrics: Object.fromEntries(reports.map(({ id, metrics }) => [id, scores(metrics)])),
      show: ["report/report.html", "report/MODEL_CARD.md"],
    };
  },
});

function bySplit<T>(make: (name: SplitName) => T): Record<SplitName, T> {
  return { train: make("train"), validation: make("validation"), test: make("test") };
}

/** Returns the loss and the metric of each split. */
function scores(metrics: ModelMetrics): Metrics[string] {
  return bySplit((name) => ({ ...metrics[name] } as Record<string, number>));
}
