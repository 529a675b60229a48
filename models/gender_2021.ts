/** The 2021 network for gender; with some dense layers omitted, also that for age classes. */
import { z } from "zod";
import type { layers } from "@tensorflow/tfjs-layers";
import {
  defineNetwork,
  type NetworkOptions,
  type Tfjs,
} from "../faces/training/training_definitions.ts";
import { genderDense, genderDenseUnits } from "../faces/training/network_options.ts";

/**
 * Builds the convolutional blocks of both 2021 networks. Four times: convolution 2×2 → ReLU → batch
 * normalization → max pooling 2×2; then flattened. [batch, size, size, 3] → [batch, ⌈size / 16⌉² · 128]
 * @param l2 penalty on the convolutions' kernels. Default: 0
 */
export function convolutionBlocks(
  { layers, regularizers }: Tfjs,
  { initializer, batchNormMomentum }: NetworkOptions,
  l2 = 0,
): layers.Layer[] {
  const blocks = [16, 32, 64, 128].flatMap<layers.Layer>((filters, i) => [
    layers.conv2d({
      name: `conv${i + 1}`,
      filters,
      kernelSize: 2,
      padding: "same",
      activation: "relu",
      kernelInitializer: initializer,
      ...(l2 > 0 ? { kernelRegularizer: regularizers.l2({ l2 }) } : {}),
    }),
    layers.batchNormalization({ name: `convNorm${i + 1}`, momentum: batchNormMomentum }),
    layers.maxPooling2d({ name: `pool${i + 1}`, poolSize: 2, strides: 2, padding: "same" }),
  ]);
  return [...blocks, layers.flatten({ name: "flatten" })];
}

export const gender2021 = defineNetwork({
  name: "gender2021",
  former: ["report"],
  summary: "The 2021 network for gender",
  initializers: { trunk: "glorotUniform", heads: "glorotUniform" },
  modelName: (heads) => heads > 1 ? "reportJoint" : "reportGender",
  params: z.strictObject({
    leaveOut: z.array(z.literal([...genderDenseUnits])).optional().describe(
      "Dense layers to omit, identified by their units",
    ),
  }),
  trunk(options, tfjs) {
    const { leaveOut = [], dropout } = options, { layers } = tfjs;
    const { initializer: kernelInitializer, batchNormMomentum: momentum } = options;
    const dense = genderDense.filter(({ units }) => !leaveOut.includes(units));
    return [
      ...convolutionBlocks(tfjs, options),
      ...dense.flatMap(({ units, normalize, drop }) => [
        layers.dense({ name: `dense${units}`, units, activation: "relu", kernelInitializer }),
        ...(normalize ? [layers.batchNormalization({ name: `norm${units}`, momentum })] : []),
        ...(drop ? [layers.dropout({ name: `dropout${units}`, rate: dropout })] : []),
      ]),
    ];
  },
});
