import { z } from "zod";
import { defineStage } from "../runner/stage.ts";
import { initializerParam, jointParams } from "../training/params.ts";
import { dataset, model, splits } from "./artifacts.ts";

export default defineStage({
  name: "trainJoint",
  summary: "Train one network for gender and age together",
  inputs: { dataset, splits },
  outputs: { gender: model, age: model },
  params: z.strictObject({
    network: z.enum(["best", "report"]).default("best").describe(
      "best: eight convolutions of 3×3 and one dense layer; report: the layers of the report's " +
        "gender network. Either ends in one head for gender and one for age",
    ),
    ...jointParams,
    dropout: z.number().min(0).lt(1).default(0.3).describe(
      "Share of the values that dropout leaves out in training",
    ),
    initializer: initializerParam.optional().describe(
      "Distribution of the initial weights. Default: in best, heNormal before ReLU and glorotUniform, " +
        "the default of Keras, in the heads; in report, glorotUniform",
    ),
  }),
  seeded: true,
  compute: true,
  async run({ dataset, splits }, params, context) {
    const { fitJoint } = await import("../training/fitJoint.ts");
    const { bestTrunk } = await import("../models/best.ts");
    const { reportGenderTrunk } = await import("../models/reportGender.ts");
    const { network, dropout, batchNormMomentum } = params;
    const best = network === "best";
    const initializer = params.initializer ?? (best ? "heNormal" : "glorotUniform");
    const options = { dropout, batchNormMomentum, initializer };
    return await fitJoint(
      {
        name: best ? "best" : "reportJoint",
        trunk: (size) => () =>
          best ? bestTrunk({ size, ...options }) : reportGenderTrunk({ size, ...options }),
        initializer: params.initializer ?? "glorotUniform",
        params,
      },
      {
        dataset: dataset.path,
        splits: splits.path,
        gender: context.outputs.gender,
        age: context.outputs.age,
      },
      context,
    );
  },
});
