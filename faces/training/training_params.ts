/** Parameters of trainings: those of the report's networks, with its values, and those of one for both. */
import { z } from "zod";
import { initializers } from "./network_options.ts";

export const earlyStoppingParams = z.strictObject({
  monitor: z.enum(["val_loss", "loss", "val_metric", "metric"]).default("val_loss").describe(
    "The column of history.csv that is watched",
  ),
  patience: z.int().min(1).default(3).describe(
    "Epochs without a better value after which the training ends; as many as `epochs` for never",
  ),
  restoreBest: z.boolean().default(false).describe(
    "Keep the weights of the best epoch. false, the default of Keras, which the report used, " +
      "keeps the last ones",
  ),
});

/** Formats in which a model may leave beside TensorFlow.js's. */
export const exportFormats = ["onnx"] as const;
export type ExportFormat = typeof exportFormats[number];

export const trainingParams = {
  batchSize: z.int().min(1).max(4096).default(64).describe(
    "Images a step. Fewer make more steps of the same epoch, which few images need",
  ),
  epochs: z.int().min(1).max(10_000).default(20).describe("Times that each image is seen, at most"),
  learningRate: z.number().gt(0).max(1).default(0.001).describe(
    "Step size of Adam. The report leaves it open; 0.001 is the default of Keras",
  ),
  earlyStopping: earlyStoppingParams.prefault({}).describe("When to stop before the last epoch"),
  batchNormMomentum: z.number().min(0).lt(1).default(0.99).describe(
    "How much of its moving averages batch normalisation keeps at each step. The default of Keras, " +
      "0.99, which the report used, needs hundreds of steps until validation means anything; 0.9 " +
      "needs tens",
  ),
  dropout: z.number().min(0).lt(1).default(0.25).describe(
    "Share of the values that dropout leaves out in training",
  ),
  export: z.array(z.enum(exportFormats)).default([]).describe(
    "Other formats to write the model in. onnx: model.onnx, which onnxruntime and others run. Its " +
      "input are RGB bytes as images.npy has them, [batch, size, size, 3]",
  ),
};

export const initializerParam = z.enum(initializers);

const share = (most: number) => z.number().min(0).max(most);

const augmentParams = z.strictObject({
  flip: z.boolean().default(true).describe("Mirror half of the images"),
  shift: share(0.5).default(0.1).describe("Move by up to this share of the width, in whole pixels"),
  light: share(1).default(0.1).describe("Brighten or darken by up to this share of white"),
  contrast: share(1).default(0.2).describe("Change distances from mid-grey by up to this share"),
  saturation: share(1).default(0.2).describe("Change distances from grey by up to this share"),
  erase: share(1).default(0).describe(
    "Blot out a square of up to this share of the width with noise",
  ),
});

/** One network for gender and age, with what has proved itself since the report as defaults. */
export const jointParams = {
  weights: z.strictObject({
    gender: z.number().gt(0).default(1).describe("Of the loss of gender, a cross-entropy"),
    age: z.number().gt(0).default(1).describe(
      "Of the loss of age: a cross-entropy too, or years, which are larger numbers",
    ),
  }).prefault({}).describe("What the losses of the two tasks count in their sum"),
  age: z.enum(["distribution", "years"]).default("distribution").describe(
    "What the network says of age. distribution: how likely each age is, learnt from a normal " +
      "distribution around the true one; years: one number, as in the report",
  ),
  ageSpread: z.number().min(2).max(20).default(4).describe(
    "distribution: standard deviation in years of what is learnt. Ages are neither known nor to be " +
      "seen to the year",
  ),
  ageReading: z.enum(["median", "mean"]).default("median").describe(
    "distribution: what is read from it. median, more exactly the mean of its middle fifth, has the " +
      "smallest mean absolute error; mean the smallest squared one",
  ),
  mirror: z.boolean().default(true).describe(
    "Once trained, the networks are asked about each face and its mirror image, and the mean is what " +
      "they say, in the report, predictions, the webcam page and model.onnx alike: twice the time, " +
      "and less chance in it. history.csv tells of the face alone",
  ),
  batchSize: z.int().min(1).max(4096).default(32).describe("Images a step"),
  epochs: z.int().min(1).max(10_000).default(28).describe("Times that each image is seen"),
  learningRate: z.number().gt(0).max(1).default(0.003).describe("Step size of Adam, at its height"),
  schedule: z.enum(["cosine", "constant"]).default("cosine").describe(
    "cosine: the step size rises at first, then falls to nothing along half a cosine, so that the " +
      "last steps settle what the large ones found",
  ),
  warmup: z.number().min(0).max(0.5).default(0.05).describe(
    "cosine: share of all steps in which the step size rises",
  ),
  weightDecay: z.number().min(0).max(1).default(0.05).describe(
    "What every kernel loses at each step, times the step size (AdamW): large weights must earn " +
      "their keep",
  ),
  augment: z.union([z.literal(false), augmentParams]).prefault({}).describe(
    "How far each image may be changed each time that it is seen, drawn evenly, both ways; false " +
      "changes none",
  ),
  earlyStopping: earlyStoppingParams.optional().describe(
    "When to stop before the last epoch. Left out: never, since a step size that falls to nothing " +
      "needs its last epochs; the last weights are kept",
  ),
  export: trainingParams.export,
  batchNormMomentum: z.number().min(0).lt(1).default(0.9).describe(
    "How much of its moving averages batch normalisation keeps at each step. 0.9 forgets within " +
      "tens of steps, which thousands of images want; the report's 0.99 is for hundreds of thousands",
  ),
};
