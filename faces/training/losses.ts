/**
 * The built-in losses. A loss makes a head: columns of the network's last dense layer with their labels
 * and their interpretation. Independent of TensorFlow.js, which a head gets as an argument.
 */
import { z } from "zod";
import type { Tensor } from "@tensorflow/tfjs-core";
import { type Choice, chosen } from "../../packages/pipeline/define.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";
import { ageBins, type AgeEstimator, ageReadings } from "./network_options.ts";
import { defineLoss, type Head, type LossDefinition, type Tf } from "./training_definitions.ts";

function crossEntropies(tf: Tf, logits: Tensor, labels: Tensor): Tensor {
  return tf.neg(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), -1));
}

function absoluteErrors(tf: Tf, outputs: Tensor, labels: Tensor): Tensor {
  return tf.mean(tf.abs(tf.sub(outputs, labels)), -1);
}

/** Row losses that the engine computes: a head with another one has no `builtIn` loss. */
const ENGINE_LOSSES = [crossEntropies, absoluteErrors];

/** Returns a classification head, with classes 0 to `columns` - 1. */
export function classHead(columns: number, weight: number, labelSmoothing = 0): Head {
  return {
    loss: "categorical_crossentropy",
    metric: "accuracy",
    columns,
    weight,
    reading: "classes",
    builtIn: true,
    rowLosses: crossEntropies,
    write(target, into, at) {
      if (labelSmoothing > 0) into.fill(labelSmoothing / columns, at, at + columns);
      into[at + target] += 1 - labelSmoothing;
    },
  };
}

export function quantityHead(weight: number): Head {
  return {
    loss: "mean_absolute_error",
    metric: "mae",
    columns: 1,
    weight,
    reading: "quantity",
    builtIn: true,
    rowLosses: absoluteErrors,
    write: (target, into, at) => void (into[at] = target),
  };
}

/** Returns a head of a number, with a loss of its errors, [rows, 1], that the engine lacks. */
function errorHead(loss: string, weight: number, lossOf: (tf: Tf, errors: Tensor) => Tensor): Head {
  return {
    ...quantityHead(weight),
    loss,
    builtIn: false,
    rowLosses: (tf, outputs, labels) => tf.mean(lossOf(tf, tf.sub(outputs, labels)), -1),
  };
}

/**
 * Returns a label distribution head. Its labels are normal distributions around the true age, with a
 * standard deviation of `spread` years; the age is estimated by mean or median. The bins extend beyond
 * the range of ages, so that both estimators are unbiased within a quarter of a year on the labels of a
 * spread of up to 6 years.
 * Gao et al., "Deep label distribution learning with label ambiguity" (2017).
 */
export function distributionHead(
  spread: number,
  weight: number,
  reading: AgeEstimator = "mean",
): Head {
  return {
    loss: "categorical_crossentropy",
    metric: "mae",
    columns: ageBins.length,
    weight,
    reading,
    builtIn: true,
    rowLosses: crossEntropies,
    interval: intervalOfDistribution,
    write(target, into, at) {
      let sum = 0;
      for (const [bin, age] of ageBins.entries()) {
        sum += into[at + bin] = Math.exp(-(((age - target) / spread) ** 2) / 2);
      }
      for (let bin = 0; bin < ageBins.length; bin++) into[at + bin] /= sum;
    },
  };
}

/** Negative logarithm of the probability of an interval: ages from half a year before to half after. */
const intervalOfDistribution: Head["interval"] = {
  /** Writes the logarithm of each bin's share in the interval. */
  write(low, high, into, at) {
    const half = (ageBins[1] - ageBins[0]) / 2;
    for (const [bin, age] of ageBins.entries()) {
      const inside = Math.min(age + half, high + 0.5) - Math.max(age - half, low - 0.5);
      into[at + bin] = inside > 0 ? Math.log(inside / (2 * half)) : -1e9;
    }
  },
  rowLosses: (tf, logits, shares) =>
    tf.sub(tf.logSumExp(logits, -1), tf.logSumExp(tf.add(logits, shares), -1)),
};

/**
 * Returns an ordinal head: each column is the probability of being older than an age. Niu et al.,
 * "Ordinal regression with multiple output CNN for age estimation" (2016).
 */
function ordinalHead(weight: number): Head {
  const columns = ageBins.length - 1, step = ageBins[1] - ageBins[0];
  return {
    loss: "ordinal",
    metric: "mae",
    columns,
    weight,
    reading: "ordinal",
    rowLosses: (tf, logits, labels) =>
      tf.sum(tf.sub(tf.softplus(logits), tf.mul(labels, logits)), -1), // binary cross-entropies
    write(target, into, at) {
      for (let c = 0; c < columns; c++) {
        into[at + c] = Math.min(1, Math.max(0, (target - ageBins[c]) / step));
      }
    },
    interval: {
      // 1: older for certain, 0: not older, -1: unknown, which has no loss.
      write(low, high, into, at) {
        for (let c = 0; c < columns; c++) {
          into[at + c] = low >= ageBins[c + 1] ? 1 : high <= ageBins[c] ? 0 : -1;
        }
      },
      rowLosses(tf, logits, labels) {
        const losses = tf.sub(tf.softplus(logits), tf.mul(labels, logits));
        return tf.sum(tf.mul(losses, tf.cast(tf.greaterEqual(labels, 0), "float32")), -1);
      },
    },
  };
}

