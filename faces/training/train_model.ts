/** Training of a network for one or several tasks, from dataset and splits to stored models. */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { type Choice, chosen, type Definition } from "../../packages/pipeline/define.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { augment, type Augmentation } from "./augment.ts";
import { applyInit } from "./initial_weights.ts";
import { quantityHead } from "./losses.ts";
import { classification, jointHead, regression, type SingleObjective } from "./objective.ts";
import {
  type ChosenNetwork,
  extractHead,
  multiHeadModel,
  multiplyAdds,
  singleHeadModel,
} from "./build_network.ts";
import { checkExports, saveTrained } from "./save_model.ts";
import type { ChosenOptimizer } from "./optimizer.ts";
import { optimizers } from "./optimizers.ts";
import { samplings } from "./sampling.ts";
import { schedules } from "./schedule.ts";
import type {
  Head,
  OptimizerDefinition,
  SamplingDefinition,
  ScheduleDefinition,
} from "./training_definitions.ts";
import { chooseMetrics, decodeOutputs } from "./further_metrics.ts";
import { predictRows } from "./predict_rows.ts";
import { calibrate, chooseThreshold, rowsOf } from "./prediction_interval.ts";
import { hasDistribution, withDistribution } from "./with_distribution.ts";
import { openPredictor } from "./predictor.ts";
import { askTeachers } from "./teacher.ts";
import type { ModelParams } from "./trained_models.ts";
import { classesOf, labelOf } from "./targets.ts";
import { type EarlyStoppingOptions, train } from "./train.ts";
import {
  artifactsOf,
  chooseTrainer,
  compareWithConstant,
  type FitObserved,
  follow,
  headHistory,
  type InputFolders,
  openTrainingData,
  type TrainingContext,
} from "./training_data.ts";
import type { ExportFormat } from "./training_params.ts";
import type { TrainingRecord } from "./training_record.ts";

/** A task that a network learns; `classes` is null for a quantity, such as age in years. */
export type Task = Pick<TrainingRecord, "task" | "variant" | "classes">;

/** A task whose classes are the values of its column in the training set. */
export interface ValuesTask {
  task: string;
  classes: "values";
}

/** Network, tasks and parameters of a training. */
export interface ModelTraining {
  /** Output of the stage → task, in the order of the heads. */
  tasks: Readonly<Record<string, Task | ValuesTask>>;
  /** The layers before the heads. */
  network: ChosenNetwork;
  /**
   * Returns a head for each task, given the targets of its training set. Default, for one task:
   * classification() or regression().
   */
  heads?(targets: readonly (readonly number[])[], tasks: readonly Task[]): Head[];
  /** `init`: default new weights; `teacher`: default none; one needs `heads`. */
  params: ModelParams & {
    batchSize: number;
    epochs: number;
    learningRate: number;
    weightDecay?: number;
    /** Default: adamw. */
    optimizer?: Choice;
    /** Default: shuffle. */
    sampling?: Choice;
    /** Default: constant. */
    schedule?: Choice;
    warmup?: number;
    augment?: Augmentation | false;
    /** Default: none. */
    earlyStopping?: EarlyStoppingOptions;
    batchNormMomentum: number;
    export: readonly ExportFormat[];
    /** Test-time augmentation. */
    mirror?: boolean;
    /** Maximum share of errors among predicted classes that are not uncertain. Default: none is. */
    abstain?: number;
    /** Further metrics of the validation set after each epoch. Default: none. */
    metrics?: readonly Choice[];
  };
}

/**
 * Trains a network and writes a `model` artifact of each task.
 * @param outputs output → its folder
 * @returns observations that are not reproducible, such as durations
 */
