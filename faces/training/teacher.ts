/**
 * Outputs of trained models as further targets: the parameter `teacher`. Hinton et al., "Distilling
 * the knowledge in a neural network" (2015).
 */
import { dirname } from "node:path";
import { counted } from "../../packages/pipeline/causes.ts";
import type { ImageSource } from "./image_source.ts";
import type { HeadTeacher } from "./objective.ts";
import { loadModel } from "./predict_rows.ts";
import { openPredictor } from "./predictor.ts";
import type { ClassRecord } from "./targets.ts";
import { type ModelParams, modelsNamed } from "./trained_models.ts";

/** Outputs of the teachers of a head, [images, values], of the rows that were asked for. */
export interface Lessons extends HeadTeacher {
  outputs: Float32Array;
}

/**
 * Predicts images by the models that `teacher` names, once each, averaged with their mirror images.
 * @param rows images to predict; outputs of others are 0
 * @returns for each task the mean of its models' outputs, undefined if none has the task
 * @throws if no model has one of the tasks, or one has other classes or another image size
 */
export async function askTeachers(
  teacher: NonNullable<ModelParams["teacher"]>,
  tasks: readonly { task: string; classes: readonly ClassRecord[] | null }[],
  images: ImageSource,
  rows: Int32Array,
  { artifacts, signal, info }: {
    artifacts: string;
    signal: AbortSignal;
    info(message: string): void;
  },
): Promise<(Lessons | undefined)[]> {
  const { weight = 0.5, temperature = 2 } = typeof teacher === "string" ? {} : teacher;
  const sums = tasks.map((): Float64Array | undefined => undefined), counts = tasks.map(() => 0);
  const others = new Set<string>();
  for (const path of await modelsNamed("teacher", { teacher }, artifacts)) {
    const { model, record } = await loadModel(dirname(path));
    try {
      const t = tasks.findIndex(({ task }) => task === record.task);
      others.add(record.task);
      if (t < 0) continue;
      const labels = (classes: readonly ClassRecord[] | null) =>
        classes ? classes.map(({ label }) => label).join(", ") : "years";
      const [theirs, ours] = [labels(record.classes), labels(tasks[t].classes)];
      const [, size] = images.shape;
      if (theirs !== ours || record.input.size !== size) {
        throw new Error(
          `Cannot learn from "${dirname(path)}": it predicts ${theirs} from images of ` +
            `${record.input.size} pixels, and this training ${ours} from ${size}. Name a model of ` +
            "the same classes and size.",
        );
      }
      await using predictor = await openPredictor(model);
      const said = await predictor.predict(images, rows, { mirror: true, signal });
      const sum = sums[t] ??= new Float64Array(said.length);
      for (const [i, value] of said.entries()) sum[i] += value;
      counts[t]++;
    } finally {
      model.dispose();
    }
  }
  const taught = tasks.filter((_, t) => counts[t] > 0);
  if (taught.length === 0) {
    throw new Error(
      `Cannot learn ${tasks.map(({ task }) => task).join(" and ")} from the teacher: it predicts ` +
        `${[...others].join(" and ")}. Name a model of this task.`,
    );
  }
  info(
    "teacher: " +
      tasks.flatMap(({ task }, t) =>
        counts[t] > 0 ? [`${counted(counts[t], "model")} of ${task}`] : []
      ).join(", "),
  );
  return sums.map((sum, t) => {
    if (!sum) return undefined;
    const values = sum.length / rows.length;
    const outputs = new Float32Array(images.shape[0] * values);
    for (const [i, row] of rows.entries()) {
      const mean = Array.from(
        sum.subarray(i * values, (i + 1) * values),
        (value) => value / counts[t],
      );
      outputs.set(tasks[t].classes ? softened(mean, temperature) : mean, row * values);
    }
    return { weight, temperature, values, outputs };
  });
}

/** Returns probabilities at another temperature. */
function softened(probabilities: readonly number[], temperature: number): number[] {
  const powers = probabilities.map((p) => p ** (1 / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
