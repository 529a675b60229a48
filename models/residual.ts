/** Residual networks. */
import { z } from "zod";
import type { layers, SymbolicTensor } from "@tensorflow/tfjs-layers";
import {
  defineNetwork,
  type NetworkOptions,
  type Tfjs,
} from "../faces/training/training_definitions.ts";
import { activationLayer, activations } from "./activations.ts";

/** Returns a function that applies layers in sequence. */
export function chain(...stack: layers.Layer[]): (x: SymbolicTensor) => SymbolicTensor {
  return (x) => stack.reduce((value, layer) => layer.apply(value) as SymbolicTensor, x);
}

/** Returns a function that makes a convolution without bias, and its batch normalization. */
export function convolutions({ layers }: Tfjs, options: NetworkOptions) {
  return (name: string, filters: number, kernelSize: number, strides = 1): layers.Layer[] => [
    layers.conv2d({
      name,
      filters,
      kernelSize,
      strides,
      padding: "same",
      useBias: false,
      kernelInitializer: options.initializer,
    }),
    layers.batchNormalization({ name: `${name}_norm`, momentum: options.batchNormMomentum }),
  ];
}

/**
 * Squeeze-and-excitation: weights each channel by its mean over the image, through two dense layers.
 * Hu et al., "Squeeze-and-excitation networks" (2018).
 */
export function squeezeExcitation(
  { layers }: Tfjs,
  name: string,
  channels: number,
  kernelInitializer: NetworkOptions["initializer"],
): (x: SymbolicTensor) => SymbolicTensor {
  const units = Math.max(4, Math.round(channels / 8));
  const weigh = chain(
    layers.globalAveragePooling2d({ name: `${name}_squeeze` }),
    layers.dense({ name: `${name}_reduce`, units, activation: "relu", kernelInitializer }),
    layers.dense({ name: `${name}_expand`, units: channels, activation: "sigmoid" }),
    layers.reshape({ name: `${name}_weights`, targetShape: [1, 1, channels] }),
  );
  return (x) => layers.multiply({ name: `${name}_excite` }).apply([x, weigh(x)]) as SymbolicTensor;
}

export const residual = defineNetwork({
  name: "residual",
  summary: "Blocks of two convolutions with a shortcut (He et al., 2016)",
  params: z.strictObject({
    filters: z.array(z.int().min(1).max(1024)).min(1).default([32, 64, 128]).describe(
      "Filters of each group of blocks; each group after the first halves the image",
    ),
    blocks: z.int().min(1).max(32).default(2).describe("Blocks per group"),
    kernelSize: z.int().min(1).max(7).default(3).describe("Height and width of the kernels"),
    activation: z.enum(activations).default("relu").describe("Activation"),
    squeezeExcitation: z.boolean().default(false).describe(
      "Squeeze-and-excitation at the end of each block",
    ),
  }),
  trunk(options, tfjs, image) {
    const { filters, blocks, kernelSize, activation, initializer, dropout } = options;
    const { layers } = tfjs, convolution = convolutions(tfjs, options);
    const act = (name: string) => activationLayer(tfjs, `${name}_act`, activation);
    let x = chain(...convolution("stem", filters[0], kernelSize), act("stem"))(image);
    for (const [g, channels] of filters.entries()) {
      for (let b = 0; b < blocks; b++) {
        const name = `block${g + 1}_${b + 1}`;
        const strides = g > 0 && b === 0 ? 2 : 1;
        const change = strides > 1 || x.shape.at(-1) !== channels;
        const shortcut = change
          ? chain(...convolution(`${name}_shortcut`, channels, 1, strides))(x)
          : x;
        let y = chain(
          ...convolution(`${name}_conv1`, channels, kernelSize, strides),
          act(`${name}_conv1`),
          ...convolution(`${name}_conv2`, channels, kernelSize),
        )(x);
        if (options.squeezeExcitation) y = squeezeExcitation(tfjs, name, channels, initializer)(y);
        const sum = layers.add({ name: `${name}_add` }).apply([y, shortcut]) as SymbolicTensor;
        x = act(name).apply(sum) as SymbolicTensor;
      }
    }
    return chain(
      layers.globalAveragePooling2d({ name: "features" }),
      layers.dropout({ name: "dropout", rate: dropout }),
    )(x);
  },
});
