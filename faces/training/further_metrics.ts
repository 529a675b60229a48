/** Metrics beside the primary ones, for the parameter `metrics` of evaluate and training stages. */
import { z } from "zod";
import {
  type Choice,
  chosen,
  define,
  definedChoices,
  defineMembers,
  type Definition,
  method,
  namesOf,
  useOf,
} from "../../packages/pipeline/define.ts";
import { quote } from "../../packages/pipeline/errors.ts";
import { formatValues } from "../../packages/pipeline/format.ts";
import {
  absoluteErrors,
  classScores,
  confusionMatrix,
  mean,
  median,
  recalls,
  signedErrors,
} from "../../packages/statistics/prediction_metrics.ts";
import {
  type Interval,
  type Statistic,
  statisticInterval,
} from "../../packages/statistics/confidence_intervals.ts";
import { aucInterval, meanAucInterval, rocCurve } from "../../packages/statistics/roc.ts";
import { rowsOf } from "./prediction_interval.ts";

/** A model's predictions of one split. */
export interface ScoredPredictions {
  /** Class index or age of each face. */
  readonly truth: ArrayLike<number>;
  readonly prediction: ArrayLike<number>;
  /** Classifiers only: class probabilities of each face. */
  readonly probabilities?: readonly ArrayLike<number>[];
  /** Number of classes; undefined for years. */
  readonly classes?: number;
  /** 1 male, 0 female. */
  readonly gender: ArrayLike<number>;
  readonly age: ArrayLike<number>;
}

/**
 * Decodes a network's outputs.
 * @param outputs [rows, classes] probabilities, or [rows, 1] years if `classes` is undefined
 */
export function decodeOutputs(
  outputs: Float32Array,
  classes: number | undefined,
): { prediction: ArrayLike<number>; probabilities?: Float32Array[] } {
  if (classes === undefined) return { prediction: outputs };
  const probabilities = rowsOf(outputs, outputs.length / classes);
  // The first of equal probabilities, as in argMax.
  const prediction = probabilities.map((row) => row.indexOf(row.reduce((a, b) => Math.max(a, b))));
  return { prediction, probabilities };
}

/** Returns true if the first numbers of all classes rise, as those of ranges do. */
export function areOrdered(labels: readonly string[]): boolean {
  const numbers = labels.map((label) => Number(/\d+(\.\d+)?/.exec(label)?.[0] ?? NaN));
  return numbers.every((number, i) => i === 0 ? number >= 0 : number > numbers[i - 1]);
}

/** A metric of all predictions of a split. */
export interface MetricDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params: P;
  readonly of: "classes" | "years";
  /** Label of a row or column. */
  readonly title: string;
  /** Returns a label with options. @param unit of the predicted number: " years" or "" */
  titled?(options: z.output<P>, unit: string): string;
  /** Unit, empty for a share. */
  readonly unit: string;
  /** Undefined: neither, as for a bias. */
  readonly better?: "more" | "less";
  readonly decimals: number;
  compute(predictions: ScoredPredictions, options: z.output<P>): number;
  /** Returns a function that computes it of rows, which may repeat. Default: by `compute`. */
  ofRows(predictions: ScoredPredictions, options: z.output<P>): Statistic;
  /**
   * Returns the group of each face, of a metric that is a mean over groups, such as classes; undefined:
   * left out. Resamples of its interval have all groups, and it has none with a group of few faces.
   */
  groups?(predictions: ScoredPredictions, options: z.output<P>): ArrayLike<unknown>;
  /**
   * Computes the 95 % interval; undefined with too few images. Default: percentile bootstrap of
   * `compute` over people if they repeat, else over images.
   */
  interval(
    predictions: ScoredPredictions,
    options: z.output<P>,
    people?: readonly unknown[],
  ): Interval | undefined;
}

defineMembers<MetricDefinition>("metric", {
  of: z.enum(["classes", "years"]),
  title: z.string(),
  titled: method.optional(),
  unit: z.string(),
  better: z.enum(["more", "less"]).optional(),
  decimals: z.int().min(0).max(20),
  compute: method,
  groups: method.optional(),
  ofRows: method,
  interval: method,
});

/**
 * Declares a metric, for `metrics: [NAME]` of evaluate.
 * @example
 * ```ts
 * import { z } from "zod";
 * const worst = defineMetric({
 *   name: "worst", summary: "Largest error", title: "largest error", of: "years",
 *   unit: "years", better: "less", decimals: 1, params: z.strictObject({}),
 *   compute: ({ truth, prediction }) =>
 *     Array.from(truth, (age, i) => Math.abs(prediction[i] - age)).reduce((a, b) => Math.max(a, b)),
 * });
 * console.assert(worst.extends === "metric");
 * ```
 */
