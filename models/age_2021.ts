/** The report's network for age as a number of years. */
import { layers, type LayersModel, regularizers, sequential } from "@tensorflow/tfjs-layers";
import { convolutionBlocks } from "./blocks_2021.ts";
import { initialize } from "../faces/training/initialize.ts";
import type { Initializer } from "../faces/training/network_options.ts";

export interface Age2021Options {
  /** Height and width of the input image. */
  size: number;
  seed: number;
  dropout?: number;
  batchNormMomentum?: number;
  initializer?: Initializer;
  /** L2 penalty on the convolutions' kernels. */
  convolutionL2?: number;
  /** L2 penalty on kernel and bias of the three dense layers. */
  denseL2?: number;
}

/** An uncompiled network: [batch, size, size, 3], 0 to 1 → [batch, 1], years. */
export function age2021(options: Age2021Options): LayersModel {
  const { size, seed, dropout = 0.25, batchNormMomentum = 0.99 } = options;
  const { initializer = "heNormal", convolutionL2 = 0.0005, denseL2 = 0.1 } = options;
  const dense = (units: number) => [
    layers.dense({
      name: `dense${units}`,
      units,
      kernelInitializer: initializer,
      ...(denseL2 > 0
        ? {
          kernelRegularizer: regularizers.l2({ l2: denseL2 }),
          biasRegularizer: regularizers.l2({ l2: denseL2 }),
        }
        : {}),
    }),
    layers.leakyReLU({ name: `leaky${units}`, alpha: 0.2 }),
  ];
  const model = sequential({
    name: "reportAge",
    layers: [
      ...convolutionBlocks({ size, initializer, batchNormMomentum, l2: convolutionL2 }),
      ...dense(256),
      layers.dropout({ name: "dropout256", rate: dropout }),
      ...dense(64),
      ...dense(32),
      layers.dense({ name: "years", units: 1, kernelInitializer: initializer }),
    ],
  });
  initialize(model, seed);
  return model;
}
