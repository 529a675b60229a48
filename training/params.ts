/** The parameters that every training has, with the report's values as defaults. */
import { z } from "zod";
import { initializers } from "../models/options.ts";

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