export function defineMetric<P extends z.ZodObject>(
  metric:
    & Omit<MetricDefinition<P>, "extends" | "interval" | "ofRows" | "compute">
    & Partial<MetricDefinition<P>>
    & (Pick<MetricDefinition<P>, "compute"> | Pick<MetricDefinition<P>, "ofRows">),
): MetricDefinition {
  const ofRows: MetricDefinition<P>["ofRows"] = metric.ofRows ??
    ((all, options) => (rows) => metric.compute!(selectRows(all, rows), options));
  const compute: MetricDefinition<P>["compute"] | undefined = metric.ofRows &&
    ((all, options) => ofRows(all, options)([...Array.from(all.truth).keys()]));
  const interval: MetricDefinition<P>["interval"] = (all, options, people) =>
    statisticInterval(all.truth.length, ofRows(all, options), {
      share: metric.unit === "",
      people,
      groups: metric.groups?.(all, options),
    });
  // A plugin in JavaScript may leave out what TypeScript requires.
  const shown = { title: metric.name, unit: "", decimals: 3 };
  return define({ kind: "metric", interval, ofRows, compute, ...shown, ...metric }) as never;
}

const none = z.strictObject({});
const ofClasses = { of: "classes", unit: "", better: "more", decimals: 3, params: none } as const;
const ofYears = { of: "years", unit: "years", better: "less", decimals: 1, params: none } as const;

/** Returns the class of each face, as the groups of a mean over classes. */
const byClass = ({ truth }: ScoredPredictions) => truth;

/** Returns gender and age band of each face, the band alone where no face has a gender; else undefined. */
function byGenderAndAge(
  { gender, age }: ScoredPredictions,
  { ageBand }: { ageBand: number },
): (string | undefined)[] {
  const gendered = Array.from(gender).some((one) => one >= 0);
  return Array.from(age, (years, i) => {
    const known = years >= 0 && (gender[i] >= 0 || !gendered);
    return known ? `${gender[i]} ${Math.floor(years / ageBand)}` : undefined;
  });
}

/** Returns the mean of some values as a function of their indices. */
const meanOf = (values: ArrayLike<number>): Statistic => (rows) => mean(selectValues(values, rows));

/** Returns the classes that are the truth or predicted: such alone count, with 0, as in scikit-learn. */
function occurring({ truth, prediction }: ScoredPredictions): number[] {
  return [...new Set([...Array.from(truth), ...Array.from(prediction)])].sort((a, b) => a - b);
}

