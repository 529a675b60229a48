import { z } from "zod";
import {
  abstain,
  initializerParam,
  jointAliases,
  jointParams,
} from "../faces/training/training_params.ts";
import { classTask, quantityTask } from "../faces/training/tasks.ts";
import { networks } from "../models/mod.ts";
import { defineStage } from "../packages/pipeline/stage.ts";
import { model } from "./kinds.ts";
import {
  labelsAhead,
  networkParam,
  trainingCheck,
  trainingStage,
  trainingStageParams,
} from "./training_stage.ts";

export default defineStage({
  ...trainingStage,
  name: "trainJoint",
  summary: "Train one network for gender and age jointly",
  outputs: { gender: model, age: model },
  params: trainingStageParams(
    z.strictObject({
      network: networkParam("deep").default("best").describe(
        "Network, which ends in one head for gender and one for age",
      ),
      ...jointParams,
      abstain,
      initializer: initializerParam.optional().describe(
        "Distribution of the initial weights. Default: heNormal before ReLU and glorotUniform, " +
          "Keras's default, in the heads; for gender2021, glorotUniform; for age2021, heNormal",
      ),
    }),
    jointAliases,
    ({ age, heads }): Record<string, string> => {
      const loss = heads?.age?.loss;
      const used = (typeof loss === "object" ? loss.use : loss) ??
        (age === "years" ? "years" : "ageDistribution");
      const reason = used === "years"
        ? "with age: years, because only distribution uses it"
        : `with the loss ${used} of age`;
      return {
        ...loss === undefined ? {} : { age: "with heads.age.loss, which names the loss of age" },
        ...used === "ageDistribution" ? {} : { ageSpread: reason, ageReading: reason },
      };
    },
  ),
  check: trainingCheck(({ heads }) => [
    { task: classTask("gender"), loss: heads?.gender?.loss, path: ["heads", "gender", "loss"] },
    { task: quantityTask("age"), loss: heads?.age?.loss, path: ["heads", "age", "loss"] },
  ]),
  checkAhead: labelsAhead(() => classTask("gender")),
  async run(inputs, params, context) {
    const { trainJoint } = await import("../faces/training/train_model.ts");
    return await trainJoint(inputs, { networks, params, context });
  },
});