/** Decodes outputs of a head (probabilities or a quantity) to a class or a number, as models do. */
export function readOutput(
  { reading, columns, standardized }: Pick<Head, "reading" | "columns" | "standardized">,
  outputs: Float32Array,
  at: number,
): number {
  switch (reading) {
    case "classes": {
      let best = 0; // the first of equal maxima, as in argMax
      for (let c = 1; c < columns; c++) if (outputs[at + c] > outputs[at + best]) best = c;
      return best;
    }
    case "quantity":
      if (!standardized) return outputs[at];
      return outputs[at] * standardized.deviation + standardized.mean;
    case "ordinal": {
      const step = ageBins[1] - ageBins[0], own = outputs.subarray(at, at + columns);
      return own.reduce((years, older) => years + step * older, ageBins[0]);
    }
    default: {
      // As in the layers of faces/training/build_network.ts.
      const share = ageReadings[reading];
      let years = ageBins[0], older = 1;
      for (let bin = 0; bin < ageBins.length - 1; bin++) {
        older -= outputs[at + bin];
        const left = Math.min(1, Math.max(0, (older - share) / (1 - 2 * share)));
        years += (ageBins[bin + 1] - ageBins[bin]) * left;
      }
      return years;
    }
  }
}

const labelSmoothing = z.number().min(0).lt(1).default(0).describe(
  "Label smoothing: the share of each label that is spread over all classes",
);
const weightList = z.array(z.number().min(0)).min(2).refine((weights) => weights.some(Boolean), {
  message: "expected a weight above 0",
});
const classWeights = z.union([z.literal("balanced"), weightList]).optional()
  .describe(
    "Weight of each class's loss, in the order of the classes. balanced: inverse to their numbers " +
      "in the training set, on average 1, as in scikit-learn; 0 for classes that it lacks, also in " +
      "val_loss. Default: equal",
  );

/** Weighs the loss of each class. */
function weighted(
  head: Head,
  weights: z.output<typeof classWeights>,
  classes: number,
  targets: readonly number[],
): Head {
  if (weights === undefined) return head;
  if (weights !== "balanced" && weights.length !== classes) {
    throw new Error(
      `Cannot weigh ${classes} classes with classWeights of ${weights.length} numbers. Give one each.`,
    );
  }
  const counts = Array.from({ length: classes }, () => 0);
  for (const target of targets) counts[target]++;
  const of = weights === "balanced"
    ? counts.map((count) => count === 0 ? 0 : targets.length / (classes * count))
    : weights;
  return { ...head, builtIn: false, rowWeight: (target) => of[target] };
}

export const losses = [
  defineLoss({
    name: "crossEntropy",
    summary: "Cross-entropy of classes",
    of: ["classes"],
    params: z.strictObject({ labelSmoothing, classWeights }),
    head: ({ weight, classes, labelSmoothing, classWeights, targets }) =>
      weighted(classHead(classes!, weight, labelSmoothing), classWeights, classes!, targets),
  }),
  defineLoss({
    name: "focal",
    summary: "Focal loss of classes: less weight on easy faces (Lin et al., 2017)",
    of: ["classes"],
    params: z.strictObject({
      gamma: z.number().min(0).max(10).default(2).describe("Exponent; 0 is the cross-entropy"),
      labelSmoothing,
      classWeights,
    }),
    head: ({ weight, classes, gamma, labelSmoothing, classWeights, targets }) => {
      const head: Head = {
        ...classHead(classes!, weight, labelSmoothing),
        loss: "focal",
        builtIn: false,
        rowLosses(tf, logits, labels) {
          const logs = tf.logSoftmax(logits);
          const rest = tf.sub(1, tf.exp(logs));
          // A power below 1 has an infinite slope at 0, where a class is certain.
          const easy = tf.pow(gamma < 1 ? tf.maximum(rest, 1e-8) : rest, gamma);
          return tf.neg(tf.sum(tf.mul(labels, tf.mul(easy, logs)), -1));
        },
      };
      return weighted(head, classWeights, classes!, targets);
    },
  }),
  defineLoss({
    name: "mae",
    summary: "Mean absolute error of years",
    of: ["years"],
    head: ({ weight }) => quantityHead(weight),
  }),
  defineLoss({
    name: "mse",
    summary: "Mean squared error of years",
    of: ["years"],
    head: ({ weight }) => errorHead("mse", weight, (tf, errors) => tf.square(errors)),
  }),
  defineLoss({
    name: "huber",
    summary: "Huber loss of years: squared for small errors, absolute for large ones",
    of: ["years"],
    params: z.strictObject({
      delta: z.number().gt(0).optional().describe(
        "Error where it becomes linear, in the unit of the labels, such as years. Default: 5 years; " +
          "of other numbers, their standard deviation in the training set",
      ),
    }),
    head: ({ weight, deviation, delta: inUnit = deviation ?? 5 }) =>
      errorHead("huber", weight, (tf, errors) => {
        const delta = inUnit / (deviation ?? 1),
          size = tf.abs(errors),
          small = tf.minimum(size, delta);
        // small² / 2 + delta (size - small)
        return tf.add(tf.div(tf.square(small), 2), tf.mul(delta, tf.sub(size, small)));
      }),
  }),
  defineLoss({
    name: "ageDistribution",
    summary: "Cross-entropy with a normal distribution around the age (Gao et al., 2017)",
    of: ["years"],
    params: z.strictObject({
      spread: z.number().min(2).max(20).optional().describe(
        "Standard deviation of the label distribution, years. From 8 on, bins end too early for ages " +
          "near 0 and 100, which lean to the middle: with 8, 0 is learned as 0.5; with 20, as 6.6. " +
          "Default: 4",
      ),
      reading: z.enum(["median", "mean"]).optional().describe(
        "Estimator of the age. median (the mean of the middle fifth) minimizes the mean absolute " +
          "error, mean the mean squared error. Default: median",
      ),
    }),
    head: ({ weight, spread = 4, reading = "median" }) => distributionHead(spread, weight, reading),
  }),
  defineLoss({
    name: "ordinal",
    summary: "Binary cross-entropies of being older than each age (Niu et al., 2016)",
    of: ["years"],
    head: ({ weight }) => ordinalHead(weight),
  }),
];

