/** Plain convolutional networks, after VGG. */
import { z } from "zod";
import type { layers } from "@tensorflow/tfjs-layers";
import {
  defineNetwork,
  type NetworkOptions,
  type Tfjs,
} from "../faces/training/training_definitions.ts";
import { activationLayer, activations, normalizations } from "./activations.ts";

const count = z.int().min(1).max(4096);

const params = z.strictObject({
  blocks: z.array(z.array(count).min(1)).min(1).default([[32, 32], [64, 64]]).describe(
    "Filters of the convolutions, block by block; each block ends in pooling",
  ),
  kernelSize: z.int().min(1).max(7).default(3).describe("Height and width of all kernels"),
  activation: z.enum(activations).default("relu").describe("Activation after each layer"),
  pooling: z.enum(["max", "average", "none"]).default("max").describe(
    "Pooling 2×2 at the end of each block",
  ),
  normalization: z.enum(normalizations).default("batch").describe(
    "Normalization after each activation",
  ),
  dense: z.array(count).default([128]).describe("Units of the dense layers after flattening"),
});

/** [batch, size, size, 3] → [batch, units of the last dense layer] */
function trunk(options: NetworkOptions & z.output<typeof params>, tfjs: Tfjs): layers.Layer[] {
  const { dropout, initializer: kernelInitializer, batchNormMomentum: momentum } = options;
  const { blocks, kernelSize, activation, pooling, normalization, dense } = options;
  const { layers } = tfjs;
  const fused = activation === "leakyRelu" ? undefined : activation as "relu";
  const after = (suffix: string) => [
    ...fused ? [] : [activationLayer(tfjs, `act${suffix}`, activation)],
    ...normalization === "batch"
      ? [layers.batchNormalization({ name: `norm${suffix}`, momentum })]
      : normalization === "layer"
      ? [layers.layerNormalization({ name: `norm${suffix}` })]
      : [],
  ];
  const pool = (name: string) => {
    const config = { name, poolSize: 2, strides: 2, padding: "same" } as const;
    if (pooling === "none") return [];
    return [pooling === "max" ? layers.maxPooling2d(config) : layers.averagePooling2d(config)];
  };
  return [
    ...blocks.flatMap((block, b) => [
      ...block.flatMap<layers.Layer>((filters, i) => [
        layers.conv2d({
          name: `conv${b + 1}_${i + 1}`,
          filters,
          kernelSize,
          padding: "same",
          activation: fused,
          kernelInitializer,
        }),
        ...after(`${b + 1}_${i + 1}`),
      ]),
      ...pool(`pool${b + 1}`),
    ]),
    layers.flatten({ name: "flatten" }),
    ...dense.flatMap((units, d) => {
      const suffix = d === 0 ? "" : String(d + 1);
      return [
        layers.dense({ name: `dense${suffix}`, units, activation: fused, kernelInitializer }),
        ...after(`Dense${suffix}`),
        layers.dropout({ name: `dropout${suffix}`, rate: dropout }),
      ];
    }),
  ];
}

export const plain = defineNetwork({
  name: "plain",
  summary: "Blocks of convolutions, then dense layers (Simonyan and Zisserman, 2014)",
  params,
  trunk,
});

/** Two convolutions before the image is halved for the first time, where a third of the work is. */
const DEEP = { blocks: [[32, 32], [48, 48], [64, 64], [128, 128]], dense: [128] };

export const deep = defineNetwork({
  name: "deep",
  former: ["best"],
  summary: "Eight 3×3 convolutions and one dense layer, for gender and age",
  modelName: () => "best",
  params: z.strictObject({}),
  trunk: (options, tfjs) => trunk({ ...params.parse(DEEP), ...options }, tfjs),
});
