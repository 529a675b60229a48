/** The report's genderDetectionCNN; with some dense layers left out, also its network for age classes. */
import { layers, type LayersModel, sequential } from "@tensorflow/tfjs-layers";
import { convolutionBlocks } from "./blocks_2021.ts";
import { initialize } from "../faces/training/initialize.ts";
import {
  type GenderDense,
  genderDense,
  type Initializer,
} from "../faces/training/network_options.ts";

export interface Gender2021Options {
  /** Height and width of the input image. */
  size: number;
  classes: number;
  seed: number;
  dropout?: number;
  batchNormMomentum?: number;
  initializer?: Initializer;
  /** Dense layers that the network does without. */
  leaveOut?: readonly GenderDense[];
}

/** An uncompiled network: [batch, size, size, 3], 0 to 1 → [batch, classes], probabilities. */
export function gender2021(options: Gender2021Options): LayersModel {
  const { classes, seed, initializer = "glorotUniform" } = options;
  const model = sequential({
    name: "reportGender",
    layers: [
      ...gender2021Trunk(options),
      layers.dense({ name: "logits", units: classes, kernelInitializer: initializer }),
      // A layer of its own: the loss is computed from the logits, which is stable.
      layers.activation({ name: "probabilities", activation: "softmax" }),
    ],
  });
  initialize(model, seed);
  return model;
}

/** All its layers but the last: [batch, size, size, 3] → [batch, units of the last that is not left out] */
export function gender2021Trunk(
  options: Omit<Gender2021Options, "classes" | "seed">,
): layers.Layer[] {
  const { size, dropout = 0.25, leaveOut = [] } = options;
  const { batchNormMomentum = 0.99, initializer = "glorotUniform" } = options;
  return [
    ...convolutionBlocks({ size, initializer, batchNormMomentum }),
    ...genderDense.filter(({ units }) => !leaveOut.includes(units)).flatMap((
      { units, normalize, drop },
    ) => [
      layers.dense({
        name: `dense${units}`,
        units,
        activation: "relu",
        kernelInitializer: initializer,
      }),
      ...(normalize
        ? [layers.batchNormalization({ name: `norm${units}`, momentum: batchNormMomentum })]
        : []),
      ...(drop ? [layers.dropout({ name: `dropout${units}`, rate: dropout })] : []),
    ]),
  ];
}
