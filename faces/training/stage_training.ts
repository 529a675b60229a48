/** Trainings of the stages: their networks, heads and tasks, from their parameters. */
import type { z } from "zod";
import type { Choice } from "../../packages/pipeline/define.ts";
import type { StageContext } from "../../packages/pipeline/stage.ts";
import type { NetworkDefinition } from "./training_definitions.ts";
import {
  chooseNetwork,
  extractHead,
  type HeadSlice,
  multiHeadModel,
  singleHeadModel,
} from "./build_network.ts";
import type { Initializer } from "./network_options.ts";
import { classHead, distributionHead, jointHead, quantityHead } from "./loss_heads.ts";
import type { ModelTraining, Task } from "./train_model.ts";
import type { jointParams } from "./training_params.ts";
import { genderClasses } from "./targets.ts";

/** Everything that both kinds of training need from a stage. */
interface StageTraining {
  /** The built-in networks. */
  networks: readonly NetworkDefinition[];
  context: Pick<StageContext, "seed" | "definitions">;
}

/** Returns the training of a network for one task. */
export function singleTraining(
  { task, network: fallback, networks, params, context: { seed, definitions } }: StageTraining & {
    task: Task;
    /** Default network. */
    network: string;
    params: ModelTraining["params"] & { network?: Choice };
  },
): ModelTraining {
  const all = [...networks, ...definitions("network") as NetworkDefinition[]];
  const { name, trunk, initializer } = chooseNetwork(params.network, all, fallback, params);
  const classes = task.classes?.length ?? null;
  return {
    tasks: { model: task },
    params,
    build: (size) => singleHeadModel(name, trunk(size), classes, initializer, seed),
  };
}

/** Returns the training of a network with a head for gender and one for age. */
export function jointTraining(
  { networks, params, context: { seed, definitions } }: StageTraining & {
    params: z.output<z.ZodObject<typeof jointParams>> & {
      network: Choice;
      initializer?: Initializer;
    };
  },
): ModelTraining {
  const all = [...networks, ...definitions("network") as NetworkDefinition[]];
  const { name, trunk, initializer } = chooseNetwork(params.network, all, "deep", {
    ...params,
    heads: 2,
  });
  const { weights, ageSpread, ageReading } = params;
  const years = params.age === "years";
  const gender = classHead(genderClasses.length, weights.gender);
  const age = years
    ? quantityHead(weights.age)
    : distributionHead(ageSpread, weights.age, ageReading);
  const slices: Record<string, HeadSlice> = {
    gender: { name: "gender", start: 0, columns: gender.columns, reading: "classes" },
    age: {
      ...{ name: "age", start: gender.columns, columns: age.columns },
      reading: years ? "quantity" : ageReading,
    },
  };
  const objective = jointHead([gender, age]);
  return {
    tasks: {
      gender: { task: "gender", variant: "binary", classes: [...genderClasses] },
      age: { task: "age", variant: "regression", classes: null },
    },
    objective,
    params,
    build: (size) => multiHeadModel(name, trunk(size), objective.outputs, initializer, seed),
    extract: (trained, output) =>
      extractHead(trained, trunk(trained.inputs[0].shape[1]!), slices[output]),
  };
}
