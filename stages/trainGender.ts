import { z } from "zod";
import { genderDenseUnits } from "../faces/training/network_options.ts";
import { definedChoice, withAliases } from "../packages/pipeline/define.ts";
import { defineStage, refuseUnused } from "../packages/pipeline/stage.ts";
import {
  abstain,
  classLoss,
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
  name: "trainGender",
  summary: "Train a network for gender",
  inputs: { dataset, splits },
  outputs: { model },
  params: withAliases(
    refuseUnused(
      z.strictObject({
        ...trainingParams,
        initializer: initializerParam.default("glorotUniform").describe(
          "Distribution of the initial weights. The 2021 paper does not specify it for this " +
            "network; glorotUniform is Keras's default",
        ),
        leaveOut: z.array(z.literal([...genderDenseUnits])).default([]).describe(
          "gender2021: dense layers to omit, identified by their units",
        ),
        network: definedChoice("network", networks, "gender2021").optional().describe(
          "Network. Default: gender2021",
        ),
        ...singleParams,
        abstain,
        loss: classLoss,
      }),
      unusedTraining,
    ),
    { ...trainingAliases, leaveOut: "network.leaveOut" },
  ),
  seeded: true,
  compute: true,
  external: modelFacts,
  check: checkModels,
  async run(inputs, params, context) {
    const { classTask, trainSingle } = await import("../faces/training/stage_training.ts");
    return await trainSingle(inputs, {
      task: classTask("gender"),
      network: "gender2021",
      networks,
      params,
      context,
    });
  },
});
