import { z } from "zod";
import { genderDenseUnits } from "../faces/training/network_options.ts";
import { classTask } from "../faces/training/tasks.ts";
import { abstain, classLoss, initializerParam } from "../faces/training/training_params.ts";
import { defineTraining, networkParam } from "./training_stage.ts";

export default defineTraining({
  name: "trainGender",
  summary: "Train a network for gender",
  first: {},
  initializer: initializerParam.default("glorotUniform").describe(
    "Distribution of the initial weights. The 2021 paper does not specify it for this " +
      "network; glorotUniform is Keras's default",
  ),
  options: {
    leaveOut: z.array(z.literal([...genderDenseUnits])).default([]).describe(
      "gender2021: dense layers to omit, identified by their units",
    ),
  },
  network: networkParam("gender2021").optional().describe("Network. Default: gender2021"),
  last: { abstain, loss: classLoss },
  aliases: { leaveOut: "network.leaveOut" },
  learn: () => ({ task: classTask("gender"), network: "gender2021" }),
});
