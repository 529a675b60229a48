/** Training of one network with two heads, from dataset and splits to two stored models. */
import { join } from "node:path";
import type { z } from "zod";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { extractHead, type HeadSlice, multiHeadModel, type Trunk } from "./multi_head.ts";
import type { Initializer } from "./network_options.ts";
import { augment } from "./augment.ts";
import { checkExports } from "./export_model.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { batchNormWarmupWarning } from "./train_model.ts";
import { classHead, distributionHead, type Head, jointHead, quantityHead } from "./loss_heads.ts";
import {
  chooseTrainer,
  compareWithConstant,
  type FitObserved,
  follow,
  type InputFolders,
  openTrainingData,
  type TrainingContext,
} from "./training_data.ts";
import type { jointParams } from "./training_params.ts";
import type { EpochRecord, JointEpoch, TrainingRecord } from "./training_record.ts";
import { saveTrained } from "./save_model.ts";
import { cosine } from "./schedule.ts";
import { genderClasses } from "./targets.ts";
import { train } from "./train.ts";

/** Network and parameters of a joint training. */
export interface JointTraining {
  /** Name of the network. */
  name: string;
  /** Builds the trunk, the layers shared by both heads, for images of `size`. */
  trunk(size: number): Trunk;
  /** Initial weights of the heads. */
  initializer: Initializer;
  params: z.output<z.ZodObject<typeof jointParams>>;
}

/**
 * Trains a network with two heads and writes a `model` artifact of each.
 * @returns observations that are not reproducible, such as durations
 */
export async function trainJointModel(
  { name, trunk: trunkFor, initializer, params }: JointTraining,
  folders: InputFolders & { gender: string; age: string },
  context: TrainingContext,
): Promise<{ observed: FitObserved }> {
  const { weights, augment: limits, batchSize, epochs, learningRate, weightDecay } = params;
  using inputs = await openTrainingData(folders);
  const { images, size, people, rows } = inputs;
  if (params.earlyStopping) {
    const warning = batchNormWarmupWarning(
      { ...params, earlyStopping: params.earlyStopping },
      rows.train.length,
    );
    if (warning !== undefined) context.warn(warning);
  }
  const heads: Record<"gender" | "age", Head> = {
    gender: classHead(genderClasses.length, weights.gender),
    age: params.age === "years"
      ? quantityHead(weights.age)
      : distributionHead(params.ageSpread, weights.age, params.ageReading),
  };
  const at: Record<"gender" | "age", HeadSlice> = {
    gender: { name: "gender", start: 0, columns: heads.gender.columns, reading: "classes" },
    age: {
      ...{ name: "age", start: heads.gender.columns, columns: heads.age.columns },
      reading: params.age === "years" ? "quantity" : params.ageReading,
    },
  };
  const objective = jointHead(Object.values(heads));

  await openBackend(context.compute as Backend);
  const trunk = trunkFor(size);
  const model = multiHeadModel(name, trunk, objective.outputs, initializer, context.seed);
  try {
    for (const task of ["gender", "age"] as const) {
      const alone = extractHead(model, trunk, at[task]);
      checkExports(alone, params.export);
      alone.dispose();
    }
    const { history, seconds: secondsPerEpoch, computedBy, ...result } = await train({
      ...{ model, objective, images, rows, batchSize, epochs, learningRate, weightDecay },
      targets: people.flatMap(({ gender, age }) => [gender, age]),
      schedule: params.schedule === "cosine" ? cosine(params.warmup) : undefined,
      augment: limits ? (batch, random) => augment(batch, size, limits, random) : undefined,
      earlyStopping: params.earlyStopping ??
        { monitor: "val_loss", patience: epochs, restoreBest: false },
      seed: context.seed,
      trainer: chooseTrainer(context),
      checkpoint: join(context.scratch, "checkpoint.safetensors"),
      onEpoch: follow(context, epochs, {
        gender: { metric: heads.gender.metric, of: (history) => headHistory(history, "gender") },
        age: { metric: heads.age.metric, of: (history) => headHistory(history, "age") },
      }),
      signal: context.signal,
      info: (message) => context.info(message),
      progress: context.progress,
    });
    const save = async (
      task: "gender" | "age",
      parts: Pick<TrainingRecord, "variant" | "classes">,
    ) => {
      const { loss, metric } = heads[task];
      const own = headHistory(history, task);
      const kept = own[result.weightsOfEpoch - 1], truth = people.map((person) => person[task]);
      const head = { task, metric, learningRate };
      const compared = compareWithConstant(head, kept, truth, rows, context);
      const spec = {
        ...{ task, ...parts, loss, metric, params, compared },
        mirror: params.mirror,
      };
      const alone = extractHead(model, trunk, at[task]);
      try {
        await saveTrained(alone, folders[task], spec, result, own, inputs, context);
      } finally {
        alone.dispose();
      }
      return compared;
    };
    const validation = {
      gender: await save("gender", { variant: "binary", classes: [...genderClasses] }),
      age: await save("age", { variant: "regression", classes: null }),
    };
    context.info(
      `${result.stoppedEarly ? "stopped early after" : "trained for"} ${
        counted(history.length, "epoch")
      }; ` +
        `weights of epoch ${result.weightsOfEpoch}: ` +
        `gender val_accuracy ${validation.gender.val_metric.toPrecision(3)}, ` +
        `age val_mae ${validation.age.val_metric.toPrecision(3)}; ` +
        `${model.countParams().toLocaleString("en")} parameters`,
    );
    return { observed: { secondsPerEpoch, computedBy, validation } };
  } finally {
    model.dispose();
  }
}

/** Returns the records of one head, epoch by epoch. */
function headHistory(history: readonly JointEpoch[], task: "gender" | "age"): EpochRecord[] {
  return history.map(({ epoch, learning_rate, heads }) => ({
    ...{ epoch, ...heads![task === "gender" ? 0 : 1], learning_rate },
  }));
}
