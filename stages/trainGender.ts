import { z } from "zod";
import { genderDenseUnits } from "../faces/training/network_options.ts";
import { defineStage } from "../packages/pipeline/stage.ts";
import { initializerParam, trainingParams } from "../faces/training/training_params.ts";
import { dataset, model, splits } from "./kinds.ts";

export default defineStage({
  name: "trainGender",
  summary: "Train the 2021 network for gender",
  inputs: { dataset, splits },
  outputs: { model },
  params: z.strictObject({
    ...trainingParams,
    initializer: initializerParam.default("glorotUniform").describe(
      "Distribution of the initial weights. The 2021 paper does not specify it for this " +
        "network; glorotUniform is Keras's default",
    ),
    leaveOut: z.array(z.literal([...genderDenseUnits])).default([]).describe(
      "Dense layers to omit, identified by their units",
    ),
  }),
  seeded: true,
  compute: true,
  async run({ dataset, splits }, params, context) {
    const { trainModel } = await import("../faces/training/train_model.ts");
    const { gender2021 } = await import("../models/gender_2021.ts");
    const { genderClasses } = await import("../faces/training/targets.ts");
    return await trainModel(
      {
        tasks: { model: { task: "gender", variant: "binary", classes: [...genderClasses] } },
        params,
        build: (size) =>
          gender2021({ ...params, size, seed: context.seed, classes: genderClasses.length }),
      },
      { dataset: dataset.path, splits: splits.path },
      context.outputs,
      context,
    );
  },
});
