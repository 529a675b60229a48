/** One network with two heads: gender and age. */
import type { z } from "zod";
import { extractHead, type HeadSlice, multiHeadModel, type Trunk } from "./multi_head.ts";
import type { Initializer } from "./network_options.ts";
import { classHead, distributionHead, jointHead, quantityHead } from "./loss_heads.ts";
import type { ModelTraining } from "./train_model.ts";
import type { jointParams } from "./training_params.ts";
import { genderClasses } from "./targets.ts";

/** Network and parameters of a joint training. */
export interface JointTraining {
  /** Name of the network. */
  name: string;
  /** Builds the trunk, the layers shared by both heads, for images of `size`. */
  trunk(size: number): Trunk;
  /** Initial weights of the heads. */
  initializer: Initializer;
  seed: number;
  params: z.output<z.ZodObject<typeof jointParams>>;
}

/** Returns the training of a trunk with a head for gender and one for age. */
export function jointTraining(
  { name, trunk, initializer, seed, params }: JointTraining,
): ModelTraining {
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
