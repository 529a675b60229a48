/** The stage `evaluate`: metrics, predictions, model card and report of all models. */
import type { Choice } from "../../packages/pipeline/define.ts";
import { chooseMetrics, decodeOutputs } from "../training/further_metrics.ts";
import { join } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Backend } from "../../packages/compute/backends.ts";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { readScalar } from "../../packages/compute/read_tensor.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import type { Artifact, StageContext, StageResult } from "../../packages/pipeline/stage.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import {
  crossEntropy,
  mean,
  meanAbsoluteError,
  median,
} from "../../packages/statistics/prediction_metrics.ts";
import { rocCurve } from "../../packages/statistics/roc.ts";
import { loadModel } from "../training/model_files.ts";
import { boundsOf, rowsOf } from "../training/prediction_interval.ts";
import { withDistribution } from "../training/with_distribution.ts";
import { openPredictor } from "../training/predictor.ts";
import { type EpochRecord, readHistory, type TrainingRecord } from "../training/training_record.ts";
import { labelOf, type Person, readPeople } from "../training/targets.ts";
import { readTrainedOn } from "../training/trained_on.ts";
import { gatherData, type Labels, type Sources } from "./data_facts.ts";
import { type AgeGate, ageGate, type Gate } from "./age_gate.ts";
import { adjustAll, MINIMUM, modelFairness } from "./fairness.ts";
import { describeNetwork, type Network } from "./describe_network.ts";
import { errorCurves, suspectLabels } from "./error_curves.ts";
import { caption, chooseExamples, dots } from "./examples.ts";
import { line } from "./format_result.ts";
import { compareFraming } from "./compare_framing.ts";
import { imageDataUrl } from "./image_data_urls.ts";
import { metricLabel, METRICS, primaryMetric } from "./metrics.ts";
import { modelCard } from "./model_card.ts";
import { readReference, type Reference } from "./reference_predictions.ts";
import type { Curve, Examples, ModelReport, Report } from "./report_data.ts";
import { reportPage } from "./report_page.ts";
import { chooseSections } from "./report_sections.ts";
import {
  bySplit,
  type FurtherMetric,
  type Predictions,
  type PredictionTask,
  type ReferencePredictions,
  scoreModel,
  type SplitName,
  splitNames,
  usedSplits,
} from "./score_model.ts";
import { measureSensitivity, type Sensitivity } from "./sensitivity.ts";
import { scoreIntervals } from "./uncertainty.ts";
import { writePredictions } from "./write_predictions.ts";

/** Dataset, splits and reference predictions. */
interface Data {
  /** [N, size, size, 3] */
  images: NpyFile<"uint8">;
  persons: readonly Person[];
  /** Columns of the dataset's table, one value per image; ages and genders are NaN if unknown. */
  people: Labels & { identity: (string | null)[]; path: string[] };
  rows: Record<SplitName, Int32Array>;
  references: readonly Reference[];
  /** Digests of the archives. */
  archives: readonly string[];
}

