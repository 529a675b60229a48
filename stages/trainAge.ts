import { z } from "zod";
import { genderDenseUnits } from "../faces/training/network_options.ts";
import { ageTask } from "../faces/training/tasks.ts";
import { abstain, anyLoss, initializerParam } from "../faces/training/training_params.ts";
import { defineTraining, networkParam } from "./training_stage.ts";

export default defineTraining({
  name: "trainAge",
  summary: "Train a network for age",
  first: {
    variant: z.enum(["regression", "multiclass", "binary"]).default("regression").describe(
      "regression: years; multiclass: the eight age bands of the 2021 paper (1-20, 21-32, " +
        "... above 92; age 0 is in the first); binary: at most 60, or above",
    ),
  },
  initializer: initializerParam.optional().describe(
    "Distribution of the initial weights. Default: heNormal for regression, which the " +
      "2021 paper names beside Xavier's (glorotNormal), and glorotUniform, Keras's default," +
      " for classification",
  ),
  options: {
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
  },
  network: networkParam("age2021").optional().describe(
    "Network. Default: age2021 for regression, gender2021 for classes",
  ),
  last: { loss: anyLoss, abstain },
  aliases: {
    leaveOut: "network.leaveOut",
    convolutionL2: "network.convolutionL2",
    denseL2: "network.denseL2",
  },
  unused({ variant, network }): Record<string, string> {
    const reason = `with variant: ${variant}, whose network has no such option`;
    const options: Record<string, string> = variant === "regression"
      ? { leaveOut: reason }
      : { convolutionL2: reason, denseL2: reason };
    return {
      ...network === undefined ? options : {},
      ...variant === "regression"
        ? { abstain: `with variant: ${variant}, which has intervals` }
        : {},
    };
  },
  learn: ({ variant }) => ({
    task: ageTask(variant),
    network: variant === "regression" ? "age2021" : "gender2021",
  }),
});
