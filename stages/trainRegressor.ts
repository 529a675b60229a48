import { z } from "zod";
import { definedChoice, withAliases } from "../packages/pipeline/define.ts";
import { defineStage, refuseUnused } from "../packages/pipeline/stage.ts";
import {
  initializerParam,
  quantityLoss,
  singleParams,
  trainingAliases,
  trainingParams,
  unusedTraining,
} from "../faces/training/training_params.ts";
import { checkModels, modelFacts } from "../faces/training/trained_models.ts";
import { networks } from "../models/mod.ts";
import { dataset, model, splits } from "./kinds.ts";

export default defineStage({
  name: "trainRegressor",
  summary: "Train a network for the numbers of any column of the labels",
  inputs: { dataset, splits },
  outputs: { model },
  params: withAliases(
    refuseUnused(
      z.strictObject({
        target: z.string().min(1).refine((name) => name !== "gender", {
          message: "expected a column of numbers; trainGender trains classes",
        }).describe(
          "Column of numbers, such as age. Images without a number are left out",
        ),
        ...trainingParams,
        initializer: initializerParam.optional().describe(
          "Distribution of the initial weights. Default: that of the network",
        ),
        network: definedChoice("network", networks, "plain").default("plain").describe("Network"),
        ...singleParams,
        loss: quantityLoss,
      }),
      unusedTraining,
    ),
    trainingAliases,
  ),
  seeded: true,
  compute: true,
  external: modelFacts,
  check: checkModels,
  async run(inputs, params, context) {
    const { trainSingle, quantityTask } = await import("../faces/training/stage_training.ts");
    return await trainSingle(inputs, {
      task: quantityTask(params.target),
      network: "plain",
      networks,
      params,
      context,
    });
  },
});