/** Parameters of the stage. */
interface EvaluateParams {
  examples: number;
  crops: number;
  sensitivity: number;
  framing: number;
  metrics: readonly Choice[];
  gate?: Gate;
  /** Default: the built-in ones. */
  sections?: readonly Choice[];
}

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
  const { examples, crops, sensitivity, gate, sections } = params;
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
  const named = params.metrics.length > 0;
  const further = chooseMetrics(params.metrics, named ? context.definitions("metric") : []);
  const chosenSections = chooseSections(sections, context.definitions("reportSection"));
  const references = await Promise.all(inputs.references.map(({ path }) => readReference(path)));
  const archives = inputs.archives.map(({ digest }) => digest);
  const data: Data = { images, persons, people, rows, references, archives };
  if (gate && gate.limit < gate.threshold) {
    context.warn(
      `gate.limit ${gate.limit} is below gate.threshold ${gate.threshold}: the gate lets in people ` +
        "that it estimates as minors. Set a limit at or above the threshold.",
    );
  }
  const total = splitNames.reduce((sum, name) => sum + rows[name].length, 0);
  context.progress.start(total * models.length, "predictions");

  await openBackend(context.compute as Backend);
  const evaluated: NonNullable<Awaited<ReturnType<typeof evaluateModel>>>[] = [];
  for (const model of models) {
    const one = await evaluateModel(model, data, params, context, models.length > 1);
    if (!one) continue;
    const { report, report: { metrics }, predictions } = one, { classes } = metrics;
    const labels = bySplit((split) => labelsOf(people, predictions[split].rows));
    const scored = bySplit((split) => {
      const { gender, age } = labels[split];
      return { ...predictions[split], classes: classes?.length, gender, age };
    });
    const fitting = further.filter(({ of }) => of === (classes ? "classes" : "years"));
    for (const { name, title, unit, decimals, compute, interval } of fitting) {
      const intervals: FurtherMetric["intervals"] = {};
      for (const split of usedSplits(metrics)) {
        Object.assign(metrics[split], { [name]: await compute(scored[split]) });
        intervals[split] = await interval(scored[split], labels[split].identity);
      }
      (metrics.further ??= []).push({
        ...{ name, title, unit: metrics.metric === "error" ? "" : unit, decimals, intervals },
      });
    }
    report.fairness = await modelFairness(
      metrics,
      predictions.test,
      Array.from(predictions.test.rows, (row) => persons[row]),
      labels.test.identity,
      fitting,
    );
    context.info(line(model.stage, metrics));
    evaluated.push(one);
  }
  const reports = evaluated.map(({ report }) => report);

  if (reports.length === 0) {
    throw new Error("Cannot evaluate: no image has a label of a model's task. Add some.");
  }

  const byModel = <T>(of: (report: ModelReport) => T) =>
    Object.fromEntries(reports.map((report) => [report.id, of(report)]));
  const write = (name: string, text: string) => Deno.writeTextFile(join(output, name), text);
  const writeJson = (name: string, value: unknown) =>
    write(name, JSON.stringify(value, null, 2) + "\n");
  await writeJson("metrics.json", { models: byModel(({ metrics }) => metrics) });
  adjustAll(reports.map(({ fairness }) => fairness!));
  await writeJson("fairness.json", {
    ...{ minimum: MINIMUM, models: byModel(({ fairness }) => fairness) },
  });
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
      ...(framing && { framing }),
    },
    models: reports,
    made: {
      lineage: context.lineage,
      id: context.id,
      use: "evaluate",
      params: { ...params, metrics: named ? params.metrics : undefined },
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
  };
}

/**
 * Loads a model, predicts all splits and computes its metrics.
 * @param examples number of example faces of each kind, and of images to measure sensitivity with
 * @returns undefined for an imported model, one of several, of whose task no image has a label
 */
