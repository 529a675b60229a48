/** From a dataset and its splits to two models on disk, of one network that learnt both tasks. */
import { join } from "node:path";
import type { z } from "zod";
import { openBackend } from "../compute/mod.ts";
import type { Backend } from "../compute/resolve.ts";
import { headOf, type HeadPlace, type Trunk, withHeads } from "../models/heads.ts";
import type { Initializer } from "../models/options.ts";
import { augment } from "./augment.ts";
import { checkExports } from "./exports.ts";
import { counted } from "../runner/words.ts";
import { coldValidation } from "./fit.ts";
import { classHead, distributionHead, type Head, joint, quantityHead } from "./heads.ts";
import { type FitContext, type InputFolders, openInputs, trainerOn } from "./inputs.ts";
import type { jointParams } from "./params.ts";
import type { EpochRecord, JointEpoch, TrainingRecord } from "./record.ts";
import { saveTrained } from "./saveTrained.ts";
import { cosine } from "./schedule.ts";
import { genderClasses } from "./targets.ts";
import { train } from "./train.ts";

export interface JointFit {
  /** Name of the network. */
  name: string;
  /** The layers that both heads share, for images of `size`. */
  trunk(size: number): Trunk;
  /** Initial weights of the heads. */
  initializer: Initializer;
  params: z.output<z.ZodObject<typeof jointParams>>;
}

/**
 * Trains a network with two heads and writes a `model` artifact of each.
 * @returns what differs from one training to the next
 */
export async function fitJoint(
  { name, trunk: trunkFor, initializer, params }: JointFit,
  folders: InputFolders & { gender: string; age: string },
  context: FitContext,
): Promise<{ observed: { secondsPerEpoch: number[] } }> {
  const { weights, augment: limits, batchSize, epochs, learningRate, weightDecay } = params;
  using inputs = await openInputs(folders);
  const { images, size, people, rows } = inputs;
  if (params.earlyStopping) {
    const cold = coldValidation(
      { ...params, earlyStopping: params.earlyStopping },
      rows.train.length,
    );
    if (cold !== undefined) context.warn(cold);
  }
  const heads: Record<"gender" | "age", Head> = {
    gender: classHead(genderClasses.length, weights.gender),
    age: params.age === "years"
      ? quantityHead(weights.age)
      : distributionHead(params.ageSpread, weights.age, params.ageReading),
  };
  const at: Record<"gender" | "age", HeadPlace> = {
    gender: { name: "gender", start: 0, columns: heads.gender.columns, reading: "classes" },
    age: {
      ...{ name: "age", start: heads.gender.columns, columns: heads.age.columns },
      reading: params.age === "years" ? "quantity" : params.ageReading,
    },
  };
  const objective = joint(Object.values(heads));

  await openBackend(context.compute as Backend);
  const trunk = trunkFor(size);
  const model = withHeads(name, trunk, objective.outputs, initializer, context.seed);
  try {
    for (const task of ["gender", "age"] as const) {
      const alone = headOf(model, trunk, at[task]);
      checkExports(alone, params.export);
      alone.dispose();
    }
    const { history, seconds, ...result } = await train({
      ...{ model, objective, images, rows, batchSize, epochs, learningRate, weightDecay },
      targets: people.flatMap(({ gender, age }) => [gender, age]),
      schedule: params.schedule === "cosine" ? cosine(params.warmup) : undefined,
      augment: limits ? (batch, random) => augment(batch, size, limits, random) : undefined,
      earlyStopping: params.earlyStopping ??
        { monitor: "val_loss", patience: epochs, restoreBest: false },
      seed: context.seed,
      trainer: trainerOn(context),
      checkpoint: join(context.scratch, "checkpoint.safetensors"),
      signal: context.signal,
      progress: context.progress,
    });
    const save = async (
      task: "gender" | "age",
      parts: Pick<TrainingRecord, "variant" | "classes">,
    ) => {
      const { loss, metric } = heads[task];
      const learnt = { ...{ task, ...parts, loss, metric, params }, mirror: params.mirror };
      const own = history.map((epoch) => ({ epoch: epoch.epoch, ...partOf(epoch, task) }));
      const alone = headOf(model, trunk, at[task]);
      try {
        await saveTrained(alone, folders[task], learnt, result, own, inputs, context);
      } finally {
        alone.dispose();
      }
    };
    await save("gender", { variant: "binary", classes: [...genderClasses] });
    await save("age", { variant: "regression", classes: null });
    const last = history[result.weightsOfEpoch - 1];
    context.info(
      `${result.stoppedEarly ? "stopped early after" : "trained for"} ${
        counted(history.length, "epoch")
      }; ` +
        `weights of epoch ${last.epoch}: ` +
        `gender val_accuracy ${partOf(last, "gender").val_metric.toPrecision(3)}, ` +
        `age val_mae ${partOf(last, "age").val_metric.toPrecision(3)}; ` +
        `${model.countParams().toLocaleString("en")} weights for both`,
    );
    return { observed: { secondsPerEpoch: seconds } };
  } finally {
    model.dispose();
  }
}

/** A task's own part of an epoch. */
function partOf(epoch: JointEpoch, task: "gender" | "age"): Omit<EpochRecord, "epoch"> {
  return epoch.heads![task === "gender" ? 0 : 1];
}
