/** Trainings of the stages: their networks and heads, from their parameters. */
import type { z } from "zod";
import { type Choice, chosen } from "../../packages/pipeline/define.ts";
import type { StageContext } from "../../packages/pipeline/stage.ts";
import { chooseNetwork } from "./build_network.ts";
import { losses } from "./losses.ts";
import type { Initializer } from "./network_options.ts";
import { ageClasses, genderClasses } from "./targets.ts";
import { foldersOf } from "./training_data.ts";
import { type ModelTraining, type Task, trainModel, type ValuesTask } from "./train_model.ts";
import type { Head, LossDefinition, NetworkDefinition } from "./training_definitions.ts";
import type { jointParams } from "./training_params.ts";

/** Everything that both kinds of training need from a stage. */
interface StageTraining {
  /** The built-in networks. */
  networks: readonly NetworkDefinition[];
  context: Pick<StageContext, "definitions">;
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

/** Returns the task of ages: years, or bands of them. */
export function ageTask(variant: "regression" | keyof typeof ageClasses): Task {
  if (variant === "regression") return quantityTask("age");
  return { task: "age", variant, classes: [...ageClasses[variant]] };
}

/** Trains a network for one task and writes the stage's model. */
export async function trainSingle(
  inputs: Parameters<typeof foldersOf>[0],
  { task, network, networks, params, context }: StageTraining & {
    task: Task | ValuesTask;
    /** Default network. */
    network: string;
    params: ModelTraining["params"] & { network?: Choice; loss?: Choice };
    context: StageContext;
  },
): ReturnType<typeof trainModel> {
  const all = [...networks, ...context.definitions("network") as NetworkDefinition[]];
  const { loss, teacher } = params;
  const training: ModelTraining = {
    tasks: { model: task },
    params,
    network: chooseNetwork(params.network, all, network, params),
    heads: loss === undefined && teacher === undefined && inputs.teachers.length === 0
      ? undefined
      : ([targets], [task]) => [headOf({ loss, task, weight: 1, context }, targets)],
  };
  return await trainModel(training, foldersOf(inputs), context.outputs, context);
}

/** Trains a network with a head for gender and one for age, and writes both models. */
export async function trainJoint(
  inputs: Parameters<typeof foldersOf>[0],
  { networks, params, context }: StageTraining & {
    params: z.output<z.ZodObject<typeof jointParams>> & {
      network: Choice;
      initializer?: Initializer;
    };
    context: StageContext;
  },
): ReturnType<typeof trainModel> {
  const all = [...networks, ...context.definitions("network") as NetworkDefinition[]];
  const gender = classTask("gender") as Task, age = quantityTask("age");
  const { weights, heads } = params;
  const ageLoss = params.age === "years" ? "mae" : "ageDistribution";
  const defaults = { spread: params.ageSpread, reading: params.ageReading };
  const training: ModelTraining = {
    tasks: { gender, age },
    params,
    network: chooseNetwork(params.network, all, "deep", { ...params, heads: 2 }),
    heads: ([genders, ages]) => [
      headOf(
        {
          loss: heads?.gender?.loss ?? "crossEntropy",
          task: gender,
          weight: weights.gender,
          context,
        },
        genders,
      ),
      headOf(
        { loss: heads?.age?.loss ?? ageLoss, task: age, weight: weights.age, context, defaults },
        ages,
      ),
    ],
  };
  return await trainModel(training, foldersOf(inputs), context.outputs, context);
}

/** Returns the head of a loss that a parameter names. */
function headOf(
  { loss, task: { task, classes }, weight, context, defaults }: {
    /** Default: crossEntropy or mae. */
    loss?: Choice;
    task: Task;
    weight: number;
    context: StageTraining["context"];
    /** Default options of ageDistribution. */
    defaults?: object;
  },
  targets: readonly number[],
): Head {
  const all = [...losses, ...context.definitions("loss") as LossDefinition[]];
  const { definition, options } = chosen(loss, all, classes ? "crossEntropy" : "mae");
  const wanted = classes ? "classes" : "years";
  if (!definition.of.includes(wanted)) {
    const fitting = all.filter(({ of }) => of.includes(wanted)).map(({ name }) => name).join(", ");
    throw new Error(
      `Cannot train ${task} with loss "${definition.name}": it is a loss of ` +
        `${definition.of.join(" or ")}, and the network predicts ${wanted}. Use one of ${fitting}.`,
    );
  }
  if (task !== "age" && ["ageDistribution", "ordinal"].includes(definition.name)) {
    throw new Error(
      `Cannot train ${task} with loss "${definition.name}": it is of ages. Use mae, mse or huber.`,
    );
  }
  const own = definition.name === "ageDistribution" ? { ...defaults, ...options } : options;
  return definition.head({ ...own, weight, classes: classes?.length ?? null, targets } as never);
}
