/** Networks of depthwise separable convolutions. */
import { z } from "zod";
import { defineNetwork } from "../faces/training/training_definitions.ts";
import { activationLayer, activations } from "./activations.ts";
import { chain, convolutions, squeezeExcitation } from "./residual.ts";

export const mobile = defineNetwork({
  name: "mobile",
  summary: "Depthwise separable convolutions: few multiply-adds (Howard et al., 2017)",
  params: z.strictObject({
    stem: z.int().min(1).max(1024).default(16).describe("Filters of the first convolution, 3×3"),
    filters: z.array(z.int().min(1).max(1024)).min(1).default([32, 64, 128]).describe(
      "Filters of each group of convolutions; each group halves the image",
    ),
    blocks: z.int().min(1).max(32).default(2).describe("Separable convolutions per group"),
    kernelSize: z.int().min(1).max(7).default(3).describe("Height and width of depthwise kernels"),
    activation: z.enum(activations).default("relu").describe("Activation"),
    squeezeExcitation: z.boolean().default(false).describe(
      "Squeeze-and-excitation between the depthwise and the pointwise convolution",
    ),
  }),
  trunk(options, tfjs, image) {
    const { stem, filters, blocks, kernelSize, activation, initializer, dropout } = options;
    const { layers } = tfjs, convolution = convolutions(tfjs, options);
    const act = (name: string) => activationLayer(tfjs, `${name}_act`, activation);
    let x = chain(...convolution("stem", stem, 3), act("stem"))(image);
    for (const [g, channels] of filters.entries()) {
      for (let b = 0; b < blocks; b++) {
        const name = `block${g + 1}_${b + 1}`, inside = x.shape.at(-1)!;
        x = chain(
          layers.depthwiseConv2d({
            name: `${name}_depthwise`,
            kernelSize,
            strides: b === 0 ? 2 : 1,
            padding: "same",
            useBias: false,
            depthwiseInitializer: initializer,
          }),
          layers.batchNormalization({
            name: `${name}_depthwise_norm`,
            momentum: options.batchNormMomentum,
          }),
          act(`${name}_depthwise`),
        )(x);
        if (options.squeezeExcitation) x = squeezeExcitation(tfjs, name, inside, initializer)(x);
        x = chain(...convolution(`${name}_pointwise`, channels, 1), act(`${name}_pointwise`))(x);
      }
    }
    return chain(
      layers.globalAveragePooling2d({ name: "features" }),
      layers.dropout({ name: "dropout", rate: dropout }),
    )(x);
  },
});
