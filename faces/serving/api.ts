/** Schemas of the API, for types, checks and the OpenAPI description. */
import { z } from "zod";

const probability = z.number().min(0).max(1);
const classShape = {
  label: z.string(),
  probability,
  minAge: z.number().optional().describe(
    'Youngest age of the class, in years: 0 of "1 to 20", as the first class has age 0 too',
  ),
  maxAge: z.number().optional().describe("Oldest age of the class; absent: no limit"),
};
const model = z.string().describe("Id of the model");

export const classPrediction = z.object({
  model,
  ...classShape,
  uncertain: z.boolean().optional().describe(
    "Present if the model was trained with abstain; true: the probability is below its threshold, so " +
      "do not use the label",
  ),
  classes: z.array(z.object(classShape)).describe(
    "All classes in the order of the network's outputs; their probabilities sum to 1",
  ),
});

const interval = z.object({
  low: z.number(),
  high: z.number(),
  level: z.number().describe("Share of true values that are inside"),
}).optional().describe("Present if the model was calibrated, on a set of its own");

/** Predicted age in years. */
export const yearsPrediction = z.object({
  model,
  years: z.number().min(0),
  error: z.number().min(0).describe(
    "MAE on the model's validation set, in years, without mirror images; where all its ages are " +
      "intervals, the mean distance to the nearer end",
  ),
  interval,
});

/** Predicted number of another column of the labels. */
export const valuePrediction = z.object({
  model,
  value: z.number().describe("In the unit of the labels"),
  error: z.number().min(0).describe("MAE on the model's validation set"),
  interval,
});

const prediction = z.union([yearsPrediction, valuePrediction, classPrediction]);

export const box = z.object({
  x: z.number(),
  y: z.number(),
  width: z.number(),
  height: z.number(),
}).describe("In pixels of the upright image, from its upper left corner; may exceed its border");

export const face = z.object({
  box,
  score: z.number().describe("Confidence of the detector, 0 to 1; above 1 at times for dlibCnn"),
  gender: classPrediction.optional().describe("Present if a gender model detects the face"),
  age: prediction.optional().describe(
    "Present if an age model detects the face. Of several, not one that is no better than a constant, " +
      "if another is; then the age in years, else the most age groups",
  ),
  predictions: z.array(prediction).describe("Of models that detect the face, in /model's order"),
  crop: z.string().optional().describe(
    "With ?crops=true: the input of the first of these models, a lossless PNG as a data URL",
  ),
});

const milliseconds = z.number().min(0);
export const timings = z.object({
  queue: milliseconds.describe("Waiting for a worker"),
  decode: milliseconds,
  detect: milliseconds,
  crop: milliseconds.describe("Cropping and resizing faces"),
  predict: milliseconds,
  total: milliseconds,
}).describe("In milliseconds");

export const analysis = z.object({
  width: z.int().describe("Of the upright image, in pixels"),
  height: z.int(),
  detector: z.string().describe("Names of all detectors, such as of several models"),
  faces: z.array(face).describe("Highest score first"),
  timings,
});

export const servedModel = z.object({
  id: z.string().describe("Id of the stage that trained it"),
  task: z.string().describe("gender, age, or another column of the labels"),
  variant: z.enum(["binary", "multiclass", "regression"]),
  classes: z.array(z.string()).nullable().describe(
    "null: predicts an age in years, or another number",
  ),
  trained: z.object({
    at: z.string().describe("ISO 8601"),
    images: z.int(),
    datasets: z.record(z.string(), z.int()).describe("Number of images of each data set"),
    epochs: z.int(),
    seed: z.int(),
    backend: z.string(),
    weights: z.int().describe("Number of parameters"),
    pretraining: z.string().optional().describe(
      "Models that it learned from, and the data sets of these; absent: none",
    ),
  }),
  metric: z.enum(["accuracy", "mae"]).describe("mae: mean absolute error, of ages in years"),
  validation: z.object({ images: z.int(), value: z.number() }),
  test: z.object({
    images: z.int(),
    value: z.number(),
    low: z.number().nullable()
      .describe("Lower end of the 95 % interval; null: too few images for one"),
    high: z.number().nullable(),
    guess: z.number().describe("Score of the constant baseline"),
    metrics: z.array(z.object({
      name: z.string().describe("As in metrics.json"),
      title: z.string(),
      unit: z.string().describe("Empty for a share"),
      value: z.number().nullable().describe("null: undefined on this test set"),
      low: z.number().nullable().describe("null: too few images for an interval"),
      high: z.number().nullable(),
    })).describe("Further metrics, named by evaluate.metrics"),
  }).nullable().describe("null: no stage evaluated the model"),
  input: z.int().describe("Width and height of its input images"),
  steps: z.array(z.string()).describe("Preprocessing of its training that serving does not apply"),
});

export const service = z.object({
  models: z.array(servedModel),
  detectors: z.object({
    photo: z.string().describe("Detectors for photos"),
    live: z.string().describe("Detector of the live view"),
  }),
  mode: z.enum(["server", "browser"]).describe("Place of the page's inference"),
  cautions: z.array(z.string()).describe(
    "Limits of the predictions, such as training on synthetic faces, or after a stage that serving " +
      "does not apply",
  ),
  report: z.boolean().describe("True if /report has the evaluation of the models"),
  maxBodyBytes: z.int().describe("Maximum size of a body of /predict"),
});

export const problem = z.object({
  error: z.object({
    code: z.string().describe("For programs: never changes"),
    message: z.string().describe("For people: the error, its reason and the way out"),
  }),
});

export const health = z.object({ status: z.enum(["ready", "starting", "stopping"]) });

export type ClassPrediction = z.output<typeof classPrediction>;
export type Prediction = z.output<typeof prediction>;
export type Face = z.output<typeof face>;
export type Analysis = z.output<typeof analysis>;
export type ServedModel = z.output<typeof servedModel>;
export type Service = z.output<typeof service>;
export type Problem = z.output<typeof problem>;