async function evaluateModel(
  { stage: id, path }: Artifact,
  data: Data,
  { examples, sensitivity: most, gate }: Pick<EvaluateParams, "examples" | "sensitivity" | "gate">,
  context: StageContext,
  several: boolean,
): Promise<{ report: ModelReport; predictions: Record<SplitName, Predictions> } | undefined> {
  const { images, persons, people } = data, { lineage, signal, progress } = context;
  const { model, record } = await loadModel(path);
  const subject: PredictionTask = {
    task: record.task,
    variant: record.variant,
    ...(record.classes && { classes: record.classes.map(({ label }) => label) }),
  };
  const labels = persons.map((person) => labelOf(record, person));
  const rows = bySplit((name) => data.rows[name].filter((row) => !Number.isNaN(labels[row])));
  const unlabelled = bySplit((name) => data.rows[name].length - rows[name].length);
  const empty = splitNames.find((name) =>
    rows[name].length === 0 && (name === "test" || data.rows[name].length > 0)
  );
  const imported = lineage.stages.find((stage) => stage.id === id)?.use === "importModel";
  if (empty !== undefined) {
    const bands = record.task === "age" && persons.some(({ ageInterval }) => ageInterval);
    const why = `no image of the ${empty} set has a label of ${record.task}` +
      (bands ? " that is a number, only intervals" : "");
    if (!imported || !several) throw new Error(`Cannot evaluate ${id}: ${why}. Add some.`);
    model.dispose();
    context.warn(`${id} is left out: ${why}.`);
    return undefined;
  }
  const seen = await readTrainedOn(path, images, people, data.archives);
  const unseen = seen ? rows.test.filter((row) => !seen(row)) : rows.test;
  const trainedOn = rows.test.length - unseen.length;
  if (unseen.length === 0) {
    throw new Error(
      `Cannot evaluate ${id}: it was trained on all ${
        counted(trainedOn, "image")
      } of the test set. ` +
        "Evaluate it on others.",
    );
  }
  if (trainedOn > 0) {
    context.info(`${id} was trained on ${trainedOn} of ${rows.test.length} images: left out`);
  }
  rows.test = unseen;
  const predictions = {} as Record<SplitName, Predictions>;
  let network: Network, gated: AgeGate | undefined, sensitivity: Sensitivity | undefined;
  try {
    network = describeNetwork(model);
    const penalty = await l2Penalty(model);
    const { mirror } = record.input;
    const { interval, abstention } = record;
    const whole = interval?.of === "distribution" ? withDistribution(model) : model;
    await using predictor = await openPredictor(whole);
    /** Returns the predictions alone. */
    const first = (outputs: Float32Array, n: number) =>
      whole === model ? outputs : Float32Array.from(rowsOf(outputs, n), ([value]) => value);
    for (const name of splitNames) {
      const truth = Array.from(rows[name], (row) => labels[row]);
      const onBatch = (n: number) => progress.advance(n, id);
      const outputs = await predictor.predict(images, rows[name], { mirror, signal, onBatch });
      const n = truth.length;
      const decoded = decodeOutputs(first(outputs, n), subject.classes?.length);
      const loss = decoded.probabilities
        ? crossEntropy(truth, decoded.probabilities)
        : meanAbsoluteError(truth, decoded.prediction);
      predictions[name] = {
        ...{ rows: rows[name], truth, ...decoded, loss: loss + penalty },
        ...(interval && { bounds: rowsOf(outputs, n).map((row) => boundsOf(interval, row)) }),
        ...(abstention && { abstention }),
      };
    }
    if (most > 0) {
      const { each } = METRICS[primaryMetric(record.task, record.metric)];
      const limits = { most, multiplyAdds: record.multiplyAdds };
      sensitivity = await measureSensitivity(images, rows.test, limits, async (changed, some) => {
        const all = Int32Array.from(some.keys());
        const outputs = await predictor.predict(changed, all, { mirror, signal });
        const { prediction } = decodeOutputs(first(outputs, all.length), subject.classes?.length);
        return mean(each(Array.from(some, (row) => labels[row]), prediction));
      });
    }
    if (gate && subject.task === "age" && !subject.classes) {
      // Faces whose age is an interval have no error, but most are on one side of the threshold.
      const others = data.rows.test.filter((row) => persons[row].ageInterval && !seen?.(row));
      const outputs = await predictor.predict(images, others, { mirror, signal });
      const ages = first(outputs, others.length);
      const tested = [...rows.test, ...others];
      gated = ageGate(
        gate,
        [...Array.from(predictions.test.prediction), ...ages],
        tested.map((row) => persons[row]),
        tested.map((row) => people.identity[row]),
      );
    }
  } finally {
    model.dispose();
  }
  const { test } = predictions, labelled = bySplit((name) => labelsOf(people, rows[name]));
  const scores = scoreModel(
    subject,
    predictions,
    labelled,
    ["gender", "age"].includes(record.task)
      ? data.references.map((one) => toReferencePredictions(one, record, people, rows))
      : [],
  );
  // A network that has learned nothing contradicts labels by chance.
  const suspects = scores.verdict === "better" ? suspectLabels(subject, test) : undefined;
  const shown = chooseExamples(subject, test, examples).map(async (
    { title, positions },
  ): Promise<Examples> => ({
    title,
    faces: await Promise.all(positions.map(async (i) => ({
      image: await imageDataUrl(images, test.rows[i]),
      row: test.rows[i],
      ...caption(subject, test, i),
      suspect: suspects?.[i],
    }))),
  }));
  // With several outputs, the id includes the output: trainJoint.age.
  const { secondsPerEpoch, computedBy } =
    (lineage.stages.find((stage) => stage.id === id.split(".")[0])?.observed ?? {}) as Partial<
      ModelReport["training"]
    >;
  const { epochs, weightsOfEpoch, stoppedEarly, backend, seed, datasets, constantBaseline } =
    record;
  return {
    predictions,
    report: {
      id,
      metrics: {
        ...scores,
        ...(gated && { gate: gated }),
        ...(record.interval && {
          coverage: scoreIntervals(record.interval, test.bounds!, test.truth, labelled.test),
        }),
        ...(splitNames.some((name) => unlabelled[name] > 0) && { unlabelled }),
        ...(imported && { trainedOn: seen ? trainedOn : null }),
      },
      network,
      curves: curves(await readHistory(path), record),
      training: {
        ...{ epochs, weightsOfEpoch, stoppedEarly, backend, seed, datasets },
        ...(secondsPerEpoch && { secondsPerEpoch }),
        ...(computedBy !== undefined && { computedBy }),
        ...(constantBaseline !== undefined && { constantBaseline }),
      },
      params: record.params,
      ...(subject.classes?.length === 2 &&
        { roc: rocCurve(test.truth, test.probabilities!.map((row) => row[1])).points }),
      ...(!subject.classes && { scatter: dots(test) }),
      ...(record.task === "age" && !subject.classes &&
        {
          errors: errorCurves(
            test,
            median((predictions.train.truth.length > 0 ? predictions.train : test).truth),
          ),
        }),
      ...(sensitivity && { sensitivity }),
      examples: await Promise.all(shown),
    },
  };
}