export const furtherMetrics: readonly MetricDefinition[] = [
  defineMetric({
    ...ofClasses,
    name: "balancedAccuracy",
    title: "balanced accuracy",
    summary: "Mean recall of the classes",
    groups: byClass,
    ofRows: ({ truth, prediction }) => (rows) => mean(recalls(truth, prediction, rows)),
  }),
  defineMetric({
    ...ofClasses,
    name: "f1",
    title: "F1, macro",
    summary: "Mean F1 of the classes",
    groups: byClass,
    ofRows(all) {
      const { truth, prediction, classes } = all, some = occurring(all);
      return (rows) => {
        const [labels, predicted] = [truth, prediction].map((all) => selectValues(all, rows));
        const scores = classScores(confusionMatrix(labels, predicted, classes!));
        return mean(some.map((c) => scores[c].f1));
      };
    },
  }),
  defineMetric({
    ...ofClasses,
    name: "auc",
    title: "AUC",
    summary: "Area under the ROC curve; of several classes, the mean of each against the rest",
    groups: byClass,
    ofRows({ truth, probabilities, classes }) {
      const all = Array.from({ length: classes! }, (_, c) => c);
      const each = (classes === 2 ? [1] : all).map((c) => ({
        own: Array.from(truth, (label) => Number(label === c)),
        scores: probabilities!.map((row) => row[c]),
      }));
      return (rows) => {
        const areas = each.map(({ own, scores }) =>
          rocCurve(selectValues(own, rows), selectValues(scores, rows)).auc
        );
        return mean(areas.filter((area) => !Number.isNaN(area)));
      };
    },
    interval: ({ truth, probabilities, classes }, _, people) =>
      classes === 2
        ? aucInterval(truth, probabilities!.map((row) => row[1]), people)
        : meanAucInterval(truth, probabilities!, classes!, people),
  }),
  defineMetric({
    ...ofClasses,
    name: "oneOff",
    title: "1-off accuracy",
    summary:
      "Share of predictions in the true class or a neighboring one, of three ordered classes or more",
    ofRows: ({ truth, prediction, classes }) =>
      classes === 2
        ? () => NaN
        : meanOf(absoluteErrors(truth, prediction).map((error) => Number(error <= 1))),
  }),
  defineMetric({
    ...ofYears,
    name: "rmse",
    title: "RMSE",
    summary: "Root mean squared error",
    ofRows({ truth, prediction }) {
      const of = meanOf(signedErrors(truth, prediction).map((error) => error ** 2));
      return (rows) => Math.sqrt(of(rows));
    },
  }),
  defineMetric({
    ...ofYears,
    name: "medianError",
    title: "median error",
    summary: "Median absolute error",
    ofRows({ truth, prediction }) {
      const errors = absoluteErrors(truth, prediction);
      return (rows) => median(selectValues(errors, rows));
    },
  }),
  defineMetric({
    ...ofYears,
    name: "bias",
    title: "bias",
    better: undefined,
    summary: "Mean of prediction minus truth",
    ofRows: ({ truth, prediction }) => meanOf(signedErrors(truth, prediction)),
  }),
  defineMetric({
    ...ofYears,
    name: "cs",
    title: "cumulative score",
    unit: "",
    better: "more",
    decimals: 3,
    titled: ({ within }, unit) =>
      `cumulative score within ${within}${within === 1 && unit ? " year" : unit}`,
    summary: "Cumulative score: share of absolute errors of at most some years",
    former: ["cs5"],
    params: z.strictObject({
      within: z.number().min(0).default(5).describe("Largest error that counts, years"),
    }),
    ofRows: ({ truth, prediction }, { within }) =>
      meanOf(absoluteErrors(truth, prediction).map((error) => Number(error <= within))),
  }),
  defineMetric({
    ...ofYears,
    name: "macroMae",
    title: "macro MAE",
    summary:
      "Mean of the MAEs of groups by gender and age band, without faces of unknown gender or " +
      "age; by age band alone where no gender is known",
    groups: byGenderAndAge,
    params: z.strictObject({
      ageBand: z.int().min(1).max(100).default(10).describe("Years of a group of ages"),
    }),
    ofRows(all, options) {
      const groups = byGenderAndAge(all, options), { truth, prediction } = all;
      const errors = absoluteErrors(truth, prediction);
      return (rows) => {
        const members = Map.groupBy(Array.from(rows), (row) => groups[row]);
        members.delete(undefined);
        return mean([...members.values()].map(meanOf(errors)));
      };
    },
  }),
];

/** Names of primary metrics and of columns of history.csv, which no metric of a plugin may have. */
const RESERVED = ["accuracy", "mae", "error", "loss", "metric"];

/** The parameter `metrics`. */
export const metricsParam = definedChoices("metric", furtherMetrics, RESERVED, printedName);

/** Returns the name that a metric is printed by, with all its options: "cs@5". */
export function printedName(choice: Choice): string {
  const definition = furtherMetrics.find((one) => namesOf(one).includes(useOf(choice)));
  // A plugin's defaults are not known here.
  if (!definition) return withOptions(choice);
  const written = typeof choice === "string" ? {} : choice;
  return withOptions({ ...definition.params.parse({}), ...written, use: definition.name });
}

/**
 * Returns the key of each metric that a parameter names, in `history.csv` and metrics.json: its name as
 * written, with its options if the list has others of this name: "cs", "cs@2".
 */
export function metricKeys(written: readonly Choice[]): string[] {
  const counts = Map.groupBy(written, useOf);
  return written.map((one) => counts.get(useOf(one))!.length === 1 ? useOf(one) : withOptions(one));
}

/** Returns a name with the values of options, in characters that columns, YAML and URLs take. */
function withOptions(choice: Choice): string {
  const { use, ...options } = typeof choice === "string" ? { use: choice } : choice;
  const values = JSON.stringify(Object.values(options)).replace(/[^\w.+-]+/g, "_");
  return values === "_" ? use! : `${use}@${values.replace(/^_|_$/g, "")}`;
}

