/** Preparation of a training: tasks, rows, heads, their objective and all targets. */
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { classHead, quantityHead } from "./losses.ts";
import { jointHead, type Objective } from "./objective.ts";
import { type LabelledTask, labelTasks, rowsOfTasks, type Task, type ValuesTask } from "./tasks.ts";
import type { ChosenNetwork } from "./build_network.ts";
import type { TrainingParams } from "./training_params.ts";
import { askTeachers } from "./teacher.ts";
import {
  artifactsOf,
  type InputRows,
  type openTrainingData,
  type TrainingContext,
} from "./training_data.ts";
import type { Head } from "./training_definitions.ts";

/** Network, tasks and parameters of a training. */
export interface ModelTraining {
  /** Output of the stage → task, in the order of the heads. */
  tasks: Readonly<Record<string, Task | ValuesTask>>;
  /** The layers before the heads. */
  network: ChosenNetwork;
  /**
   * Returns a head for each task, given the targets of its training set. Default, for one task: the
   * cross-entropy of classes, or the MAE.
   */
  heads?(targets: readonly (readonly number[])[], tasks: readonly Task[]): Head[];
  /** `init`: default new weights; `teacher`: default none; one needs `heads`. */
  params: TrainingParams;
}

/** A task with its labels, loss, metric, and the columns of its head. */
export interface LearnedTask
  extends LabelledTask, Pick<Head, "loss" | "metric" | "columns" | "standardized"> {
  /** First column in the layer of all heads. */
  readonly start: number;
  /** Undefined for the default head of a single task. */
  readonly reading?: Head["reading"];
}

/** Everything that a network learns from a dataset. */
export interface Learning {
  readonly tasks: readonly LearnedTask[];
  readonly rows: InputRows;
  readonly objective: Objective;
  /** `objective.targets` numbers of each image. */
  readonly targets: readonly number[];
  /** True if teachers label images as well. */
  readonly taught: boolean;
}

/**
 * Reads the labels of all tasks, makes their heads and asks the teachers.
 * @param teachers folders of models of the same pipeline
 */
export async function prepareLearning(
  training: ModelTraining,
  data: Awaited<ReturnType<typeof openTrainingData>>,
  teachers: readonly string[],
  context: TrainingContext,
): Promise<Learning> {
  const { people, images } = data, { teacher } = training.params;
  const info = (message: string) => context.info(message);
  const tasks = labelTasks(training.tasks, people, data.rows.train);
  const taught = teacher !== undefined || teachers.length > 0;
  const rows = rowsOfTasks(tasks, data.rows, taught, info);
  const known = tasks.map(({ labels }) =>
    Array.from(rows.train, (row) => labels[row]).filter((label) => !isNaN(label))
  );
  const made = training.heads?.(known, tasks.map(({ task }) => task));
  const both = Int32Array.from([...rows.train, ...rows.validation]);
  const masked = tasks.some(({ labels }) => both.some((row) => isNaN(labels[row])));
  await openBackend(context.compute as Backend);
  const lessons = !taught ? [] : await askTeachers(
    { teacher, folders: teachers },
    tasks.map(({ task }, i) => ({ ...task, reading: made?.[i].reading })),
    images,
    both,
    { artifacts: artifactsOf(context), signal: context.signal, info },
  );
  const [{ task: { classes }, intervals }] = tasks;
  const heads = made ?? [classes ? classHead(classes.length, 1) : quantityHead(1)];
  const measured = tasks.map(({ intervals, labels }) =>
    intervals !== undefined && rows.validation.every((row) => isNaN(labels[row]))
  );
  if (measured.includes(true)) {
    info(
      "ages of the validation set are intervals alone: val_mae is the mean distance to the nearer " +
        "end of the interval, 0 within it",
    );
  }
  const objective = jointHead(heads, {
    plain: !made && !intervals,
    masked,
    teachers: lessons,
    intervals: tasks.map(({ intervals }) => !!intervals),
    measured,
  });
  const targets = people.flatMap((_, row) => [
    ...tasks.map(({ labels }) => labels[row]),
    ...tasks.flatMap(({ intervals }) => intervals ? intervals[row] ?? [NaN, NaN] : []),
    ...lessons.flatMap((one) =>
      one ? Array.from(one.outputs.subarray(row * one.values, (row + 1) * one.values)) : []
    ),
  ]);
  let end = 0;
  const learned = tasks.map((one, i): LearnedTask => {
    const { loss, metric, columns, standardized } = heads[i], start = (end += columns) - columns;
    return { ...one, loss, metric, columns, standardized, reading: made?.[i].reading, start };
  });
  return { tasks: learned, rows, objective, targets, taught };
}
