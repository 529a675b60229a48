import { z } from "zod";
import { genderDenseUnits } from "../faces/training/network_options.ts";
import { defineStage } from "../packages/pipeline/stage.ts";
import { initializerParam, trainingParams } from "../faces/training/training_params.ts";
import { dataset, model, splits } from "./kinds.ts";

export default defineStage({
  name: "trainGender",
  summary: "Train the report's network for gender",
  inputs: { dataset, splits },
  outputs: { model },
  params: z.strictObject({
    ...trainingParams,
    initializer: initializerParam.default("glorotUniform").describe(
      "Distribution of the initial weights. The report leaves it open for this network; " +
        "glorotUniform is the default of Keras",
    ),
    leaveOut: z.array(z.literal([...genderDenseUnits])).default([]).describe(
      "Dense layers to do without, named by their units",
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
        task: "gender",
        variant: "binary",
        classes: genderClasses,
        params,
        build: (size) =>
          gender2021({ ...params, size, seed: context.seed, classes: genderClasses.length }),
      },
      { dataset: dataset.path, splits: splits.path, model: context.outputs.model },
      context,
    );
  },
});
