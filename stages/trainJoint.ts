import { z } from "zod";
import { defineStage, refuseUnused } from "../packages/pipeline/stage.ts";
import { initializerParam, jointParams } from "../faces/training/training_params.ts";
import { dataset, model, splits } from "./kinds.ts";

export default defineStage({
  name: "trainJoint",
  summary: "Train one network for gender and age jointly",
  inputs: { dataset, splits },
  outputs: { gender: model, age: model },
  params: refuseUnused(
    z.strictObject({
      network: z.enum(["best", "report"]).default("best").describe(
        "best: eight 3×3 convolutions and one dense layer; report: the layers of the 2021 " +
          "gender network. Both end in one head for gender and one for age",
      ),
      ...jointParams,
      initializer: initializerParam.optional().describe(
        "Distribution of the initial weights. Default: for best, heNormal before ReLU and " +
          "glorotUniform, Keras's default, in the heads; for report, glorotUniform",
      ),
    }),
    ({ age, schedule }): Record<string, string> => {
      const reason = "with age: years, because only distribution uses it";
      return {
        ...age === "years" ? { ageSpread: reason, ageReading: reason } : {},
        ...schedule === "constant" ? { warmup: "with schedule: constant" } : {},
      };
    },
  ),
  seeded: true,
  compute: true,
  async run({ dataset, splits }, params, context) {
    const { trainModel } = await import("../faces/training/train_model.ts");
    const { jointTraining } = await import("../faces/training/joint_training.ts");
    const { deepTrunk } = await import("../models/deep.ts");
    const { gender2021Trunk } = await import("../models/gender_2021.ts");
    const { network, dropout, batchNormMomentum } = params;
    const best = network === "best";
    const initializer = params.initializer ?? (best ? "heNormal" : "glorotUniform");
    const options = { dropout, batchNormMomentum, initializer };
    return await trainModel(
      jointTraining({
        name: best ? "best" : "reportJoint",
        trunk: (size) => () =>
          best ? deepTrunk({ size, ...options }) : gender2021Trunk({ size, ...options }),
        initializer: params.initializer ?? "glorotUniform",
        seed: context.seed,
        params,
      }),
      { dataset: dataset.path, splits: splits.path },
      context.outputs,
      context,
    );
  },
});
