/** Parameters of the training stages. */
import { z } from "zod";
import { type Choice, definedChoice, OUTPUT, useOf } from "../../packages/pipeline/define.ts";
import { augmentation } from "./augment.ts";
import { metricsParam } from "./further_metrics.ts";
import { losses } from "./losses.ts";
import { initializers } from "./network_options.ts";
import { optimizers } from "./optimizers.ts";
import { samplings } from "./sampling.ts";
import { schedules } from "./schedule.ts";
import { initParam, teacherParam } from "./trained_models.ts";

const earlyStopping = z.strictObject({
  monitor: z.union([
    z.enum(["val_loss", "loss", "val_metric", "metric"]),
    z.string().regex(
      /^val_[\p{L}\p{N}_@.+ -]+$/u,
      "expected val_loss, loss, val_metric, metric, or val_ and the name of one of `metrics`",
    ),
  ]).default("val_loss").describe(
    "Monitored column of history.csv; val_NAME: one of `metrics`, val_COLUMN_NAME where several heads " +
      "have it. val_metric of several heads is their loss without penalties",
  ),
  patience: z.int().min(1).default(3).describe(
    "Epochs without improvement before training stops; as many as `epochs` disable early stopping",
  ),
  restoreBest: z.boolean().default(false).describe(
    "Restore the weights of the best epoch. false, the default of Keras and of the 2021 networks, " +
      "keeps those of the last epoch",
  ),
});

export type EarlyStoppingParams = z.output<typeof earlyStopping>;

/** An export format, in addition to TensorFlow.js's. */
export type ExportFormat = "onnx";

/** Parameters of every training, with the defaults of the 2021 networks. */
export const trainingParams = {
  batchSize: z.int().min(1).max(4096).default(64).describe(
    "Images per training step. Use smaller batches on small data sets",
  ),
  epochs: z.int().min(1).max(10_000).default(20).describe("Maximum number of epochs"),
  learningRate: z.number().gt(0).max(1).default(0.001).describe(
    "Learning rate; the peak of a schedule. 0.001 is Keras's default for Adam; the 2021 paper " +
      "does not state one",
  ),
  earlyStopping: earlyStopping.prefault({}).describe("Early stopping"),
  batchNormMomentum: z.number().min(0).lt(1).default(0.99).describe(
    "Momentum of batch normalization's moving averages. Validation metrics are meaningful after " +
      "hundreds of steps with 0.99, the default of Keras and of the 2021 networks, and after tens " +
      "of steps with 0.9",
  ),
  dropout: z.number().min(0).lt(1).default(0.25).describe("Dropout rate"),
  export: z.array(z.enum(["onnx"])).default([]).describe(
    "Additional formats. onnx: model.onnx, for onnxruntime and others. Its input is RGB bytes as in " +
      "images.npy, [batch, size, size, 3]",
  ),
};

/** Second spellings of parameters within choices, for every training stage. */
export const trainingAliases = {
  learningRate: "optimizer.learningRate",
  weightDecay: "optimizer.weightDecay",
  warmup: "schedule.warmup",
  dropout: "network.dropout",
  batchNormMomentum: "network.batchNormMomentum",
  initializer: "network.initializer",
};

export const initializerParam = z.enum(initializers);
export const anyInitializer = initializerParam.optional().describe(
  "Distribution of the initial weights. Default: that of the network",
);

const weightDecay = z.number().min(0).max(1).describe(
  "Decoupled weight decay (AdamW), applied to kernels only",
);
const warmup = z.number().min(0).max(0.5).describe(
  "cosine, linear: warmup steps, as a share of all steps",
);
const optimizer = definedChoice("optimizer", optimizers, "adamw").optional().describe(
  "Optimizer. Default: adam; adamw if `weightDecay` is set",
);
const sampling = definedChoice("sampling", samplings, "shuffle").optional().describe(
  "Order in which an epoch takes the training images. Default: shuffle",
);
const metrics = metricsParam.optional().describe(
  "Further metrics of the validation set after each epoch: columns val_NAME of history.csv, in " +
    "epoch lines and TensorBoard's curves, without test-time augmentation. Default: none",
);
/** Parameters of every stage that trains, whose defaults none of them changes. */
const shared = { init: initParam, teacher: teacherParam, optimizer, sampling, metrics };
const augment = z.union([z.literal(false), augmentation]);
const AUGMENT =
  "Data augmentation: limits of uniformly drawn changes of each training image; false " +
  "disables it";
const MIRROR =
  "Test-time augmentation: averages predictions over the image and its mirror image, in " +
  "the report, predictions, the webcam page and model.onnx. Doubles inference time; history.csv is " +
  "computed without it";

const lossParam = (predicted: readonly ("classes" | "years")[], fallback: string) => {
  const fitting = losses.filter(({ of }) => of.some((one) => predicted.includes(one)));
  return definedChoice("loss", fitting, fallback).optional();
};

export const classLoss = lossParam(["classes"], "crossEntropy").describe(
  "Loss. Default: crossEntropy",
);
export const quantityLoss = lossParam(["years"], "mae").describe(
  "Loss. ageDistribution and ordinal are of target: age alone. Default: mae",
);
/** Loss of a stage that predicts classes or years. */
export const anyLoss = lossParam(["classes", "years"], "").describe(
  "Loss. Default: mae for regression, crossEntropy for classes",
);