/** A metric that a parameter names, with its options. */
export interface ChosenMetric
  extends Pick<MetricDefinition, "of" | "unit" | "better" | "decimals"> {
  /** Its key in history.csv and metrics.json; see `metricKeys`. */
  readonly name: string;
  /**
   * Returns the label of a row or column.
   * @param metric the model's; `error` is not in years
   * @param classes the model's, in their order
   */
  titleFor(metric: string, classes?: readonly string[]): string;
  /** The parameter of a built-in metric, by which another thread finds it. */
  readonly choice?: Choice;
  /** Returns the group of each face; see MetricDefinition. Undefined: of no mean over groups. */
  groupsOf(predictions: ScoredPredictions): ArrayLike<unknown> | undefined;
  compute(predictions: ScoredPredictions): Promise<number>;
  /** Returns a function that computes it of rows, which may repeat; for a built-in metric alone. */
  ofRows(predictions: ScoredPredictions): Statistic;
  interval(
    predictions: ScoredPredictions,
    people?: readonly unknown[],
  ): Promise<Interval | undefined>;
}

// JSON has no NaN.
const bound = z.custom<number | null>(
  (value) => value === null || typeof value === "number",
  "expected a number",
);
const intervalSchema = z.strictObject({
  low: bound,
  high: bound,
  level: z.number(),
  method: z.enum(["wilson", "bootstrap"]),
  unit: z.enum(["image", "person"]),
}).refine(({ low, high }) => !(low! > high!), { path: ["high"], message: "expected at least low" })
  .nullish();

/** Returns true for the metric of neighboring classes, where classes have no order but the alphabet's. */
function isMisused(name: string, classes: readonly string[] = []): boolean {
  return name === "oneOff" && classes.length > 2 && !areOrdered(classes);
}

/** Returns a warning of a metric of neighboring classes. @param task that the classes are of */
export function orderWarnings(
  metrics: readonly ChosenMetric[],
  task: string,
  classes: readonly string[] | undefined,
): string[] {
  return metrics.filter(({ name }) => isMisused(name, classes)).map(({ name }) =>
    `metrics: ${name} of ${task} takes classes as neighbors in alphabetical order. Leave it out, or ` +
    'name classes by their order, as "1 low", "2 middle", "3 high".'
  );
}

function selectValues(values: ArrayLike<number>, rows: ArrayLike<number>): Float64Array {
  const selected = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) selected[i] = values[rows[i]];
  return selected;
}

/** Selects rows, which may repeat. */
export function selectRows(all: ScoredPredictions, rows: ArrayLike<number>): ScoredPredictions {
  const { truth, prediction, probabilities, classes, gender, age } = all;
  return {
    truth: selectValues(truth, rows),
    prediction: selectValues(prediction, rows),
    gender: selectValues(gender, rows),
    age: selectValues(age, rows),
    classes,
    ...(probabilities && { probabilities: Array.from(rows, (row) => probabilities[row]) }),
  };
}

/**
 * Returns the metrics that a parameter names.
 * @param plugins definitions that plugins brought
 */
export function chooseMetrics(
  written: readonly Choice[],
  plugins: readonly Definition[],
): ChosenMetric[] {
  const all = [...furtherMetrics, ...plugins as MetricDefinition[]], keys = metricKeys(written);
  return written.map((choice, i): ChosenMetric => {
    const { definition, options } = chosen(choice, all, "");
    const { of, unit, better, decimals } = definition, name = keys[i];
    const title = name === useOf(choice)
      ? definition.title
      : `${definition.title}, ${formatValues(options)}`;
    return {
      name,
      ...(furtherMetrics.includes(definition) && { choice }),
      of,
      unit,
      better,
      decimals,
      titleFor: (metric, classes) =>
        (definition.titled?.(options, metric === "error" ? "" : " years") ?? title) +
        (isMisused(name, classes) ? ", alphabetical neighbors" : ""),
      groupsOf: (all) => definition.groups?.(structuredClone(all), options),
      ofRows: (all) => definition.ofRows(all, options),
      compute: async (all) => {
        const value = definition.call
          ? await definition.call("compute", bound, all, options)
          : definition.compute(structuredClone(all), options); // it may sort them
        if (value === null || typeof value === "number") {
          return Number.isFinite(value) ? value! : NaN;
        }
        throw new Error(
          `Cannot compute the metric "${name}": compute() returned ${quote(value)}. Return a ` +
            "number; NaN where it has none.",
        );
      },
      interval: async (all, people) => {
        const given = definition.call
          ? await definition.call("interval", intervalSchema, all, options, people)
          : definition.interval(structuredClone(all), options, people);
        const { success, data } = intervalSchema.safeParse(given);
        if (!success) {
          throw new Error(
            `Cannot compute the interval of "${name}": interval() returned ${quote(given)}. ` +
              "Return undefined, or an Interval with low up to high.",
          );
        }
        // Of resamples without a value.
        const finite = Number.isFinite(data?.low) && Number.isFinite(data?.high);
        return finite ? data as Interval : undefined;
      },
    };
  });
}
