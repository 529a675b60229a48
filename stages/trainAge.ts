import { z } from "zod";
import { genderDenseUnits } from "../faces/training/network_options.ts";
import { definedChoice, withAliases } from "../packages/pipeline/define.ts";
import { defineStage, refuseUnused } from "../packages/pipeline/stage.ts";
import {
  anyLoss,
  initializerParam,
  singleParams,
  trainingAliases,
  trainingParams,
  unusedTraining,
} from "../faces/training/training_params.ts";
import { checkModels, modelFacts } from "../faces/training/trained_models.ts";
import { networks } from "../models/mod.ts";
import { dataset, model, splits } from "./kinds.ts";

export default defineStage({
  name: "trainAge",
  summary: "Train a network for age",
  inputs: { dataset, splits },
  outputs: { model },
  params: withAliases(
    refuseUnused(
      z.strictObject({
        variant: z.enum(["regression", "multiclass", "binary"]).default("regression").describe(
          "regression: years; multiclass: the eight age bands of the 2021 paper (1-20, 21-32, " +
            "... above 92; age 0 is in the first); binary: at most 60, or above",
        ),
        ...trainingParams,
        initializer: initializerParam.optional().describe(
          "Distribution of the initial weights. Default: heNormal for regression, which the " +
            "2021 paper names beside Xavier's (glorotNormal), and glorotUniform, Keras's default," +
            " for classification",
        ),
        convolutionL2: z.number().min(0).default(0.0005).describe(
          "regression: L2 penalty on the kernels of the convolutions. The 2021 paper gives no " +
            "value; 0.0005 is common for such networks, such as VGG",
        ),
        denseL2: z.number().min(0).default(0.1).describe(
          "regression: L2 penalty on the kernels and biases of the dense layers",
        ),
        leaveOut: z.array(z.literal([...genderDenseUnits])).default([512, 16]).describe(
          "multiclass, binary: dense layers of the gender network to omit, identified by their " +
            "units. The 2021 paper does not name them; 512 is the widest, with half of all " +
            "parameters, and 16 would be a bottleneck for eight classes",
        ),
        network: definedChoice("network", networks, "age2021").optional().describe(
          "Network. Default: age2021 for regression, gender2021 for classes",
        ),
        ...singleParams,
        loss: anyLoss,
      }),
      (params): Record<string, string> => {
        const { variant, network } = params;
        const reason = `with variant: ${variant}, whose network has no such option`;
        const unused: Record<string, string> = variant === "regression"
          ? { leaveOut: reason }
          : { convolutionL2: reason, denseL2: reason };
        return { ...network === undefined ? unused : {}, ...unusedTraining(params) };
      },
    ),
    {
      ...trainingAliases,
      leaveOut: "network.leaveOut",
      convolutionL2: "network.convolutionL2",
      denseL2: "network.denseL2",
    },
  ),
  seeded: true,
  compute: true,
  external: modelFacts,
  check: checkModels,
  async run(inputs, params, context) {
    const { quantityTask, trainSingle } = await import("../faces/training/stage_training.ts");
    const { ageClasses } = await import("../faces/training/targets.ts");
    const { variant } = params;
    const regression = variant === "regression";
    return await trainSingle(inputs, {
      task: regression
        ? quantityTask("age")
        : { task: "age", variant, classes: [...ageClasses[variant]] },
      network: regression ? "age2021" : "gender2021",
      networks,
      params,
      context,
    });
  },
});