/** Converts reference predictions of the test set to a model's targets. */
function toReferencePredictions(
  { name, of }: Reference,
  record: TrainingRecord,
  { dataset, path }: Data["people"],
  rows: Data["rows"],
): ReferencePredictions {
  const found = Array.from(rows.test, (row) => of(dataset[row], path[row]))
    .flatMap((one, position) => one ? [{ position, ...one }] : []);
  return {
    name,
    positions: found.map(({ position }) => position),
    prediction: found.map(({ age: years, male }) => {
      // Age classes cover completed years.
      const age = record.classes === null ? years : Math.max(0, Math.floor(years));
      return labelOf(record, { age, gender: male > 0.5 ? 1 : 0 });
    }),
  };
}

function curves(
  history: readonly EpochRecord[],
  { task, metric }: Pick<TrainingRecord, "task" | "metric">,
): Curve[] {
  const curve = (name: string, title: string, column: "loss" | "metric"): Curve => ({
    ...{ name, title },
    points: history.map(({ epoch, [column]: train, [`val_${column}` as const]: validation }) => ({
      ...{ epoch, train, validation },
    })),
  });
  const title = metricLabel(primaryMetric(task, metric), "title");
  return [curve("loss", "Loss", "loss"), curve(metric, title, "metric")];
}

/** Returns labels of some rows. */
function labelsOf({ age, gender, identity }: Data["people"], rows: ArrayLike<number>) {
  const of = <T>(column: readonly T[]) => Array.from(rows, (row) => column[row]);
  return { age: of(age), gender: of(gender), identity: of(identity) };
}

/** Computes the L2 penalty, which is part of the loss in training. */
async function l2Penalty(model: LayersModel): Promise<number> {
  let sum = 0;
  // The model's own calculateLosses() does not include those of its layers.
  for (const loss of model.layers.flatMap((layer) => layer.calculateLosses())) {
    sum += await readScalar(loss);
  }
  return sum;
}
