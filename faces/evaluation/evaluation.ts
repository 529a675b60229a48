/** The stage `evaluate`: metrics, predictions, model card and report of all models. */
import type { Choice } from "../../packages/pipeline/define.ts";
import { chooseMetrics } from "./further_metrics.ts";
import { join } from "node:path";
import type { Backend } from "../../packages/compute/backends.ts";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import type { Artifact, StageContext, StageResult } from "../../packages/pipeline/stage.ts";
import { gatherData, type Sources } from "./data_facts.ts";
import { evaluateModel } from "./evaluate_model.ts";
import { line } from "./format_result.ts";
import { modelCard } from "./model_card.ts";
import { readReference } from "./reference_predictions.ts";
import type { ModelReport, Report } from "./report_data.ts";
import { reportPage } from "./report_page.ts";
import {
  bySplit,
  type MetricsFile,
  type ModelMetrics,
  type Predictions,
  type SplitName,
  splitNames,
} from "./score_model.ts";
import { writePredictions } from "./write_predictions.ts";

interface Inputs extends Sources {
  splits: Artifact;
  models: readonly Artifact[];
  references: readonly Artifact[];
}

/** Evaluates every model on all splits and writes the artifact `report`. */
export async function evaluate(
  inputs: Inputs,
  { examples, crops, metrics: written = [] }: {
    examples: number;
    crops: number;
    metrics?: readonly Choice[];
  },
  context: StageContext,
): Promise<StageResult> {
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
  const empty = splitNames.find((name) => rows[name].length === 0);
  if (empty !== undefined) {
    throw new Error(
      `Cannot evaluate: the ${empty} set of "${splits.stage}" is empty. Change its shares.`,
    );
  }
  const further = chooseMetrics(written, written.length > 0 ? context.definitions("metric") : []);
  const references = await Promise.all(inputs.references.map(({ path }) => readReference(path)));
  const total = splitNames.reduce((sum, name) => sum + rows[name].length, 0);
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
    const { classes } = report.metrics;
    const fitting = further.filter(({ of }) => of === (classes ? "classes" : "years"));
    for (const split of splitNames) {
      const at = Array.from(rows[split]);
      const gender = at.map((row) => people.gender[row]), age = at.map((row) => people.age[row]);
      const scored = { ...predictions[split], classes: classes?.length, gender, age };
      const values = fitting.map(({ name, compute }) => [name, compute(scored)]);
      Object.assign(report.metrics[split], Object.fromEntries(values));
    }
    if (fitting.length > 0) report.further = fitting;
    context.info(line(stage, report.metrics));
    reports.push(report);
    predicted.push({ stage, predictions });
  }

  const byModel = <T>(of: (metrics: ModelMetrics) => T) =>
    Object.fromEntries(reports.map(({ id, metrics }) => [id, of(metrics)]));
  const metrics: MetricsFile = { models: byModel((metrics) => metrics) };
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
      params: { examples, crops, ...(written.length > 0 && { metrics: written }) },
    },
  };
  await write("report.html", reportPage(whole));
  await write("MODEL_CARD.md", modelCard(whole));
  return {
    metrics: byModel((metrics) =>
      bySplit((name) => ({ ...metrics[name] } as Record<string, number>))
    ),
    show: ["report/report.html", "report/MODEL_CARD.md"],
  };
}