const headParam = (loss: ReturnType<typeof lossParam>, weight: string) =>
  z.strictObject({ loss, weight: z.number().gt(0).optional().describe(weight) }).optional();

/** Threshold of stages that predict classes. */
export const abstain = z.number().gt(0).lt(1).optional().describe(
  "Maximum share of errors among predicted classes that are not called uncertain. The threshold on " +
    "their probability comes from the calibration set (split.calibration). Default: none is uncertain",
);

/** Training parameters of one task beside those of every training; absent ones have no effect. */
export const singleParams = {
  ...shared,
  weightDecay: weightDecay.optional(),
  schedule: definedChoice("schedule", schedules, "constant").optional().describe(
    "Learning rate schedule. Default: constant",
  ),
  warmup: warmup.optional(),
  augment: augment.optional().describe(`${AUGMENT}. Default: false`),
  mirror: z.boolean().optional().describe(`${MIRROR}. Default: false`),
};

// A column is also the name of an output.
const column = z.string().regex(
  OUTPUT,
  "expected letters, digits, _, and within spaces and - (columns of a preset give other names)",
);

/** Training parameters of a joint network. */
export const jointParams = {
  classes: z.array(column.refine((name) => name !== "age", {
    message: "expected a column other than age, which belongs to numbers",
  })).optional().describe(
    "Columns of the labels whose values are classes, a head and a model for each. Default: gender",
  ),
  numbers: z.array(column.refine((name) => name !== "gender", {
    message: "expected a column other than gender, which belongs to classes",
  })).optional().describe("Columns of numbers, a head and a model for each. Default: age"),
  weights: z.strictObject({
    gender: z.number().gt(0).default(1).describe("Weight of the gender loss, a cross-entropy"),
    age: z.number().gt(0).default(1).describe(
      "Weight of the age loss: a cross-entropy, or an MAE in years, which is larger",
    ),
  }).prefault({}).describe("Loss weights of gender and age"),
  age: z.enum(["distribution", "years"]).default("distribution").describe(
    "Output of the age head. distribution: label distribution learning, with a normal distribution " +
      "around the true age; years: regression, as in the 2021 networks",
  ),
  ageSpread: z.number().min(2).max(20).default(4).describe(
    "distribution: standard deviation of the label distribution, years. From 8 on, ages near 0 and 100 " +
      "lean to the middle",
  ),
  ageReading: z.enum(["median", "mean"]).default("median").describe(
    "distribution: estimator of the age. median (the mean of the middle fifth) minimizes the mean " +
      "absolute error, mean the mean squared error",
  ),
  mirror: z.boolean().default(true).describe(MIRROR),
  batchSize: trainingParams.batchSize.default(32),
  epochs: trainingParams.epochs.default(28),
  learningRate: trainingParams.learningRate.default(0.003),
  schedule: definedChoice("schedule", schedules, "cosine").default("cosine").describe(
    "Learning rate schedule",
  ),
  warmup: warmup.default(0.05),
  weightDecay: weightDecay.default(0.05),
  augment: augment.prefault({}).describe(AUGMENT),
  earlyStopping: earlyStopping.optional().describe(
    "Early stopping. Default: none, because cosine decay needs its last epochs; the last weights are " +
      "kept",
  ),
  export: trainingParams.export,
  batchNormMomentum: trainingParams.batchNormMomentum.default(0.9),
  dropout: trainingParams.dropout.default(0.3),
  ...shared,
  heads: z.strictObject({
    gender: headParam(classLoss, "Loss weight, as `weights.gender`").describe("Head of gender"),
    age: headParam(
      lossParam(["years"], "ageDistribution").describe("Loss. Default: as `age` names it"),
      "Loss weight, as `weights.age`",
    ).describe("Head of age"),
  }).catchall(headParam(anyLoss, "Loss weight. Default: 1")).optional().describe(
    "Losses of heads, by column. Rows without a head's label do not count for it",
  ),
};

/** Parameters of any training, as validated. */
export type TrainingParams =
  & Omit<z.output<z.ZodObject<typeof trainingParams>>, "dropout" | "earlyStopping">
  & Partial<z.output<z.ZodObject<typeof singleParams>>>
  & { earlyStopping?: EarlyStoppingParams; abstain?: number };

/** Returns the parameters that optimizer or schedule leave without effect, with the reason. */
export function unusedTraining(
  { optimizer, schedule = "constant" }: { optimizer?: Choice; schedule?: Choice },
): Record<string, string> {
  const [optimizerName, scheduleName] = [optimizer, schedule].map((one) => one && useOf(one));
  return {
    ...optimizerName === "adam" ? { weightDecay: "with optimizer: adam; adamw has it" } : {},
    ...["constant", "step", "exponential"].includes(scheduleName!)
      ? { warmup: `with schedule: ${scheduleName}` }
      : {},
  };
}

/** Second spellings of the parameters of a joint network alone. */
export const jointAliases = {
  "weights.gender": "heads.gender.weight",
  "weights.age": "heads.age.weight",
  ageSpread: "heads.age.loss.spread",
  ageReading: "heads.age.loss.reading",
};
