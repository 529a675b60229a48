/** Evaluation of one model: its predictions of all sets, and what the report states of it. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Choice } from "../../packages/pipeline/define.ts";
import { takeTensor } from "../training/predict_rows.ts";
import type { NpyFile } from "../../packages/formats/npy.ts";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import {
  crossEntropy,
  mean,
  meanAbsoluteError,
} from "../../packages/statistics/prediction_metrics.ts";
import { rocCurve } from "../../packages/statistics/roc.ts";
import { decodeOutputs } from "../training/further_metrics.ts";
import { loadModel } from "../training/model_files.ts";
import { boundsOf, rowsOf } from "../training/prediction_interval.ts";
import { withDistribution } from "../training/with_distribution.ts";
import { openPredictor } from "../training/predictor.ts";
import { type EpochRecord, readHistory, type TrainingRecord } from "../training/training_record.ts";
import { labelOf, type Person } from "../training/targets.ts";
import { readTrainedOn, stepsWarning } from "../training/trained_on.ts";
import type { Labels } from "./data_facts.ts";
import { type AgeGate, ageGate, type Gate } from "./age_gate.ts";
import { describeNetwork, type Network } from "./describe_network.ts";
import { errorCurves, suspectLabels } from "./error_curves.ts";
import { caption, chooseExamples, dots } from "./examples.ts";
import { imageDataUrl } from "./image_data_urls.ts";
import { metricLabel, METRICS, primaryMetric } from "./metrics.ts";
import type { Reference } from "./reference_predictions.ts";
import type { Curve, Examples, ModelReport } from "./report_data.ts";
import {
  bySplit,
  type Predictions,
  type PredictionTask,
  type ReferencePredictions,
  scoreModel,
  type SplitName,
  splitNames,
} from "./score_model.ts";
import { measureSensitivity, type Sensitivity } from "./sensitivity.ts";
import { scoreIntervals } from "./uncertainty.ts";

/** Dataset, splits and reference predictions. */
export interface Data {
  /** [N, size, size, 3] */
  images: NpyFile<"uint8">;
  persons: readonly Person[];
  /** Columns of the dataset's table, one value per image; ages and genders are NaN if unknown. */
  people: Labels & { identity: (string | null)[]; path: string[] };
  rows: Record<SplitName, Int32Array>;
  references: readonly Reference[];
  archives: readonly string[];
  /** Stages between crop and dataset that changed its faces. */
  steps: readonly string[];
}

export interface EvaluateParams {
  examples: number;
  crops: number;
  sensitivity: number;
  framing: number;
  metrics: readonly Choice[];
  gate?: Gate;
  /** Default: the built-in ones. */
  sections?: readonly Choice[];
}

/** A model's report, without further metrics and those by group, and its predictions. */
export interface EvaluatedModel {
  report: ModelReport;
  predictions: Record<SplitName, Predictions>;
}

/** The images that a model is evaluated on. */
interface ModelRows {
  rows: Record<SplitName, Int32Array>;
  /** Label of each image of the dataset; NaN if unknown. */
  labels: readonly number[];
  /** Number of images without a label. */
  unlabelled: Record<SplitName, number>;
  /** Returns whether an imported model was trained on an image; undefined if that is not known. */
  seen?: (row: number) => boolean;
  /** Number of images of the test set that are left out because it was trained on them. */
  trainedOn: number;
  imported: boolean;
}

/** A model's predictions, and what is measured with it while it is open. */
interface Predicted {
  predictions: Record<SplitName, Predictions>;
  network: Network;
  sensitivity?: Sensitivity;
  gate?: AgeGate;
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
  const { images, people } = data, { lineage } = context;
  const { model, record } = await loadModel(path);
  const subject: PredictionTask = {
    task: record.task,
    variant: record.variant,
    ...(record.classes && { classes: record.classes.map(({ label }) => label) }),
  };
  let chosen: ModelRows | string, predicted: Predicted;
  try {
    const [own, theirs] = [record.input.size, images.shape[1]];
    if (own !== theirs) {
      throw new Error(
        `Cannot evaluate ${id}: it takes images of ${own} pixels, and the dataset has ${theirs}. ` +
          `Set resize32.size to ${own}.`,
      );
    }
    for (const warning of stepsWarning(id, record.preprocessing.steps, "the dataset", data.steps)) {
      context.warn(`${warning}. Evaluate it on a pipeline with the same stages.`);
    }
    chosen = await chooseRows({ id, path, record }, data, context);
    if (typeof chosen === "string") return chosen;
    predicted = await predictAll({ id, model, record, subject }, chosen, data, params, context);
  } finally {
    model.dispose();
  }
  const { rows, unlabelled, seen, trainedOn, imported } = chosen;
  const { predictions, predictions: { test }, network, sensitivity, gate } = predicted;
  const labelled = bySplit((name) => labelsOf(people, rows[name]));
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
        ...(gate && { gate }),
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
      ...(record.task === "age" && !subject.classes && {
        errors: errorCurves(test, Number(scores.baseline.guess)),
      }),
      ...(sensitivity && { sensitivity }),
      examples: await Promise.all(shown),
    },
  };
}

