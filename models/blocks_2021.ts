/** The convolutional blocks that the report's networks have in common. */
import { layers, regularizers } from "@tensorflow/tfjs-layers";
import type { Initializer } from "../faces/training/network_options.ts";

/** Filters of the four blocks. */
export const blockFilters = [16, 32, 64, 128];

export interface BlockOptions {
  /** Height and width of the input image. */
  size: number;
  initializer: Initializer;
  batchNormMomentum: number;
  /** L2 penalty on the convolutions' kernels; 0 for none. */
  l2?: number;
}

/**
 * Four times: convolution 2×2 → ReLU → batch normalisation → max pooling 2×2; then all in one row.
 * [batch, size, size, 3] → [batch, ⌈size / 16⌉² · 128]
 */
export function convolutionBlocks(options: BlockOptions): layers.Layer[] {
  const { size, initializer, batchNormMomentum, l2 = 0 } = options;
  const blocks = blockFilters.flatMap<layers.Layer>((filters, i) => [
    layers.conv2d({
      name: `conv${i + 1}`,
      ...(i === 0 ? { inputShape: [size, size, 3] } : {}),
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