export async function trainModel(
  training: ModelTraining,
  folders: InputFolders,
  outputs: Readonly<Record<string, string>>,
  context: TrainingContext,
): Promise<{ observed: FitObserved }> {
  const { params, network } = training, { augment: limits, warmup } = params;
  const optimizing = chooseOptimizer(params, context);
  const schedule = chosen(params.schedule, [
    ...schedules,
    ...pluginsOf<ScheduleDefinition>(context, "schedule"),
  ], "constant");
  const orders = [...samplings, ...pluginsOf<SamplingDefinition>(context, "sampling")];
  const sampling = chosen(params.sampling, orders, "shuffle");
  const taskNames = Object.values(training.tasks).map(({ task }) => task);
  using opened = await openTrainingData(folders);
  const { images, size, people } = opened;
  if (params.abstain !== undefined && opened.calibration.length === 0) {
    throw new Error(
      `Cannot choose the threshold of abstain ${params.abstain}: it comes from a calibration set, and ` +
        "the splits have none. Set split.calibration, such as 0.2, or remove abstain.",
    );
  }
  const tasks = Object.entries(training.tasks).map(([output, { task, ...rest }]) => {
    if (rest.classes !== "values") return [output, { task, ...rest } as Task] as const;
    const classes = classesOf(task, Array.from(opened.rows.train, (row) => people[row]));
    const variant = classes.length === 2 ? "binary" as const : "multiclass" as const;
    return [output, { task, variant, classes }] as const;
  });
  const labels = tasks.map(([, task]) => people.map((person) => labelOf(task, person)));
  /** Ages of each image that are intervals, of a task in years. */
  const intervals = tasks.map(([, { task, classes }]) =>
    task === "age" && !classes && people.some(({ ageInterval }) => ageInterval)
      ? people.map(({ ageInterval }) => ageInterval)
      : undefined
  );
  const taught = params.teacher !== undefined || (folders.teachers ?? []).length > 0;
  const labelled = (row: number) => !Number.isNaN(labels[0][row]) || intervals[0]?.[row];
  // A single head trains on rows that have its label, or a teacher; of several, each is masked.
  const rows = tasks.length > 1 ? opened.rows : {
    train: taught ? opened.rows.train : opened.rows.train.filter(labelled),
    validation: opened.rows.validation.filter(labelled),
  };
  const inputs = { ...opened, rows };
  const [all, used] = [opened.rows, rows].map(({ train, validation }) =>
    train.length + validation.length
  );
  if (used < all) {
    const out = counted(all - used, "image");
    context.info(`${out} of ${all} without a label of ${taskNames[0]} are left out`);
  }
  for (const [i, [, { task }]] of tasks.entries()) {
    for (const [set, at] of Object.entries(rows)) {
      if (opened.rows[set as keyof typeof rows].length === 0) continue;
      if (at.some((row) => !Number.isNaN(labels[i][row]))) continue;
      if (set === "train" && intervals[i]?.some((interval) => interval)) continue;
      const what = intervals[i]
        ? "an exact label of it, only intervals"
        : tasks[i][1].classes === null
        ? "a number of it"
        : "a label of it";
      throw new Error(`Cannot train ${task}: no image of the ${set} set has ${what}. Add some.`);
    }
  }
  const [[, { classes }]] = tasks;
  const made = training.heads?.(
    labels.map((of) => Array.from(rows.train, (row) => of[row]).filter((label) => !isNaN(label))),
    tasks.map(([, task]) => task),
  );
  const masked = labels.some((of) => [...rows.train, ...rows.validation].some((i) => isNaN(of[i])));
  await openBackend(context.compute as Backend);
  const artifacts = artifactsOf(context) ?? "";
  const teachers = !taught ? [] : await askTeachers(
    { teacher: params.teacher, folders: folders.teachers },
    tasks.map(([, task], i) => ({ ...task, reading: made?.[i].reading })),
    images,
    Int32Array.from([...rows.train, ...rows.validation]),
    { artifacts, signal: context.signal, info: (message) => context.info(message) },
  );
  const joint = made ?? (intervals[0] && [quantityHead(1)]);
  const objective = joint
    ? jointHead(joint, { masked, teachers, intervals: intervals.map((of) => of !== undefined) })
    : classes === null
    ? regression()
    : classification(classes.length);
  const heads = joint ?? [objective as SingleObjective];
  const metrics = chooseMetrics(params.metrics ?? [], pluginsOf(context, "metric"));
  const unfit = metrics.find(({ of }) =>
    tasks.every(([, { classes }]) => of !== (classes ? "classes" : "years"))
  );
  if (unfit) {
    throw new Error(
      `Cannot train ${taskNames}: metrics names "${unfit.name}", which is of ${unfit.of}, and the ` +
        "network predicts none. Remove it.",
    );
  }
  const earlyStopping = params.earlyStopping ??
    { monitor: "val_loss", patience: params.epochs, restoreBest: false };
  const monitored = metrics.find(({ name }) => earlyStopping.monitor === `val_${name}`);
  if (monitored ? !monitored.better : !/^(val_)?(loss|metric)$/.test(earlyStopping.monitor)) {
    const names = metrics.flatMap(({ name, better }) => better ? [`val_${name}`] : []);
    throw new Error(
      `Cannot stop early by "${earlyStopping.monitor}": it is no metric of this training with a ` +
        `better direction. Name one of ${
          ["val_loss", "val_metric", ...names].join(", ")
        }, or add ` +
        "it to metrics.",
    );
  }
  const warning = batchNormWarmupWarning({ ...params, earlyStopping }, rows.train.length);
  if (warning !== undefined) context.warn(warning);

  const { name, initializer } = network, trunk = network.trunk(size), { seed } = context;
  const columns = made?.reduce((sum, head) => sum + head.columns, 0);
  const model = columns === undefined
    ? singleHeadModel(name, trunk, classes?.length ?? null, initializer, seed)
    : multiHeadModel(name, trunk, columns, initializer, seed);
  /** Calls `use` with the network of one task. */
  const withNetwork = async (i: number, use: (network: LayersModel) => unknown) => {
    if (!made) return void await use(model);
    const start = made.slice(0, i).reduce((sum, { columns }) => sum + columns, 0);
    const { columns, reading } = made[i];
    const slice = { name: tasks[i][1].task, start, columns, reading };
    const network = extractHead(model, trunk, slice);
    try {
      await use(network);
    } finally {
      network.dispose();
    }
  };
  const initHeads = tasks.map(([, task], i) => ({
    ...task,
    columns: made?.[i].columns ?? task.classes?.length ?? 1,
  }));
  try {
    const init = params.init === undefined
      ? undefined
      : await applyInit(model, params.init, initHeads, artifacts, tf);
    if (init) context.info(init.summary);
    for (const i of tasks.keys()) {
      await withNetwork(i, (network) => checkExports(network, params.export));
    }
    /** Computes further metrics of a task on the validation set. */
    const furtherOf = async (i: number): Promise<Record<string, number | null>> => {
      const classes = tasks[i][1].classes?.length;
      const fitting = metrics.filter(({ of }) => of === (classes ? "classes" : "years"));
      const at = rows.validation.filter((row) => !Number.isNaN(labels[i][row]));
      const all = Array.from(at);
      let outputs: Float32Array = new Float32Array();
      if (fitting.length > 0) {
        await withNetwork(i, async (network) => {
          const { signal } = context;
          // The predictor's engine does not take frozen layers.
          if (init?.frozen.length) outputs = await predictRows(network, images, at, { signal });
          else {
            await using predictor = await openPredictor(network);
            outputs = await predictor.predict(images, at, { signal });
          }
        });
      }
      const scored = {
        ...{ truth: all.map((row) => labels[i][row]), ...decodeOutputs(outputs, classes), classes },
        ...{ gender: all.map((row) => people[row].gender), age: all.map((row) => people[row].age) },
      };
      const values: Record<string, number | null> = {};
      for (const { name, compute } of fitting) {
        const value = await compute(scored);
        values[`val_${name}`] = Number.isNaN(value) ? null : value;
      }
      return values;
    };
    /** Calibrates the intervals of a task's network, or chooses the threshold of its classes. */
    const calibrated = async (
      i: number,
      network: LayersModel,
    ): Promise<Pick<TrainingRecord, "interval" | "abstention">> => {
      const at = opened.calibration.filter((row) => !Number.isNaN(labels[i][row]));
      const { abstain } = params, { task, classes } = tasks[i][1];
      if (opened.calibration.length === 0 || (classes && abstain === undefined)) return {};
      const whole = hasDistribution(network) ? withDistribution(network) : network;
      await using predictor = await openPredictor(whole);
      const { signal } = context;
      const said = await predictor.predict(images, at, { mirror: params.mirror, signal });
      const truth = Array.from(at, (row) => labels[i][row]);
      if (classes) {
        const abstention = chooseThreshold(rowsOf(said, at.length), truth, abstain!);
        if (abstention.confidence === null) {
          context.warn(
            `all predictions of ${task} count as uncertain: on the ${
              counted(at.length, "image")
            } of the ` +
              `calibration set, no probability keeps errors at abstain ${abstain}. Raise abstain or ` +
              "split.calibration",
          );
        }
        return { abstention };
      }
      const interval = calibrate(rowsOf(said, at.length), truth);
      if (!interval) {
        context.warn(
          `${counted(at.length, "image")} of the calibration set with an exact ` +
            `${task} are too few for intervals: at least 9 are needed; raise split.calibration`,
        );
      }
      return interval ? { interval } : {};
    };
    const { seconds: secondsPerEpoch, computedBy, ...result } = await train({
      ...{ model, objective, images, rows },
      targets: people.flatMap((_, i) => [
        ...labels.map((of) => of[i]),
        ...intervals.flatMap((of) => of ? of[i] ?? [NaN, NaN] : []),
        ...teachers.flatMap((one) =>
          one ? Array.from(one.outputs.subarray(i * one.values, (i + 1) * one.values)) : []
        ),
      ]),
      ...params,
      earlyStopping: {
        ...earlyStopping,
        ...(monitored && { higherIsBetter: monitored.better === "more" }),
      },
      ...optimizing,
      order: (rows, random) => {
        const data = { person: (row: number) => people[row], random, tasks: taskNames };
        return sampling.definition.order(rows, data, sampling.options);
      },
      schedule: schedule.definition.name === "constant"
        ? undefined
        : schedule.definition.factor({ warmup, ...schedule.options }),
      augment: limits ? (batch, random) => augment(batch, size, limits, random) : undefined,
      seed: context.seed,
      trainer: async (options) => {
        const trainer = await chooseTrainer(context)(options);
        context.info(
          `network ${network.use}: ${model.countParams().toLocaleString("en")} parameters, ` +
            `${multiplyAdds(model).toLocaleString("en")} multiply-adds per image`,
        );
        return trainer;
      },
      checkpoint: join(context.scratch, "checkpoint.safetensors"),
      onEpoch: follow(
        context,
        params.epochs,
        tasks.map(([output], i) => ({ output, ...heads[i] })),
      ),
      furtherMetrics: metrics.length === 0 ? undefined : async () => {
        const further = [];
        for (const i of tasks.keys()) further.push(await furtherOf(i));
        return further;
      },
      signal: context.signal,
      info: (message) => context.info(message),
      progress: context.progress,
    });
    // The predictor's engine does not take frozen layers.
    for (const name of init?.frozen ?? []) model.getLayer(name).trainable = true;
    const validation: FitObserved["validation"] = {};
    for (const [i, [output, task]] of tasks.entries()) {
      const { loss, metric } = heads[i] as Pick<TrainingRecord, "loss" | "metric">;
      const history = headHistory(result.history, i), kept = history[result.weightsOfEpoch - 1];
      const compared = compareWithConstant(
        { task: task.task, metric, learningRate: params.learningRate },
        ...[kept, labels[i], rows, context, intervals[i]] as const,
      );
      const recorded = params.weightDecay === undefined
        ? params
        : { ...params, weightDecay: optimizing.weightDecay };
      const spec = {
        // The order of keys in training.json counts for its digest.
        ...(tasks.length > 1
          ? {}
          : { task: task.task, variant: task.variant, params: recorded, loss, metric }),
        ...{ ...task, loss, metric, params: recorded, compared },
      };
      await withNetwork(i, async (network) => {
        const whole = { ...spec, ...await calibrated(i, network) };
        await saveTrained(network, outputs[output], whole, result, history, inputs, context);
      });
      validation[task.task] = compared;
    }
    const { history, stoppedEarly, weightsOfEpoch } = result;
    const scores = tasks.map(([, { task }], i) =>
      `${tasks.length > 1 ? `${task} ` : ""}val_${heads[i].metric} ` +
      validation[task].val_metric.toPrecision(3)
    );
    context.info(
      `${stoppedEarly ? "stopped early after" : "trained for"} ${
        counted(history.length, "epoch")
      }; weights of epoch ${weightsOfEpoch}: ` +
        `val_loss ${history[weightsOfEpoch - 1].val_loss.toPrecision(3)}, ${scores.join(", ")}; ` +
        `${model.countParams().toLocaleString("en")} parameters`,
    );
    return { observed: { secondsPerEpoch, computedBy, validation } };
  } finally {
    model.dispose();
  }
}

