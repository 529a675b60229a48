import { z } from "zod";
import { genderDenseUnits } from "../faces/training/network_options.ts";
import { defineStage } from "../packages/pipeline/stage.ts";
import { initializerParam, trainingParams } from "../faces/training/training_params.ts";
import { dataset, model, splits } from "./kinds.ts";

export default defineStage({
  name: "trainAge",
  summary: "Train one of the report's networks for age",
  inputs: { dataset, splits },
  outputs: { model },
  params: z.strictObject({
    variant: z.enum(["regression", "multiclass", "binary"]).default("regression").describe(
      "regression: years; multiclass: the report's eight bands (1-20, 21-32, ... above 92; age 0 " +
        "joins the first); binary: up to 60 or above",
    ),
    ...trainingParams,
    initializer: initializerParam.optional().describe(
      "Distribution of the initial weights. Left out, heNormal for regression, which the report " +
        "names beside Xavier's (glorotNormal), and glorotUniform, the default of Keras, for classes",
    ),
    convolutionL2: z.number().min(0).default(0.0005).describe(
      "regression: L2 penalty on the kernels of the convolutions. The report does not say how " +
        "much; 0.0005 is what networks of this kind, VGG for one, were published with",
    ),
    denseL2: z.number().min(0).default(0.1).describe(
      "regression: L2 penalty on kernel and bias of the dense layers",
    ),
    leaveOut: z.array(z.literal([...genderDenseUnits])).default([512, 16]).describe(
      "multiclass, binary: dense layers of the gender network to do without, named by their units. " +
        "The report does not say which; 512 is the widest, with half of all weights, and 16 would " +
        "squeeze eight classes through 16 numbers",
    ),
  }),
  seeded: true,
  compute: true,
  async run({ dataset, splits }, params, context) {
    const { trainModel } = await import("../faces/training/train_model.ts");
    const { age2021 } = await import("../models/age_2021.ts");
    const { gender2021 } = await import("../models/gender_2021.ts");
    const { ageClasses } = await import("../faces/training/targets.ts");
    const { variant } = params;
    const classes = variant === "regression" ? null : ageClasses[variant];
    return await trainModel(
      {
        task: "age",
        variant,
        classes,
        params,
        build: (size) =>
          classes === null
            ? age2021({ ...params, size, seed: context.seed })
            : gender2021({ ...params, size, seed: context.seed, classes: classes.length }),
      },
      { dataset: dataset.path, splits: splits.path, model: context.outputs.model },
      context,
    );
  },
});
