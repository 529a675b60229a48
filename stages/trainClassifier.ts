import { z } from "zod";
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
  name: "trainClassifier",
  summary: "Train a network for the classes of any column of the labels",
  inputs: { dataset, splits },
  outputs: { model },
  params: withAliases(
    refuseUnused(
      z.strictObject({
        target: z.string().min(1).refine((name) => name !== "age", {
          message: "expected another column; trainAge has variant: multiclass for groups of ages",
        }).describe(
          "Column whose values are the classes, such as ethnicity; those of the training set, sorted. " +
            "Images without a value are left out",
        ),
        ...trainingParams,
        initializer: initializerParam.optional().describe(
          "Distribution of the initial weights. Default: that of the network",
        ),
        network: definedChoice("network", networks, "plain").default("plain").describe("Network"),
        ...singleParams,
        abstain,
        loss: classLoss,
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
    const { trainSingle, classTask } = await import("../faces/training/stage_training.ts");
    return await trainSingle(inputs, {
      task: classTask(params.target),
      network: "plain",
      networks,
      params,
      context,
    });
  },
});