/** Returns definitions of a kind that plugins brought. */
function pluginsOf<D extends Definition>({ definitions }: TrainingContext, kind: string): D[] {
  return [...definitions?.(kind) ?? []] as D[];
}

/** Returns the optimizer that parameters name, with the options of the loop around it. */
function chooseOptimizer(
  { optimizer: written, weightDecay }: ModelTraining["params"],
  context: TrainingContext,
): { optimizer: ChosenOptimizer; weightDecay: number; averaging?: number } {
  const all = [...optimizers, ...pluginsOf<OptimizerDefinition>(context, "optimizer")];
  const { definition, options } = chosen(written, all, "adamw");
  const { clipNorm, averaging, learningRate: _, ...own } = options as {
    clipNorm?: number;
    averaging?: number;
  } & Record<string, unknown>;
  const fallback = typeof written === "string" || written?.use ? definition.weightDecay ?? 0 : 0;
  return {
    optimizer: { definition, options: own, clipNorm },
    weightDecay: definition.weightDecay === null ? 0 : weightDecay ?? fallback,
    averaging,
  };
}

/**
 * Returns a warning if early stopping may end training before the moving averages of batch
 * normalization have converged. Until then, validation metrics are meaningless.
 */
export function batchNormWarmupWarning(
  params: Required<
    Pick<ModelTraining["params"], "batchSize" | "epochs" | "batchNormMomentum" | "earlyStopping">
  >,
  trainingImages: number,
): string | undefined {
  const { batchSize, epochs, batchNormMomentum, earlyStopping: { patience, monitor } } = params;
  if (!monitor.startsWith("val_") || patience >= epochs) return undefined;
  const steps = Math.ceil(trainingImages / batchSize);
  if (batchNormMomentum ** (steps * patience) < 0.1) return undefined;
  const needed = Math.ceil(Math.log(0.1) / Math.log(batchNormMomentum));
  return `batch normalization with batchNormMomentum ${batchNormMomentum} needs about ${needed} ` +
    `steps before validation metrics are meaningful. An epoch has ${steps} steps, and ` +
    `earlyStopping.patience is ${patience}. Lower batchNormMomentum (0.9) or batchSize (now ` +
    `${batchSize}), or raise earlyStopping.patience.`;
}
