/**
 * Declarations of what training stages can name: networks, optimizers, schedules. Independent of
 * TensorFlow.js, which a definition gets as an argument.
 */
import { z } from "zod";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { layers, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { define, defineMembers, type Definition, method } from "../../packages/pipeline/define.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Person } from "./targets.ts";
import { type AgeEstimator, type Initializer, initializers } from "./network_options.ts";

/** The module `@tensorflow/tfjs-layers`. */
export type Tfjs = typeof import("@tensorflow/tfjs-layers");

/** The module `@tensorflow/tfjs-core`. */
export type Tf = typeof import("@tensorflow/tfjs-core");

/** Options that every network takes; a stage's parameters of these names are their defaults. */
export interface NetworkOptions {
  /** Height and width of the input image. */
  size: number;
  dropout: number;
  batchNormMomentum: number;
  /** Distribution of initial kernels. */
  initializer: Initializer;
}

const networkOptions = {
  dropout: z.number().min(0).lt(1).optional().describe("Dropout rate"),
  batchNormMomentum: z.number().min(0).lt(1).optional().describe(
    "Momentum of batch normalization's moving averages",
  ),
  initializer: z.enum(initializers).optional().describe("Distribution of the initial weights"),
};

/** A network, without the last layers, which stages append for their tasks. */
export interface NetworkDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params: P;
  /** Initial weights of trunk and heads. Default: heNormal, suited to ReLU, and glorotUniform. */
  readonly initializers?: { readonly trunk: Initializer; readonly heads: Initializer };
  /** Name of the whole model with one head or several. Default: the network's name. */
  modelName?(heads: number): string;
  /**
   * Builds the layers from [batch, size, size, 3], 0 to 1, to features, [batch, n]: a list of layers
   * in sequence, or the output computed from `image`. Layers need names: initial weights depend on
   * them. Called once per model; each call returns new layers.
   */
  trunk(
    options: NetworkOptions & z.output<P>,
    tfjs: Tfjs,
    image: SymbolicTensor,
  ): layers.Layer[] | SymbolicTensor;
}

defineMembers<NetworkDefinition>("network", {
  initializers: z.object({ trunk: z.enum(initializers), heads: z.enum(initializers) }).optional(),
  modelName: method.optional(),
  trunk: method,
});

/**
 * Declares a network. Built-in ones are listed in `models/mod.ts`; a plugin's is its default export.
 * @example
 * ```ts
 * import { z } from "zod";
 * const linear = defineNetwork({
 *   name: "linear", summary: "Linear features of all pixels",
 *   params: z.strictObject({ units: z.int().default(64).describe("Number of features") }),
 *   trunk: ({ units, initializer }, { layers }) => [
 *     layers.flatten({ name: "flatten" }),
 *     layers.dense({ name: "dense", units, kernelInitializer: initializer }),
 *   ],
 * });
 * console.assert(linear.extends === "network");
 * ```
 */
export function defineNetwork<P extends z.ZodObject>(
  network: Omit<NetworkDefinition<P>, "extends">,
): NetworkDefinition {
  const params = z.strictObject({ ...network.params.shape, ...networkOptions });
  return define({ kind: "network", ...network, params }) as never;
}

/** A rule by which gradients change weights. */
export interface OptimizerDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params: P;
  /** Names of its state in checkpoints: arrays of each weight's shape, 0 at the start. */
  readonly state: readonly string[];
  /** Default decoupled weight decay of kernels. Default: 0; null: the rule has none. */
  readonly weightDecay?: number | null;
  /** The engine's name of it, with equal options; `state` is then of "mean" and "square" in some order. */
  readonly engine?: "adam" | "sgd" | "rmsprop";
  /**
   * Prepares a step, from 1. Returns a function from a weight's gradient and state to the difference
   * that is subtracted from the weight, and the new state.
   */
  prepare(
    options: z.output<P> & { learningRate: number; step: number },
    tf: Tf,
  ): (gradient: Tensor, state: readonly Tensor[]) => { change: Tensor; state: Tensor[] };
}

defineMembers<OptimizerDefinition>("optimizer", {
  state: z.array(z.string()),
  weightDecay: z.number().nullish(),
  engine: z.enum(["adam", "sgd", "rmsprop"]).optional(),
  prepare: method,
});

