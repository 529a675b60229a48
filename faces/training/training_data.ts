/** Inputs, trainer and logging shared by all trainings. */
import { basename, dirname, join, resolve } from "node:path";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { NpyFile, readNpy } from "../../packages/formats/npy.ts";
import { majorityClass, mean, median } from "../../packages/statistics/prediction_metrics.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { UnsupportedNetwork } from "../../packages/engine/engine.ts";
import { EngineTrainer } from "./engine_trainer.ts";
import { curvesWriter, type FullEpoch, type JointEpoch, MORE_STEPS } from "./training_record.ts";
import { distanceTo } from "./objective.ts";
import { readPeople } from "./targets.ts";
import { TfjsTrainer } from "./tfjs_trainer.ts";
import { epochLine, type TrainOptions } from "./train.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

export type StageInputs = Readonly<
  { dataset: Artifact; splits: Artifact; teachers: readonly Artifact[] }
>;

/** Rows of the training set and of the validation set. */
export interface InputRows {
  train: Int32Array;
  validation: Int32Array;
}

/** Folders of the artifacts that training reads. */
export interface InputFolders {
  dataset: string;
  splits: string;
  /** Models of the same pipeline whose outputs are learned. Default: none. */
  teachers?: readonly string[];
}

export function foldersOf({ dataset, splits, teachers }: StageInputs): Required<InputFolders> {
  const paths = teachers.map(({ path }) => path);
  return { dataset: dataset.path, splits: splits.path, teachers: paths };
}

/** The subset of a stage's context that training needs; no plugins by default. */
export type TrainingContext =
  & Pick<StageContext, "scratch" | "seed" | "compute" | "signal" | "progress" | "info" | "warn">
  & Partial<Pick<StageContext, "definitions">>;

/**
 * Opens a dataset and its splits: images of `size` pixels, labels of each (`people`) and where it is
 * from (`table`), rows of each set, and the number of training images by data set (`datasets`).
 */
export async function openTrainingData({ dataset, splits }: InputFolders) {
  // Not validated: its schema imports the detectors, on which training must not depend.
  const preprocessing: Preprocessing = JSON.parse(
    await Deno.readTextFile(join(dataset, "preprocessing.json")),
  );
  const path = join(dataset, "table.parquet");
  const table = await readParquet(path, { dataset: "string", path: "string" });
  const rowsOf = (name: string) => readNpy(join(splits, `${name}.npy`), "int32").data;
  const rows: InputRows = { train: rowsOf("train"), validation: rowsOf("validation") };
  const images = new NpyFile(join(dataset, "images.npy"), "uint8");
  /** Reads the rows of a set that may be absent: there is no test set within folds of an audit. */
  const rowsIfAny = async (name: "test" | "calibration") => {
    const there = await Deno.stat(join(splits, `${name}.npy`)).catch(ignoreNotFound);
    return there ? rowsOf(name) : new Int32Array();
  };
  const origins = Map.groupBy(rows.train, (row) => table.dataset[row]);
  return {
    images,
    size: images.shape[1],
    people: await readPeople(path),
    rows,
    test: await rowsIfAny("test"),
    calibration: await rowsIfAny("calibration"),
    preprocessing,
    table,
    datasets: Object.fromEntries(
      [...origins.keys()].sort().map((n) => [n, origins.get(n)!.length]),
    ),
    [Symbol.dispose]: () => images[Symbol.dispose](),
  };
}

/**
 * Opens the trainer for a backend: the engine on `wasm` if it supports the network, else
 * TensorFlow.js. Logs the choice and, for a stage's own model, the TensorBoard command.
 */
export async function openTrainer(
  options: TrainerOptions,
  context: TrainingContext,
): Promise<Trainer> {
  const why = context.compute === "wasm" ? undefined : "the engine needs compute: wasm";
  const trainer = why === undefined
    ? await EngineTrainer.open(options).catch((error) => {
      if (error instanceof UnsupportedNetwork) return new TfjsTrainer(options, error.message);
      throw error;
    })
    : new TfjsTrainer(options, why);
  // The folder of all artifacts contains the curves of this attempt, and later those of the model.
  const logs = artifactsOf(context);
  context.info(
    `training on ${trainer.computedBy}` +
      (logs === "" ? "" : `; learning curves: tensorboard --logdir "${logs}"`),
  );
  return trainer;
}

