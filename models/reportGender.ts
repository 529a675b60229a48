/** The report's genderDetectionCNN; with some dense layers left out, also its network for age classes. */
import { layers, type LayersModel, sequential } from "@tensorflow/tfjs-layers";
import { convolutionBlocks } from "./blocks.ts";
import { initialise, type Initializer } from "./initialise.ts";

/** The dense layers, each followed by ReLU; the first ones also by normalisation and dropout. */
export const denseLayers = [
  { units: 512, normalise: true, drop: true },
  { units: 256, normalise: true, drop: true },
  { units: 128, normalise: true, drop: true },
  { units: 64, normalise: true, drop: false },
  { units: 16, normalise: false, drop: false },
] as const;

/** A dense layer is named by its number of units. */
export type DenseUnits = (typeof denseLayers)[number]["units"];
export const denseUnits = denseLayers.map(({ units }) => units);

export interface ReportGenderOptions {
  /** Height and width of the input image. */
  size: number;
  classes: number;
  seed: number;
  dropout?: number;
  batchNormMomentum?: number;
  initializer?: Initializer;
  /** Dense layers that the network does without. */
  leaveOut?: readonly DenseUnits[];
}

/** An uncompiled network: [batch, size, size, 3], 0 to 1 → [batch, classes], probabilities. */
export function reportGender(options: ReportGenderOptions): LayersModel {
  const { size, classes, seed, dropout = 0.25, leaveOut = [] } = options;
  const { batchNormMomentum = 0.99, initializer = "glorotUniform" } = options;
  const model = sequential({
    name: "reportGender",
    layers: [
      ...convolutionBlocks({ size, initializer, batchNormMomentum }),
      ...denseLayers.filter(({ units }) => !leaveOut.includes(units)).flatMap((
        { units, normalise, drop },
      ) => [
        layers.dense({
          name: `dense${units}`,
          units,
          activation: "relu",
          kernelInitializer: initializer,
        }),
        ...(normalise
          ? [layers.batchNormalization({ name: `norm${units}`, momentum: batchNormMomentum })]
          : []),
        ...(drop ? [layers.dropout({ name: `dropout${units}`, rate: dropout })] : []),
      ]),
      layers.dense({ name: "logits", units: classes, kernelInitializer: initializer }),
      // A layer of its own: the loss is computed from the logits, which is stable.
      layers.activation({ name: "probabilities", activation: "softmax" }),
    ],
  });
  initialise(model, seed);
  return model;
}
