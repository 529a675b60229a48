/** The 2021 network for age in years. */
import { z } from "zod";
import { defineNetwork } from "../faces/training/training_definitions.ts";
import { convolutionBlocks } from "./gender_2021.ts";

export const age2021 = defineNetwork({
  name: "age2021",
  summary: "The 2021 network for age in years",
  initializers: { trunk: "heNormal", heads: "heNormal" },
  modelName: () => "reportAge",
  params: z.strictObject({
    convolutionL2: z.number().min(0).optional().describe(
      "L2 penalty on the kernels of the convolutions. Default: 0.0005",
    ),
    denseL2: z.number().min(0).optional().describe(
      "L2 penalty on the kernels and biases of the dense layers. Default: 0.1",
    ),
  }),
  trunk(options, tfjs) {
    const { dropout, initializer, convolutionL2 = 0.0005, denseL2 = 0.1 } = options;
    const { layers, regularizers } = tfjs;
    const penalty = denseL2 > 0 ? regularizers.l2({ l2: denseL2 }) : undefined;
    const dense = (units: number) => [
      layers.dense({
        name: `dense${units}`,
        units,
        kernelInitializer: initializer,
        kernelRegularizer: penalty,
        biasRegularizer: penalty,
      }),
      layers.leakyReLU({ name: `leaky${units}`, alpha: 0.2 }),
    ];
    return [
      ...convolutionBlocks(tfjs, options, convolutionL2),
      ...dense(256),
      layers.dropout({ name: "dropout256", rate: dropout }),
      ...dense(64),
      ...dense(32),
    ];
  },
});