/** Returns the folder of all artifacts; "" outside of a run. */
export function artifactsOf({ scratch }: TrainingContext): string {
  const work = resolve(scratch, "../..");
  return basename(work) === ".work" ? dirname(work) : "";
}

/**
 * Returns a callback that logs each epoch and appends it to the curves in `scratch`.
 * @param outputs names of the outputs and their metrics, in the order of the heads
 */
export function follow(
  { scratch, info }: TrainingContext,
  epochs: number,
  outputs: readonly { output: string; metric: string }[],
): TrainOptions["onEpoch"] {
  const curves = outputs.map(({ output, metric }) => curvesWriter(join(scratch, output), metric));
  const metrics = outputs.map(({ output, metric }) =>
    outputs.length > 1 ? `${output}_${metric}` : metric
  );
  return async (history, best) => {
    for (const [i, curve] of curves.entries()) await curve(headHistory(history, i));
    info(epochLine(history.at(-1)!, { epochs, metrics, best }));
  };
}

/** Returns the records of one head, or of a network without several, epoch by epoch. */
export function headHistory(history: readonly JointEpoch[], head: number): FullEpoch[] {
  return history.map(({ heads, ...whole }) => ({ ...whole, ...heads?.[head] }));
}

/** Validation metric of the kept epoch, and of the constant baseline. */
export interface Compared {
  val_metric: number;
  constantBaseline: number;
  worse: boolean;
}

/**
 * Compares the kept epoch with the constant baseline (majority class or median of the training set),
 * and warns if it is worse.
 * @param targets class or quantity of each image
 * @param intervals ages of images that have an interval, whose middle counts for the median; they are
 *   validated if there is no other age
 */
export function compareWithConstant(
  { task, metric, learningRate }: {
    task: string;
    metric: "accuracy" | "mae";
    learningRate: number;
  },
  { epoch, val_metric }: Pick<FullEpoch, "epoch" | "val_metric">,
  targets: readonly number[],
  { train, validation }: InputRows,
  { warn }: Pick<TrainingContext, "warn">,
  intervals: readonly (readonly [low: number, high: number] | undefined)[] = [],
): Compared {
  const known = (rows: Int32Array) =>
    Array.from(rows, (row) => targets[row]).filter((target) => !Number.isNaN(target));
  const spansOf = (rows: Int32Array) =>
    Array.from(rows, (row) => intervals[row]).filter((span) => span !== undefined);
  const trained = [...known(train), ...spansOf(train).map(mean)], exact = known(validation);
  const validated = exact.length > 0
    ? exact.map((one) => [one, one] as const)
    : spansOf(validation);
  const accuracy = metric === "accuracy";
  const classes = 1 + trained.reduce((most, label) => Math.max(most, label), 0);
  const constant = accuracy ? majorityClass(trained, classes) : median(trained);
  const errors = validated.map((truth) => distanceTo(truth, constant));
  const scores = accuracy ? errors.map((error) => Number(error === 0)) : errors;
  const constantBaseline = mean(scores);
  const worse = accuracy ? val_metric < constantBaseline : val_metric > constantBaseline;
  if (worse) {
    // Ages begin near 0, other numbers near their mean: a network of few steps is not far from there.
    const zero = mean(validated.map((truth) => distanceTo(truth, 0)));
    const begun = !accuracy && task === "age" && zero > 2 * constantBaseline &&
      Math.abs(val_metric / zero - 1) < 0.5;
    warn(
      `${task} is worse than the constant baseline: the kept weights of epoch ${epoch} have ` +
        `val_${metric} ${val_metric.toPrecision(3)}, and the constant baseline ` +
        `(${accuracy ? "majority class" : "median"} of the training set) has ` +
        constantBaseline.toPrecision(3) +
        (begun ? `, 0 for each image ${zero.toPrecision(3)}` : "") +
        `. ${MORE_STEPS}, ${
          begun ? "raise" : "lower"
        } learningRate (now ${learningRate}), or check the labels.`,
    );
  }
  return { val_metric, constantBaseline, worse };
}
