/** What goes over the wire, as schemas: the types, the checks and the OpenAPI description in one. */
import { z } from "zod";

const classes = z.array(
  z.object({
    label: z.string(),
    probability: z.number().min(0).max(1),
    minAge: z.number().optional().describe("Youngest age of the class, in years"),
    maxAge: z.number().optional().describe("Oldest age of the class; none is open above"),
  }),
).describe("All classes in the order of the network's outputs; their probabilities add up to 1");

/** A class that a model chose. */
export const classPrediction = z.object({
  model: z.string().describe("Which model says so"),
  label: z.string(),
  probability: z.number().min(0).max(1),
  minAge: z.number().optional().describe("Youngest age of the class, in years"),
  maxAge: z.number().optional().describe("Oldest age of the class; none is open above"),
  classes,
});

/** An age in years. */
export const yearsPrediction = z.object({
  model: z.string().describe("Which model says so"),
  years: z.number().min(0),
  error: z.number().min(0).describe(
    "By how many years the model was off on average on its validation set",
  ),
});

export const prediction = z.union([yearsPrediction, classPrediction]);

export const box = z.object({
  x: z.number(),
  y: z.number(),
  width: z.number(),
  height: z.number(),
}).describe(
  "In pixels of the upright picture, from its upper left corner; may reach beyond its border",
);

export const face = z.object({
  box,
  score: z.number().describe(
    "How sure the detector is that this is a face: 0 to 1; dlibCnn's may be a little higher",
  ),
  gender: classPrediction.optional().describe("If a model for gender is served"),
  age: prediction.optional().describe(
    "If a model for age is served; of several, the one that says years, or the finest classes",
  ),
  predictions: z.array(prediction).describe("What every model says, in the order of /model"),
  crop: z.string().optional().describe(
    "With ?crops=true: what the networks saw, a lossless PNG as a data URL",
  ),
});

const milliseconds = z.number().min(0);
export const timings = z.object({
  queue: milliseconds.describe("Waiting for a worker"),
  decode: milliseconds,
  detect: milliseconds,
  crop: milliseconds.describe("Cutting the faces out and scaling them"),
  predict: milliseconds,
  total: milliseconds,
}).describe("Where the time went, in milliseconds");

export const analysis = z.object({
  width: z.int().describe("Of the upright picture, in pixels"),
  height: z.int(),
  detector: z.string().describe("What found the faces"),
  faces: z.array(face).describe("The surest first"),
  timings,
});

const metric = z.enum(["accuracy", "mae"]);

export const servedModel = z.object({
  id: z.string().describe("Id of the stage that trained it"),
  task: z.enum(["gender", "age"]),
  variant: z.enum(["binary", "multiclass", "regression"]),
  classes: z.array(z.string()).nullable().describe("null: it says years"),
  trained: z.object({
    at: z.string().describe("When, ISO 8601"),
    images: z.int(),
    datasets: z.record(z.string(), z.int()).describe("Images of each data set"),
    epochs: z.int(),
    seed: z.int(),
    backend: z.string(),
    weights: z.int().describe("Numbers in the network"),
  }),
  metric: metric.describe("accuracy: share of right answers; mae: mean absolute error in years"),
  validation: z.object({ images: z.int(), value: z.number() }).describe(
    "On images that training watched",
  ),
  test: z.object({
    images: z.int(),
    value: z.number(),
    low: z.number().describe("Lower end of the 95 % interval"),
    high: z.number(),
    guess: z.number().describe("What always saying the same scores"),
  }).nullable().describe("On images that training never saw; null where no stage evaluated it"),
  input: z.int().describe("Width and height of the images that it takes"),
  steps: z.array(z.string()).describe("What was done to its faces that serving does not do"),
});

export const service = z.object({
  models: z.array(servedModel),
  detectors: z.object({
    photo: z.string().describe("What finds faces in photos"),
    live: z.string().describe("What finds faces in the live view"),
  }),
  mode: z.enum(["server", "browser"]).describe("Where the page computes"),
  cautions: z.array(z.string()).describe(
    "What holds for all predictions, such as that the networks saw drawn faces only",
  ),
  report: z.boolean().describe("Whether /report has the evaluation of the models"),
  maxBodyBytes: z.int().describe("Largest body that /predict takes"),
});

export const problem = z.object({
  error: z.object({
    code: z.string().describe("For programs: stays the same"),
    message: z.string().describe("For people: what could not be done, why, and the way out"),
  }),
});

export const health = z.object({ status: z.enum(["ready", "starting", "stopping"]) });

export type ClassPrediction = z.output<typeof classPrediction>;
export type YearsPrediction = z.output<typeof yearsPrediction>;
export type Prediction = z.output<typeof prediction>;
export type Face = z.output<typeof face>;
export type Analysis = z.output<typeof analysis>;
export type Timings = z.output<typeof timings>;
export type ServedModel = z.output<typeof servedModel>;
export type Service = z.output<typeof service>;