/**
 * Chooses the images with a label of a model's task that it was not trained on outside of the pipeline.
 * @returns the reason if there are none
 */
async function chooseRows(
  { id, path, record }: { id: string; path: string; record: TrainingRecord },
  data: Data,
  context: Pick<StageContext, "lineage" | "info">,
): Promise<ModelRows | string> {
  const { images, persons, people } = data;
  const labels = persons.map((person) => labelOf(record, person));
  const rows = bySplit((name) => data.rows[name].filter((row) => !Number.isNaN(labels[row])));
  const unlabelled = bySplit((name) => data.rows[name].length - rows[name].length);
  const empty = splitNames.find((name) =>
    rows[name].length === 0 && (name === "test" || data.rows[name].length > 0)
  );
  if (empty !== undefined) {
    const bands = record.task === "age" && persons.some(({ ageInterval }) => ageInterval);
    return `no image of the ${empty} set has a label of ${record.task}` +
      (bands ? " that is a number, only intervals" : "");
  }
  const seen = await readTrainedOn(path, images, people, data.archives);
  const unseen = seen ? rows.test.filter((row) => !seen(row)) : rows.test;
  const trainedOn = rows.test.length - unseen.length;
  if (unseen.length === 0) {
    return `it was trained on all ${counted(trainedOn, "image")} of the test set`;
  }
  if (trainedOn > 0) {
    context.info(`${id} was trained on ${trainedOn} of ${rows.test.length} images: left out`);
  }
  const imported = context.lineage.stages.some((one) => one.id === id && one.use === "importModel");
  return { rows: { ...rows, test: unseen }, labels, unlabelled, seen, trainedOn, imported };
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
  { sensitivity: most, gate }: Pick<EvaluateParams, "sensitivity" | "gate">,
  { signal, progress }: Pick<StageContext, "signal" | "progress">,
): Promise<Predicted> {
  const network = describeNetwork(model), penalty = await l2Penalty(model);
  const { input: { mirror }, interval, abstention } = record, classes = subject.classes?.length;
  const whole = interval?.of === "distribution" ? withDistribution(model) : model;
  await using predictor = await openPredictor(whole);
  /** Returns the predictions alone. */
  const first = (outputs: Float32Array, n: number) =>
    whole === model ? outputs : Float32Array.from(rowsOf(outputs, n), ([value]) => value);
  const predictions = {} as Record<SplitName, Predictions>;
  for (const name of splitNames) {
    const truth = Array.from(rows[name], (row) => labels[row]), n = truth.length;
    const onBatch = (n: number) => progress.advance(n, id);
    const outputs = await predictor.predict(images, rows[name], { mirror, signal, onBatch });
    const decoded = decodeOutputs(first(outputs, n), classes);
    const loss = decoded.probabilities
      ? crossEntropy(truth, decoded.probabilities)
      : meanAbsoluteError(truth, decoded.prediction);
    predictions[name] = {
      ...{ rows: rows[name], truth, ...decoded, loss: loss + penalty },
      ...(interval && { bounds: rowsOf(outputs, n).map((row) => boundsOf(interval, row)) }),
      ...(abstention && { abstention }),
    };
  }
  const predicted: Predicted = { predictions, network };
  if (most > 0) {
    const { each } = METRICS[primaryMetric(record.task, record.metric)];
    const limits = { most, multiplyAdds: record.multiplyAdds };
    predicted.sensitivity = await measureSensitivity(
      ...[images, rows.test, limits] as const,
      async (changed, some) => {
        const all = Int32Array.from(some.keys());
        const outputs = await predictor.predict(changed, all, { mirror, signal });
        const { prediction } = decodeOutputs(first(outputs, all.length), classes);
        return mean(each(Array.from(some, (row) => labels[row]), prediction));
      },
    );
  }
  if (gate && subject.task === "age" && !subject.classes) {
    // Faces whose age is an interval have no error, but most are on one side of the threshold.
    const others = all.test.filter((row) => persons[row].ageInterval && !seen?.(row));
    const outputs = await predictor.predict(images, others, { mirror, signal });
    const ages = first(outputs, others.length), tested = [...rows.test, ...others];
    const estimates = [...Array.from(predictions.test.prediction), ...ages];
    const who = tested.map((row) => people.identity[row]);
    predicted.gate = ageGate(gate, estimates, tested.map((row) => persons[row]), who);
  }
  return predicted;
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

export function labelsOf({ age, gender, identity }: Data["people"], rows: ArrayLike<number>) {
  const of = <T>(column: readonly T[]) => Array.from(rows, (row) => column[row]);
  return { age: of(age), gender: of(gender), identity: of(identity) };
}

/** Computes the L2 penalty, which is part of the loss in training. */
async function l2Penalty(model: LayersModel): Promise<number> {
  let sum = 0;
  // The model's own calculateLosses() does not include those of its layers.
  for (const loss of model.layers.flatMap((layer) => layer.calculateLosses())) {
    sum += (await takeTensor(loss))[0];
  }
  return sum;
}