export interface ChosenLoss {
  /** Default: crossEntropy or mae. */
  loss?: Choice;
  weight: number;
  /** Default options of ageDistribution. */
  defaults?: object;
}

/**
 * Returns the head of a loss.
 * @param classes null for years
 * @param targets those of the training set
 */
export function headOf(
  { loss, weight, defaults }: ChosenLoss,
  { task, classes }: { task: string; classes: readonly unknown[] | null },
  targets: readonly number[],
  plugins: readonly LossDefinition[],
): Head {
  const all = [...losses, ...plugins];
  const { definition, options } = chosen(loss, all, classes ? "crossEntropy" : "mae");
  const wanted = classes ? "classes" : "years", inUnit = classes !== null || task === "age";
  const unfit = inUnit ? [] : ["ageDistribution", "ordinal", definition.name];
  const fitting = all.filter(({ name, of }) => of.includes(wanted) && !unfit.includes(name));
  const way = `Use ${joinWords(fitting.map(({ name }) => name), "or")}.`;
  const refused = (why: string) =>
    new Error(`Cannot train ${task} with loss "${definition.name}": ${why}`);
  if (!definition.of.includes(wanted)) {
    const of = definition.of.join(" or "), predicted = inUnit ? wanted : "numbers";
    throw refused(`it is a loss of ${of}, and the network predicts ${predicted}. ${way}`);
  }
  const own = definition.name === "ageDistribution" ? { ...defaults, ...options } : options;
  const common = { ...own, weight, classes: classes?.length ?? null, targets };
  const center = mean(targets);
  // Equal numbers have a deviation of 1, as in scikit-learn's StandardScaler.
  const deviation = Math.sqrt(mean(targets.map((target) => (target - center) ** 2))) || 1;
  const given = definition.head((inUnit ? common : { ...common, deviation }) as never);
  // A plugin without TypeScript may return anything.
  if (!isHead(given, classes)) {
    const { metric, columns, reading } = given ?? {} as Partial<Head>;
    const shown = quote(given && { metric, columns, reading });
    throw refused(
      `its head() returned ${shown}. Return a head with metric, "accuracy" or "mae", weight, ` +
        "rowLosses(), write(), and a reading with its number of columns.",
    );
  }
  const head = { ...given, builtIn: given.builtIn && ENGINE_LOSSES.includes(given.rowLosses) };
  if (head.reading === "quantity") head.write = quantityHead(1).write;
  if (inUnit) return head;
  if (head.reading !== "quantity") throw refused(`it is of ages. ${way}`);
  return {
    ...head,
    standardized: { mean: center, deviation },
    write: (target, into, at) => into[at] = (target - center) / deviation,
  };
}

function isHead(head: Partial<Head> | undefined, classes: readonly unknown[] | null): head is Head {
  const { metric, columns, reading, rowLosses, write } = head ?? {};
  const bins = ageBins.length;
  const known: Record<string, number> = classes
    ? { classes: classes.length }
    : { quantity: 1, ordinal: bins - 1, mean: bins, median: bins };
  return ["accuracy", "mae"].includes(metric!) && columns !== undefined &&
    columns === known[reading!] && [rowLosses, write].every((part) => typeof part === "function");
}