const optimizerOptions = {
  learningRate: z.number().gt(0).max(1).optional().describe(
    "Learning rate; the peak of a schedule",
  ),
  clipNorm: z.number().gt(0).optional().describe(
    "Maximum global norm of all gradients; larger gradients are scaled down",
  ),
  averaging: z.number().gt(0).lt(1).optional().describe(
    "Decay of an exponential moving average of the weights, such as 0.999. The average is " +
      "validated and kept",
  ),
};

/**
 * Declares an optimizer, for `optimizer: NAME`.
 * @example
 * ```ts
 * import { z } from "zod";
 * const sign = defineOptimizer({
 *   name: "sign", summary: "Steps of one size, by the gradient's sign",
 *   params: z.strictObject({}), state: [],
 *   prepare: ({ learningRate }, tf) => (gradient) => ({
 *     change: tf.mul(tf.sign(gradient), learningRate), state: [],
 *   }),
 * });
 * console.assert(sign.extends === "optimizer");
 * ```
 */
export function defineOptimizer<P extends z.ZodObject>(
  optimizer: Omit<OptimizerDefinition<P>, "extends">,
): OptimizerDefinition {
  const decay = optimizer.weightDecay === null ? {} : {
    weightDecay: z.number().min(0).max(1).optional().describe(
      "Decoupled weight decay, applied to kernels only",
    ),
  };
  const params = z.strictObject({ ...optimizer.params.shape, ...optimizerOptions, ...decay });
  return define({ kind: "optimizer", ...optimizer, params }) as never;
}

/** Learning rate factor at a step, from 0, of `steps`. */
export type Schedule = (step: number, steps: number, stepsPerEpoch: number) => number;

/** A learning rate schedule. */
export interface ScheduleDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params?: P;
  factor(options: z.output<P>): Schedule;
}

defineMembers<ScheduleDefinition>("schedule", { factor: method });

/**
 * Declares a learning rate schedule, for `schedule: NAME`.
 * @example
 * ```ts
 * import { z } from "zod";
 * const half = defineSchedule({
 *   name: "half", summary: "Half the rate in the second half", params: z.strictObject({}),
 *   factor: () => (step, steps) => step < steps / 2 ? 1 : 0.5,
 * });
 * console.assert(half.extends === "schedule");
 * ```
 */
export function defineSchedule<P extends z.ZodObject>(
  schedule: Omit<ScheduleDefinition<P>, "extends">,
): ScheduleDefinition {
  return define({ kind: "schedule", ...schedule }) as never;
}

/** A task's columns of the network's last dense layer, with loss, metric and labels. */
export interface Head {
  /** Name of the loss in training.json. */
  readonly loss: string;
  readonly metric: "accuracy" | "mae";
  readonly columns: number;
  /** Loss weight. */
  readonly weight: number;
  /**
   * Interpretation: class probabilities (softmax), a quantity, the estimator of a distribution over
   * ages (softmax), or probabilities of being older than each age (sigmoid).
   */
  readonly reading: "classes" | "quantity" | "ordinal" | AgeEstimator;
  /**
   * True if the engine computes the loss: a cross-entropy, or an absolute error, of the labels. It
   * counts for nothing beside other `rowLosses` than those of a built-in head.
   */
  readonly builtIn?: boolean;
  /** Weight of an image's loss by its target. Default: 1. */
  rowWeight?(target: number): number;
  /** Computes the differentiable loss of each row, [rows], from [rows, columns]; logits for classes. */
  rowLosses(tf: Tf, outputs: Tensor, labels: Tensor): Tensor;
  /**
   * Encodes a target (class or age) as `columns` numbers from `at` on, which are 0 before. Not used
   * for a quantity, which stays as it is: models predict what the network outputs.
   */
  write(target: number, into: Float32Array, at: number): void;
  /**
   * Encoding and loss of ages that are intervals of years, `low` to `high` inclusive. Default, of a
   * quantity: the loss of the nearest year of the interval.
   */
  readonly interval?: {
    write(low: number, high: number, into: Float32Array, at: number): void;
    /** As the above; rows that are not intervals have labels of 0, and finite losses. */
    rowLosses(tf: Tf, outputs: Tensor, labels: Tensor): Tensor;
  };
  /** Mean and deviation of the training set, by which numbers other than ages are standardized. */
  readonly standardized?: { readonly mean: number; readonly deviation: number };
}

