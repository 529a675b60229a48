/** Evaluation of one model: its predictions of all sets, and what the report states of it. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Choice } from "../../packages/pipeline/define.ts";
import { takeTensor } from "../training/predict_rows.ts";
import type { NpyFile } from "../../packages/formats/npy.ts";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import {
  crossEntropy,
  mean,
  meanAbsoluteError,
} from "../../packages/statistics/prediction_metrics.ts";
import { rocCurve } from "../../packages/statistics/roc.ts";
import { framingDifferences, type Preprocessing } from "../images/preprocessing.ts";
import { type ChosenMetric, decodeOutputs, orderWarnings } from "../training/further_metrics.ts";
import { loadModel } from "../training/model_files.ts";
import { boundsOf, rowsOf } from "../training/prediction_interval.ts";
import { withDistribution } from "../training/with_distribution.ts";
import { openPredictor } from "../training/predictor.ts";
import { AGE_BAND } from "../training/sampling.ts";
import { unusedTraining } from "../training/training_params.ts";
import { type EpochRecord, readHistory, type TrainingRecord } from "../training/training_record.ts";
import { labelOf, type Person } from "../training/targets.ts";
import { jointTasks } from "../training/tasks.ts";
import { findLearned, stepsWarning } from "../training/trained_on.ts";
import type { Labels } from "./data_facts.ts";
import type { ChosenGroups } from "./fairness.ts";
import type { Gate } from "./age_gate.ts";
import { describeNetwork } from "./describe_network.ts";
import { errorCurves, suspectLabels } from "./error_curves.ts";
import { caption, chooseExamples, dots } from "./examples.ts";
import { RECOGNIZED, TRAINED } from "./format_result.ts";
import { imageDataUrl } from "./image_data_urls.ts";
import { metricLabel, METRICS, primaryMetric } from "./metrics.ts";
import type { Reference } from "./prediction_files.ts";
import type { Curve, Examples, ModelReport } from "./report_data.ts";
import {
  bySplit,
  isUseful,
  type ModelMetrics,
  type Predictions,
  type PredictionTask,
  type ReferencePredictions,
  type SplitName,
  splitNames,
} from "./score_model.ts";
import { addFurther, computeInThread, computeScores, MANY, type Scored } from "./scoring_thread.ts";
import { measureSensitivity, type Sensitivity } from "./sensitivity.ts";

/** Dataset, splits and reference predictions. */
export interface Data {
  inputs: { readonly splits: Artifact; readonly archives: readonly Artifact[] };
  /** [N, size, size, 3] */
  images: NpyFile<"uint8">;
  persons: readonly Person[];
  /** Columns of the dataset's table, one value per image; ages and genders are NaN if unknown. */
  people: Labels & { identity: (string | null)[]; path: string[] };
  rows: Record<SplitName, Int32Array>;
  references: readonly Reference[];
  /** Steps from photo to dataset. */
  preprocessing: Preprocessing;
  /** Metrics beside the primary one, of classes and of years. */
  further: readonly ChosenMetric[];
}

export interface EvaluateParams {
  examples: number;
  crops: number;
  sensitivity: number;
  framing: number;
  metrics: readonly Choice[];
  gate?: Gate;
  groups?: ChosenGroups;
  /** Default: the built-in ones. */
  sections?: readonly Choice[];
}

export interface EvaluatedModel {
  report: ModelReport;
  /** In which ways its training's images were made otherwise. */
  cautions: string[];
  predictions: Record<SplitName, Predictions>;
}

/** The images that a model is evaluated on. */
interface ModelRows {
  rows: Record<SplitName, Int32Array>;
  /** Label of each image of the dataset; NaN if unknown. */
  labels: readonly number[];
  /** Images of the test set that a model was trained on elsewhere; undefined if that is not known. */
  seen?: ReadonlySet<number> | undefined;
  /** As in metrics.json. */
  facts: Pick<ModelMetrics, "unlabelled" | "trainedOn" | "trainedPeople">;
}

/**
 * Loads a model, predicts all splits and computes its metrics.
 * @returns the reason if no image of the test set can score it
 */
