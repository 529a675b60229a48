/** Tasks that networks learn, with the labels of a dataset. */
import { counted } from "../../packages/pipeline/causes.ts";
import { quote } from "../../packages/pipeline/errors.ts";
import type { InputRows } from "./training_data.ts";
import type { TrainingRecord } from "./training_record.ts";
import { checkBalanced } from "./sampling.ts";
import {
  ageClasses,
  checkNumbers,
  classesOf,
  genderClasses,
  labelOf,
  type Person,
  readPeople,
} from "./targets.ts";

/** A task that a network learns; `classes` is null for a quantity, such as age in years. */
export type Task = Pick<TrainingRecord, "task" | "variant" | "classes">;

/** A task whose classes are the values of its column in the training set. */
export interface ValuesTask {
  task: string;
  classes: "values";
}

/** Returns the task of a column's classes. */
export function classTask(target: string): Task | ValuesTask {
  return target === "gender"
    ? { task: "gender", variant: "binary", classes: [...genderClasses] }
    : { task: target, classes: "values" };
}

/** Returns the task of a column's numbers. */
export function quantityTask(target: string): Task {
  return { task: target, variant: "regression", classes: null };
}

/** Returns column → task of a joint network, in the order of its heads. */
export function jointTasks(
  { classes = ["gender"], numbers = ["age"] }: { classes?: string[]; numbers?: string[] },
): Record<string, Task | ValuesTask> {
  return Object.fromEntries([
    ...classes.map((column) => [column, classTask(column)]),
    ...numbers.map((column) => [column, quantityTask(column)]),
  ]);
}

/** Returns the task of an audit of labels. */
export function auditedTask(target: string): Task | ValuesTask {
  return target === "age" ? quantityTask("age") : classTask(target);
}

/** Returns the task of ages: years, or bands of them. */
export function ageTask(variant: "regression" | keyof typeof ageClasses): Task {
  if (variant === "regression") return quantityTask("age");
  return { task: "age", variant, classes: [...ageClasses[variant]] };
}

/** @throws if no training set out of a table could have the classes or numbers of tasks */
export async function checkLabels(
  tasks: readonly (Task | ValuesTask)[],
  path: string,
  balanced: readonly string[] = [],
): Promise<void> {
  const people = await readPeople(path);
  checkBalanced(balanced, { gender: 0, age: 0, ...people[0]?.attributes });
  for (const { task, classes } of tasks) {
    if (classes === "values") classesOf(task, people, Infinity);
    if (classes === null && task !== "age") checkNumbers(task, people);
  }
}

/** A task with the label of each image. */
export interface LabelledTask {
  /** Output of the stage. */
  readonly output: string;
  readonly task: Task;
  /** Class or quantity of each image; NaN if unknown. */
  readonly labels: readonly number[];
  /** Age of each image that is an interval; undefined unless the task is in years and has some. */
  readonly intervals?: readonly Person["ageInterval"][];
  /** Value of each image that is no class, as the training set lacks it. Default: none */
  readonly foreign?: readonly (string | undefined)[];
}

/**
 * Reads the labels of tasks.
 * @param tasks output of the stage → task
 * @param train rows of the training set, whose values are the classes of a column
 */
export function labelTasks(
  tasks: Readonly<Record<string, Task | ValuesTask>>,
  people: readonly Person[],
  train: Int32Array,
): LabelledTask[] {
  return Object.entries(tasks).map(([output, written]) => {
    let task = written as Task;
    let foreign: LabelledTask["foreign"];
    if (written.classes === "values") {
      const classes = classesOf(written.task, Array.from(train, (row) => people[row]));
      const variant = classes.length === 2 ? "binary" : "multiclass";
      task = { task: written.task, variant, classes };
      const names = new Set(classes.map(({ label }) => label));
      foreign = people.map(({ attributes }) => {
        const value = attributes?.[written.task] ?? null;
        return value === null || names.has(String(value)) ? undefined : String(value);
      });
    }
    if (task.classes === null && task.task !== "age") checkNumbers(task.task, people);
    const labels = people.map((person) => labelOf(task, person));
    const intervals = task.task === "age" && !task.classes &&
        people.some(({ ageInterval }) => ageInterval)
      ? people.map(({ ageInterval }) => ageInterval)
      : undefined;
    return { output, task, labels, intervals, foreign };
  });
}

/**
 * Returns the rows that tasks are trained and validated on.
 * @param taught true if teachers label the training set as well
 * @param info called with the number of rows that are left out
 * @throws if no row of a set has a label of a task
 */
export function rowsOfTasks(
  tasks: readonly LabelledTask[],
  all: InputRows,
  taught: boolean,
  info: (message: string) => void,
): InputRows {
  const [{ foreign, task: { task } }] = tasks;
  const labelled = tasks.map(({ labels, intervals }) => (row: number) =>
    !isNaN(labels[row]) || intervals?.[row]
  );
  // A single head trains on rows that have its label, or a teacher; of several, each is masked.
  const rows = tasks.length > 1 ? all : {
    train: taught ? all.train : all.train.filter(labelled[0]),
    validation: all.validation.filter(labelled[0]),
  };
  const count = ({ train, validation }: InputRows) => train.length + validation.length;
  if (count(rows) < count(all)) {
    const out = counted(count(all) - count(rows), "image");
    const others = [...all.train, ...all.validation].flatMap((row) => foreign?.[row] ?? []);
    info(
      `left out: ${out} of ${count(all)} without a label of ${task}` +
        (others.length > 0
          ? `, ${others.length} of them with a value that the training set lacks, such as ` +
            quote(others[0])
          : ""),
    );
  }
  for (const [i, { task: { task, classes }, foreign }] of tasks.entries()) {
    for (const set of ["train", "validation"] as const) {
      if (all[set].length === 0 || rows[set].some(labelled[i])) continue;
      const what = classes === null
        ? "a number of it"
        : foreign
        ? `one of its ${counted(classes.length, "value")} in the training set`
        : "a label of it";
      const name = set === "train" ? "training" : set;
      throw new Error(
        `Cannot train ${task}: no image of the ${name} set has ${what}. Add some, or name its column ` +
          "in columns of a preset.",
      );
    }
  }
  return rows;
}
