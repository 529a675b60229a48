/** The stage `evaluate`: metrics, predictions, model card and report of all models. */
import { join } from "node:path";
import type { Backend } from "../../packages/compute/backends.ts";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import type { Artifact, StageContext, StageResult } from "../../packages/pipeline/stage.ts";
import { jsonText } from "../../packages/pipeline/state.ts";
import { readPreprocessing } from "../images/preprocessing.ts";
import { chooseMetrics } from "../training/further_metrics.ts";
import { noColumn, readPeople } from "../training/targets.ts";
import { gatherData, type Sources } from "./data_facts.ts";
import { adjustAll, MINIMUM } from "./fairness.ts";
import { line, peopleText } from "./format_result.ts";
import { compareFraming } from "./compare_framing.ts";
import { modelCard } from "./model_card.ts";
import type { ModelReport, Report } from "./report_data.ts";
import { reportPage } from "./report_page.ts";
import { chooseSections } from "./report_sections.ts";
import { type EvaluatedModel, evaluateModel, type EvaluateParams } from "./evaluate_model.ts";
import { bySplit, splitNames, usedSplits } from "./score_model.ts";
import { readReference, writePredictions } from "./prediction_files.ts";

/** Evaluates every model on all splits and writes the artifact `report`. */
export async function evaluate(
  inputs: Sources & {
    splits: Artifact;
    models: readonly Artifact[];
    references: readonly Artifact[];
  },
  params: EvaluateParams,
  context: StageContext,
): Promise<StageResult> {
  const { dataset, splits, models } = inputs;
  const { examples, crops, sensitivity, gate, groups = [], metrics, sections } = params;
  const output = context.outputs.report;

  const table = join(dataset.path, "table.parquet"), persons = await readPeople(table);
  const people = {
    age: persons.map(({ age }) => age),
    gender: persons.map(({ gender }) => gender),
    ...await readParquet(table, { identity: "string?", dataset: "string", path: "string" }),
  };
  using images = new NpyFile(join(dataset.path, "images.npy"), "uint8");
  const rows = bySplit((name) => readNpy(join(splits.path, `${name}.npy`), "int32").data);
  if (rows.test.length === 0) {
    throw new Error(
      `Cannot evaluate: the test set of "${splits.stage}" is empty. Change its shares.`,
    );
  }
  for (const name of groups.flat()) {
    const why = noColumn(name, persons, ["gender", "age"]);
    if (why) throw new Error(`Cannot compare groups by "${name}": ${why}. Change evaluate.groups.`);
  }
  const further = chooseMetrics(metrics, metrics.length > 0 ? context.definitions("metric") : []);
  const chosenSections = chooseSections(sections, context.definitions("reportSection"));
  const references = await Promise.all(inputs.references.map(({ path }) => readReference(path)));
  const preprocessing = await readPreprocessing(dataset.path);
  const data = { inputs, images, persons, people, rows, references, preprocessing, further };
  if (gate && gate.limit < gate.threshold) {
    context.warn(
      `gate.limit ${gate.limit} is below gate.threshold ${gate.threshold}: the gate lets in people ` +
        "that it estimates as minors. Set a limit at or above the threshold.",
    );
  }
  const total = splitNames.reduce((sum, name) => sum + rows[name].length, 0);
  context.progress.start(total * models.length, "predictions");

  await openBackend(context.compute as Backend);
  const evaluated: EvaluatedModel[] = [], leftOut: Report["leftOut"][number][] = [];
  for (const model of models) {
    const one = await evaluateModel(model, data, params, context);
    if (typeof one === "string") {
      leftOut.push({ id: model.stage, why: one });
      continue;
    }
    context.info(line(model.stage, one.report.metrics));
    evaluated.push(one);
  }
  const reports = evaluated.map(({ report }) => report);
  if (reports.length === 0) {
    const reasons = leftOut.map(({ id, why }) => `${id}: ${why}`).join("; ");
    throw new Error(`Cannot evaluate ${reasons}. Add labels, or evaluate on other images.`);
  }
  for (const { id, why } of leftOut) context.warn(`${id} is left out: ${why}.`);
  const related = reports.filter(({ metrics }) => metrics.trainedPeople)
    .map(({ id, metrics }) => `${id}:${peopleText(metrics)}`);
  for (const one of related) {
    context.warn(`${one} Test other people, or rename the data set if these are others.`);
  }
  const cautions = [...evaluated.flatMap(({ cautions }) => cautions), ...related];
  const caution = cautions.join(" ") || undefined;
  if (gate && !reports.some(({ metrics }) => metrics.gate)) {
    context.warn("gate has no effect: no model of ages in years is evaluated. Add one.");
  }
  for (const { name, of } of further) {
    if (reports.some(({ metrics }) => metrics.further?.some((one) => one.name === name))) continue;
    const outputs = of === "years" ? "numbers" : of;
    context.warn(
      `metrics: ${name} has no effect: it is of ${outputs}, and no model of these is evaluated. Add one.`,
    );
  }

  const byModel = <T>(of: (report: ModelReport) => T) =>
    Object.fromEntries(reports.map((report) => [report.id, of(report)]));
  const write = (name: string, text: string) => Deno.writeTextFile(join(output, name), text);
  const writeJson = (name: string, value: object) => write(name, jsonText(value));
  await writeJson("metrics.json", { models: byModel(({ metrics }) => metrics) });
  adjustAll(reports.map(({ fairness }) => fairness!));
  const fairness = byModel(({ fairness }) => fairness);
  await writeJson("fairness.json", { minimum: MINIMUM, models: fairness });
  const framing = params.framing > 0
    ? await compareFraming(inputs, images, rows, people, params.framing)
    : undefined;
  if (framing) {
    for (const warning of framing.warnings) context.warn(warning);
    const { rows: _, ...numbers } = framing;
    await writeJson("framing.json", numbers);
  }
  if (sensitivity > 0) {
    await writeJson("sensitivity.json", byModel(({ sensitivity }) => sensitivity));
  }
  await writePredictions(
    join(output, "predictions.parquet"),
    evaluated.map(({ report: { id: stage }, predictions }) => ({ stage, predictions })),
  );
  const whole: Report = {
    pipeline: context.lineage.pipeline,
    data: {
      ...await gatherData(inputs, people, rows, images, { crops, noFace: examples }),
      framing,
    },
    models: reports,
    leftOut,
    made: {
      lineage: context.lineage,
      id: context.id,
      use: "evaluate",
      params: { ...params, metrics: metrics.length > 0 ? metrics : undefined },
      caution,
    },
  };
  await write("report.html", await reportPage(whole, chosenSections));
  await write("MODEL_CARD.md", modelCard(whole));
  return {
    metrics: byModel(({ metrics }) =>
      Object.fromEntries(
        usedSplits(metrics).map((name) => [name, { ...metrics[name] } as Record<string, number>]),
      )
    ),
    show: ["report/report.html", "report/MODEL_CARD.md"],
    ...caution && { caution },
  };
}
