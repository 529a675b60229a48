/** A deeper network than the report's, for the same small images. */
import { layers } from "@tensorflow/tfjs-layers";
import type { Initializer } from "../faces/training/network_options.ts";

export interface DeepOptions {
  /** Height and width of the input image. */
  size: number;
  dropout: number;
  batchNormMomentum: number;
  initializer: Initializer;
}

/** Filters of the convolutions, block by block; each block ends in pooling. */
const blocks = [[32, 32], [48, 48], [64, 64], [128, 128]];
const units = 128;

/**
 * Convolutions 3×3, each with ReLU and batch normalisation, after VGG (Simonyan and Zisserman, 2014);
 * two before the image is halved for the first time, where a third of the work is: what is so small
 * to begin with wants to be looked at closely. Then one dense layer.
 * [batch, size, size, 3] → [batch, 128]
 */
export function deepTrunk(options: DeepOptions): layers.Layer[] {
  const { size, dropout, batchNormMomentum: momentum, initializer } = options;
  return [
    ...blocks.flatMap((block, b) => [
      ...block.flatMap<layers.Layer>((filters, i) => [
        layers.conv2d({
          name: `conv${b + 1}_${i + 1}`,
          ...(b === 0 && i === 0 ? { inputShape: [size, size, 3] } : {}),
          filters,
          kernelSize: 3,
          padding: "same",
          activation: "relu",
          kernelInitializer: initializer,
        }),
        layers.batchNormalization({ name: `norm${b + 1}_${i + 1}`, momentum }),
      ]),
      layers.maxPooling2d({ name: `pool${b + 1}`, poolSize: 2, strides: 2, padding: "same" }),
    ]),
    layers.flatten({ name: "flatten" }),
    layers.dense({
      name: "dense",
      units,
      activation: "relu",
      kernelInitializer: initializer,
    }),
    layers.batchNormalization({ name: "normDense", momentum }),
    layers.dropout({ name: "dropout", rate: dropout }),
  ];
}
