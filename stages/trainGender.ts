import { z } from "zod";
import { genderDenseUnits } from "../models/options.ts";
import { defineStage } from "../runner/stage.ts";
import { initializerParam, trainingParams } from "../training/params.ts";
import { dataset, model, splits } from "./artifacts.ts";

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
    const { fit } = await import("../training/fit.ts");
    const { reportGender } = await import("../models/reportGender.ts");
    const { genderClasses } = await import("../training/targets.ts");
    return await fit(
      {
        task: "gender",
        variant: "binary",
        classes: genderClasses,
        params,
        build: (size) =>
          reportGender({ ...params, size, seed: context.seed, classes: genderClasses.length }),
      },
      { dataset: dataset.path, splits: splits.path, model: context.outputs.model },
      context,
    );
  },
});