export async function evaluateModel(
  { stage: id, path }: Artifact,
  data: Data,
  params: EvaluateParams,
  context: StageContext,
): Promise<EvaluatedModel | string> {
  const { images, people } = data;
  const { model, record } = await loadModel(path);
  const { task, variant } = record, classes = record.classes?.map(({ label }) => label);
  const subject: PredictionTask = { task, variant, classes };
  using stack = new DisposableStack();
  stack.defer(() => model.dispose());
  const { size } = record.input, [, theirs] = images.shape;
  if (size !== theirs) {
    throw new Error(
      `Cannot evaluate ${id}: it takes images of ${size} pixels, and the dataset has ${theirs}. ` +
        `Set resize32.size to ${size}.`,
    );
  }
  const { steps } = data.preprocessing;
  const cautions = stepsWarning(id, record.preprocessing.steps, "the dataset", steps);
  for (const warning of cautions) {
    context.warn(`${warning} Evaluate it on a pipeline with the same stages.`);
  }
  for (const warning of orderWarnings(data.further, id, classes)) context.warn(warning);
  const chosen = await chooseRows({ id, path, record }, data, context);
  if (typeof chosen === "string") return chosen;
  const { rows, facts } = chosen;
  const differences = framingDifferences(record.preprocessing, data.preprocessing);
  // Within a pipeline, another framing is meant: its YAML names both.
  if (facts.trainedOn !== undefined && differences.length > 0) {
    const caution =
      `"${id}" was trained on other crops than those of the dataset: ${joinWords(differences)}. ` +
      "Expect other results than on its own test set.";
    context.warn(`${caution} Set faceCrop as for its training.`);
    cautions.push(caution);
  }
  const own = { id, model, record, subject };
  const { predictions, sensitivity, gated } = await predictAll(own, chosen, data, params, context);
  const { test } = predictions;
  const labelled = bySplit((name) => {
    const of = <T>(column: readonly T[]) => Array.from(rows[name], (row) => column[row]);
    return { age: of(people.age), gender: of(people.gender), identity: of(people.identity) };
  });
  const references = ["gender", "age"].includes(task)
    ? data.references.map((one) => toReferencePredictions(one, record, people, rows))
    : [];
  const further = data.further.filter(({ of }) => of === (classes ? "classes" : "years"));
  const choices = further.map(({ choice }) => choice).filter((choice) => choice !== undefined);
  const scored: Scored = {
    model: [subject, predictions, labelled, references],
    interval: record.interval,
    gated,
    persons: Array.from(test.rows, (row) => data.persons[row]),
    groups: params.groups,
    choices: choices.length === further.length ? choices : undefined,
    facts,
  };
  const note = (text: string) => context.progress.advance(0, `${id}: ${text}`);
  const watch = { signal: context.signal, note };
  const count = splitNames.reduce((sum, name) => sum + rows[name].length, 0);
  const compute = count < MANY ? computeScores : computeInThread;
  const { metrics, fairness } = await compute(scored, watch);
  const groups = fairness ?? await addFurther(metrics, further, scored, watch);
  // A network that has learned nothing contradicts labels by chance.
  const suspects = isUseful(metrics) ? suspectLabels(subject, test) : undefined;
  const shown = chooseExamples(subject, test, params.examples).map(async (
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
  const stage = context.lineage.stages.find((stage) => stage.id === id.split(".")[0]);
  return {
    predictions,
    cautions,
    report: {
      id,
      metrics,
      sensitivity,
      network: describeNetwork(model),
      curves: curves(await readHistory(path), record),
      training: { ...record, ...stage?.observed as Partial<ModelReport["training"]> },
      params: record.params,
      unused: unusedIn(record, stage),
      roc: classes?.length === 2
        ? rocCurve(test.truth, test.probabilities!.map((row) => row[1])).points
        : undefined,
      scatter: classes ? undefined : dots(test),
      errors: task === "age" && !classes
        ? errorCurves(test, Number(metrics.baseline.guess))
        : undefined,
      examples: await Promise.all(shown),
      fairness: groups,
    },
  };
}

/** Returns the names of a training's parameters that have no effect, but for written ones. */
function unusedIn(
  { params, task }: TrainingRecord,
  stage?: StageContext["lineage"]["stages"][number],
): string[] {
  const tasks = "weights" in params ? Object.keys(jointTasks(params)) : [task];
  const { by = tasks, ageBand }: { by?: string[]; ageBand?: number } = Object(params.sampling);
  // The stage of a training elsewhere is not known.
  const own = stage?.use === "importModel" ? Object.keys(unusedTraining(params)) : stage?.unused;
  const banded = by.includes("age") || ageBand !== AGE_BAND;
  return [...own ?? [], ...banded ? [] : ["sampling.ageBand"]];
}

/**
 * Chooses the images with a label of a model's task that it was not trained on, elsewhere or by other
 * splits.
 * @returns the reason if there are none
 */
async function chooseRows(
  { id, path, record }: { id: string; path: string; record: TrainingRecord },
  data: Data,
  context: Pick<StageContext, "lineage" | "info" | "signal">,
): Promise<ModelRows | string> {
  const { persons } = data;
  const labels = persons.map((person) => labelOf(record, person));
  const rows = bySplit((name) => data.rows[name].filter((row) => !Number.isNaN(labels[row])));
  const unlabelled = bySplit((name) => data.rows[name].length - rows[name].length);
  const intervals = record.task === "age" && persons.some(({ ageInterval }) => ageInterval);
  const empty = splitNames.find((name) =>
    rows[name].length === 0 && (name === "test" || data.rows[name].length > 0 && !intervals)
  );
  // Such as classes of other names than those of the training.
  const foreign = Array.from(data.rows[empty ?? "test"]).filter((row) => Number.isNaN(labels[row]))
    .flatMap((row) => persons[row].attributes?.[record.task] ?? []);
  const others = `that it predicts: ${counted(foreign.length, "image")} with another, such as ` +
    quote(foreign[0]);
  if (empty !== undefined) {
    return `no image of the ${empty} set has a label of ${record.task}` +
      (intervals ? " that is a number, only intervals" : foreign.length > 0 ? ` ${others}` : "");
  }
  if (foreign.length > 0) context.info(`${id} is tested on labels of ${record.task} ${others}`);
  const imported = context.lineage.stages.some((one) => one.id === id && one.use === "importModel");
  const { archives, splits } = data.inputs, watch = { signal: context.signal };
  const found = await findLearned(path, splits, data.rows.test, { ...data, archives }, watch);
  const known = imported || found?.found.size ? found : undefined, seen = known?.found;
  const unseen = rows.test.filter((row) => !seen?.has(row));
  const leftOut = rows.test.length - unseen.length;
  if (unseen.length === 0) {
    return `it was ${TRAINED} on all ${counted(leftOut, "image")} of the test set`;
  }
  if (seen) {
    const others = leftOut > 0 ? `the other ${leftOut}` : `none of them, ${RECOGNIZED}`;
    const tested = `${unseen.length} of ${counted(rows.test.length, "image")}`;
    context.info(
      `${id} is tested on ${tested}. It was ${TRAINED} on ${others}` +
        (known.complete ? "" : ". Not all such images are known"),
    );
  }
  const trainedOn = known?.complete ? leftOut : known || imported ? null : undefined;
  const trainedPeople = unseen.filter((row) => known?.related.has(row)).length || undefined;
  const lacking = splitNames.some((name) => unlabelled[name] > 0) ? unlabelled : undefined;
  const facts = { unlabelled: lacking, trainedOn, trainedPeople };
  return { rows: { ...rows, test: unseen }, labels, seen, facts };
}

/** Predicts the images of a model, changed images for its sensitivity, and those of the age gate. */
async function predictAll(
  { id, model, record, subject }: {
    id: string;
    model: LayersModel;
    record: TrainingRecord;
    subject: PredictionTask;
  },
  { rows, labels, seen }: ModelRows,
  { images, persons, people, rows: all }: Data,
  { sensitivity: most, gate, groups }: Pick<EvaluateParams, "sensitivity" | "gate" | "groups">,
  { signal, progress }: Pick<StageContext, "signal" | "progress">,
): Promise<
  Pick<EvaluatedModel, "predictions"> & Pick<Scored, "gated"> & { sensitivity?: Sensitivity }
> {
  let penalty = 0; // L2, which is part of the loss in training
  // The model's own calculateLosses() does not include those of its layers.
  for (const loss of model.layers.flatMap((layer) => layer.calculateLosses())) {
    penalty += (await takeTensor(loss))[0];
  }
  const { input: { mirror }, interval, abstention } = record, classes = subject.classes?.length;
  const spans = persons.map(({ ageInterval }) =>
    subject.task === "age" && !classes ? ageInterval : undefined
  );
  const whole = interval?.of === "distribution" ? withDistribution(model) : model;
  await using predictor = await openPredictor(whole);
  /** Returns the predictions alone. */
  const first = (outputs: Float32Array, n: number) =>
    whole === model ? outputs : Float32Array.from(rowsOf(outputs, n), ([value]) => value);
  const predictions = {} as EvaluatedModel["predictions"];
  let sensitivity: Sensitivity | undefined;
  for (const name of splitNames) {
    const truth = Array.from(rows[name], (row) => labels[row]), n = truth.length;
    const onBatch = (n: number) => progress.advance(n, id);
    const outputs = await predictor.predict(images, rows[name], { mirror, signal, onBatch });
    const decoded = decodeOutputs(first(outputs, n), classes);
    const loss = decoded.probabilities
      ? crossEntropy(truth, decoded.probabilities)
      : meanAbsoluteError(truth, decoded.prediction);
    predictions[name] = {
      rows: rows[name],
      truth,
      ...decoded,
      loss: loss + penalty,
      ...(interval && { bounds: rowsOf(outputs, n).map((row) => boundsOf(interval, row)) }),
      ...(abstention && { abstention }),
      middles: Array.from(all[name]).flatMap((row) => spans[row] ? mean(spans[row]) : []),
    };
  }
  if (most > 0) {
    const { each } = METRICS[primaryMetric(record.task, record.metric)];
    const limits = { most, multiplyAdds: record.multiplyAdds };
    sensitivity = await measureSensitivity(
      images,
      rows.test,
      limits,
      async (changed, some) => {
        const all = Int32Array.from(some.keys());
        const outputs = await predictor.predict(changed, all, { mirror, signal });
        const { prediction } = decodeOutputs(first(outputs, all.length), classes);
        return mean(each(Array.from(some, (row) => labels[row]), prediction));
      },
    );
  }
  if (!gate || subject.task !== "age" || classes) return { predictions, sensitivity };
  // Faces whose age is an interval have no error, but most are on one side of the threshold.
  const others = all.test.filter((row) => persons[row].ageInterval && !seen?.has(row));
  const outputs = await predictor.predict(images, others, { mirror, signal });
  const ages = first(outputs, others.length), tested = [...rows.test, ...others];
  const estimates = [...Array.from(predictions.test.prediction), ...ages];
  const who = tested.map((row) => people.identity[row]);
  const gated: Scored["gated"] = [gate, estimates, tested.map((row) => persons[row]), who, groups];
  return { predictions, sensitivity, gated };
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
    // A predicted age may be below 0, which is an unknown one among labels. Classes cover completed years.
    prediction: found.map(({ age, male }) =>
      record.classes === null
        ? age
        : labelOf(record, { age: Math.max(0, Math.floor(age)), gender: male > 0.5 ? 1 : 0 })
    ),
  };
}

function curves(
  history: readonly EpochRecord[],
  { task, metric }: Pick<TrainingRecord, "task" | "metric">,
): Curve[] {
  const curve = (name: string, title: string, column: "loss" | "metric"): Curve => ({
    name,
    title,
    points: history.map(({ epoch, [column]: train, [`val_${column}` as const]: validation }) => ({
      epoch,
      train,
      validation,
    })),
  });
  const title = metricLabel(primaryMetric(task, metric), "title");
  return [curve("loss", "Loss", "loss"), curve(metric, title, "metric")];
}
