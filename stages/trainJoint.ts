import { z } from "zod";
import { definedChoice, withAliases } from "../packages/pipeline/define.ts";
import { defineStage, refuseUnused } from "../packages/pipeline/stage.ts";
import {
  abstain,
  initializerParam,
  jointAliases,
  jointParams,
  unusedTraining,
} from "../faces/training/training_params.ts";
import { checkModels, modelFacts } from "../faces/training/trained_models.ts";
import { networks } from "../models/mod.ts";
import { dataset, model, splits } from "./kinds.ts";

export default defineStage({
  name: "trainJoint",
  summary: "Train one network for gender and age jointly",
  inputs: { dataset, splits },
  outputs: { gender: model, age: model },
  params: withAliases(
    refuseUnused(
      z.strictObject({
        network: definedChoice("network", networks, "deep").default("best").describe(
          "Network, which ends in one head for gender and one for age",
        ),
        ...jointParams,
        abstain,
        initializer: initializerParam.optional().describe(
          "Distribution of the initial weights. Default: heNormal before ReLU and glorotUniform, " +
            "Keras's default, in the heads; for gender2021, glorotUniform; for age2021, heNormal",
        ),
      }),
      (params): Record<string, string> => {
        const { age, heads } = params;
        const loss = heads?.age?.loss;
        const used = (typeof loss === "object" ? loss.use : loss) ??
          (age === "years" ? "years" : "ageDistribution");
        const reason = used === "years"
          ? "with age: years, because only distribution uses it"
          : `with the loss ${used} of age`;
        return {
          ...loss === undefined ? {} : { age: "with heads.age.loss, which names the loss of age" },
          ...used === "ageDistribution" ? {} : { ageSpread: reason, ageReading: reason },
          ...unusedTraining(params),
        };
      },
    ),
    jointAliases,
  ),
  seeded: true,
  compute: true,
  external: modelFacts,
  check: checkModels,
  async run({ dataset, splits }, params, context) {
    const { trainModel } = await import("../faces/training/train_model.ts");
    const { jointTraining } = await import("../faces/training/stage_training.ts");
    return await trainModel(
      jointTraining({ networks, params, context }),
      { dataset: dataset.path, splits: splits.path },
      context.outputs,
      context,
    );
  },
});
