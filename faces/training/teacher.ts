/**
 * Outputs of trained models as further targets: the parameter `teacher`, and the input `teachers`.
 * Hinton et al., "Distilling the knowledge in a neural network" (2015).
 */
import { dirname } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { counted } from "../../packages/pipeline/causes.ts";
import type { ImageSource } from "./image_source.ts";
import { ageReadings } from "./network_options.ts";
import type { HeadTeacher } from "./objective.ts";
import { loadModel } from "./model_files.ts";
import { openPredictor } from "./predictor.ts";
import type { Task } from "./tasks.ts";
import { type ModelParams, modelsNamed } from "./trained_models.ts";
import type { Head } from "./training_definitions.ts";
import type { TrainingRecord } from "./training_record.ts";
import { hasDistribution, withDistribution } from "./with_distribution.ts";

/** Outputs of the teachers of a head, [images, values], of the rows that were asked for. */
export interface Lessons extends HeadTeacher {
  outputs: Float32Array;
}

/** A task, and how its head is read. Default: as classes or years */
type TaughtTask = Pick<Task, "task" | "classes"> & Partial<Pick<Head, "reading">>;

/**
 * Predicts images by the models that `teacher` names and those of `folders`, once each, averaged with
 * their mirror images. A head that estimates an age from a distribution gets distributions if all its
 * teachers have one.
 * @param rows images to predict; outputs of others are 0
 * @returns for each task the mean of its models' outputs, undefined if none has the task
 * @throws if no model has one of the tasks, or one has other classes or another image size
 */
export async function askTeachers(
  { teacher, folders = [] }: Pick<ModelParams, "teacher"> & { folders?: readonly string[] },
  tasks: readonly TaughtTask[],
  images: ImageSource,
  rows: Int32Array,
  { artifacts, signal, info }: {
    artifacts: string;
    signal: AbortSignal;
    info(message: string): void;
  },
): Promise<(Lessons | undefined)[]> {
  const { weight = 0.5, temperature = 2 } = typeof teacher === "object" ? teacher : {};
  const models: { path: string; model: LayersModel; record: TrainingRecord }[] = [];
  try {
    const named = await modelsNamed({ teacher }, artifacts);
    for (const path of [...named.map(({ path }) => dirname(path)), ...folders]) {
      models.push({ path, ...await loadModel(path) });
    }
    if (models.length === 0) {
      throw new Error(
        "Cannot learn from a teacher: none is named. Set teacher.from, or inputs: { teachers: STAGE }.",
      );
    }
    const lessons: (Lessons | undefined)[] = [], infos: string[] = [], [count, size] = images.shape;
    for (const { task, classes, reading } of tasks) {
      const own = models.filter(({ record }) => record.task === task);
      const ours = labelsOf({ task, classes });
      for (const { path, record } of own) {
        const theirs = labelsOf(record), { input } = record;
        if (theirs === ours && input.size === size) continue;
        throw new Error(
          `Cannot learn from "${path}": it predicts ${theirs} from images of ${input.size} pixels, and ` +
            `this training ${ours} from ${size}. Name a model of the same classes and size.`,
        );
      }
      if (own.length === 0) {
        lessons.push(undefined);
        continue;
      }
      const distributions = reading !== undefined && reading in ageReadings &&
        own.every(({ model }) => hasDistribution(model));
      let sum = new Float64Array(0);
      for (const { model } of own) {
        const asked = distributions ? withDistribution(model) : model;
        await using predictor = await openPredictor(asked);
        const outputs = await predictor.predict(images, rows, { mirror: true, signal });
        if (sum.length === 0) sum = new Float64Array(outputs.length);
        for (const [i, value] of outputs.entries()) sum[i] += value;
      }
      const columns = sum.length / rows.length;
      const values = distributions ? columns - 1 : columns; // without the age
      const outputs = new Float32Array(count * values);
      for (const [i, row] of rows.entries()) {
        const end = (i + 1) * columns;
        const mean = Array.from(sum.subarray(end - values, end), (value) => value / own.length);
        outputs.set(classes ? softened(mean, temperature) : mean, row * values);
      }
      lessons.push({ weight, temperature, values, outputs });
      infos.push(
        `${counted(own.length, "model")} of ${task}${distributions ? ", its distribution" : ""}`,
      );
    }
    if (infos.length === 0) {
      const ours = tasks.map(({ task }) => task).join(" and ");
      const theirs = [...new Set(models.map(({ record }) => record.task))].join(" and ");
      throw new Error(
        `Cannot learn ${ours} from the teacher: it predicts ${theirs}. Name a model of this task.`,
      );
    }
    info(`teacher: ${infos.join(", ")}`);
    return lessons;
  } finally {
    for (const { model } of models) model.dispose();
  }
}

function labelsOf({ task, classes }: Pick<Task, "task" | "classes">): string {
  const numbers = task === "age" ? "years" : "numbers";
  return classes ? classes.map(({ label }) => label).join(", ") : numbers;
}

/** Returns probabilities at another temperature. */
function softened(probabilities: readonly number[], temperature: number): number[] {
  const powers = probabilities.map((p) => p ** (1 / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