/** A loss of classes, of years, or of both. */
export interface LossDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params?: P;
  readonly of: readonly ("classes" | "years")[];
  /**
   * @param options with the number of classes (null: years), the targets of the training set, and for
   *   numbers other than ages the standard deviation by which outputs and labels are divided
   */
  head(
    options: z.output<P> & {
      weight: number;
      classes: number | null;
      targets: readonly number[];
      deviation?: number;
    },
  ): Head;
}

defineMembers<LossDefinition>("loss", {
  of: z.array(z.enum(["classes", "years"])).min(1),
  head: method,
});

/**
 * Declares a loss, for `loss: NAME`.
 * @example
 * ```ts
 * import { z } from "zod";
 * import { quantityHead } from "./losses.ts";
 * const logCosh = defineLoss({
 *   name: "logCosh", summary: "Logarithm of the hyperbolic cosine of the error in years",
 *   of: ["years"], params: z.strictObject({}),
 *   head: ({ weight }) => ({
 *     ...quantityHead(weight), loss: "logCosh", builtIn: false,
 *     rowLosses: (tf, years, labels) => tf.mean(tf.log(tf.cosh(tf.sub(years, labels))), -1),
 *   }),
 * });
 * console.assert(logCosh.extends === "loss");
 * ```
 */
export function defineLoss<P extends z.ZodObject>(
  loss: Omit<LossDefinition<P>, "extends">,
): LossDefinition {
  return define({ kind: "loss", ...loss }) as never;
}

/** An order in which an epoch takes the images of the training set. */
export interface SamplingDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params?: P;
  /**
   * Returns the rows of an epoch; images may be absent or repeated, and their number stays. May change
   * `rows`.
   */
  order(
    rows: Int32Array,
    data: { person(row: number): Person; random: Rng; tasks: readonly string[] },
    options: z.output<P>,
  ): Int32Array;
}

defineMembers<SamplingDefinition>("sampling", { order: method });

/**
 * Declares a sampling, for `sampling: NAME`.
 * @example
 * ```ts
 * import { z } from "zod";
 * const youngestFirst = defineSampling({
 *   name: "youngestFirst", summary: "From young to old", params: z.strictObject({}),
 *   order: (rows, { person }) => rows.toSorted((a, b) => person(a).age - person(b).age),
 * });
 * console.assert(youngestFirst.extends === "sampling");
 * ```
 */
export function defineSampling<P extends z.ZodObject>(
  sampling: Omit<SamplingDefinition<P>, "extends">,
): SamplingDefinition {
  return define({ kind: "sampling", ...sampling }) as never;
}

/** A random change of training images, after those that `augment` has limits of. */
export interface AugmentationDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params: P;
  /**
   * Changes an image in place: RGB bytes, [size, size, 3]; what is written is rounded and clipped to
   * 0 to 255. Labels stay. It is called for each image of each batch.
   */
  apply(
    image: Uint8ClampedArray,
    context: { readonly size: number; readonly random: Rng },
    options: z.output<P>,
  ): void;
}

defineMembers<AugmentationDefinition>("augmentation", { apply: method });

/**
 * Declares an augmentation, for `augment: { further: [NAME] }`.
 * @example
 * ```ts
 * import { z } from "zod";
 * const negative = defineAugmentation({
 *   name: "negative", summary: "Some images in inverse colors",
 *   params: z.strictObject({ share: z.number().default(0.1).describe("Share of the images") }),
 *   apply(image, { random }, { share }) {
 *     if (random.next() < share) image.forEach((value, i) => image[i] = 255 - value);
 *   },
 * });
 * console.assert(negative.extends === "augmentation");
 * ```
 */
export function defineAugmentation<P extends z.ZodObject>(
  augmentation: Omit<AugmentationDefinition<P>, "extends">,
): AugmentationDefinition {
  return define({ kind: "augmentation", ...augmentation }) as never;
}
