/** Training of a network for one or several tasks, from dataset and splits to stored models. */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { z } from "zod";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import { type Choice, chosen, type Definition } from "../../packages/pipeline/define.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import type { StageContext, StageResult } from "../../packages/pipeline/stage.ts";
import { augment } from "./augment.ts";
import { applyInit } from "./initial_weights.ts";
import { type ChosenLoss, headOf, quantityHead } from "./losses.ts";
import { saveModel } from "./model_files.ts";
import type { Initializer } from "./network_options.ts";
import { classification, jointHead, regression, type SingleObjective } from "./objective.ts";
import {
  chooseNetwork,
  type ChosenNetwork,
  extractHead,
  multiHeadModel,
  multiplyAdds,
  singleHeadModel,
} from "./build_network.ts";
import { checkExports, writeExports } from "./save_model.ts";
import type { ChosenOptimizer } from "./optimizer.ts";
import { optimizers } from "./optimizers.ts";
import { samplings } from "./sampling.ts";
import { schedules } from "./schedule.ts";
import type {
  Head,
  NetworkDefinition,
  OptimizerDefinition,
  SamplingDefinition,
  ScheduleDefinition,
} from "./training_definitions.ts";
import { chooseMetrics, type ChosenMetric } from "./further_metrics.ts";
import { calibrateTask, validate } from "./score_task.ts";
import { askTeachers } from "./teacher.ts";
import {
  classTask,
  type LabelledTask,
  labelTasks,
  quantityTask,
  rowsOfTasks,
  type Task,
  type ValuesTask,
} from "./tasks.ts";
import { type EarlyStoppingOptions, train } from "./train.ts";
import {
  artifactsOf,
  chooseTrainer,
  type Compared,
  compareWithConstant,
  foldersOf,
  follow,
  headHistory,
  type InputFolders,
  openTrainingData,
  type StageInputs,
  type TrainingContext,
} from "./training_data.ts";
import type { jointParams, TrainingParams } from "./training_params.ts";
import { type TrainingRecord, writeRecord } from "./training_record.ts";

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
  params: TrainingParams;
}

/** Everything that both kinds of training need from a stage. */
interface StageTraining<P> {
  /** The built-in networks. */
  networks: readonly NetworkDefinition[];
  params: P;
  context: StageContext;
}

/** Trains a network for one task and writes the stage's model. */
export async function trainSingle(
  inputs: StageInputs,
  { task, network, networks, params, context }:
    & StageTraining<TrainingParams & { network?: Choice; loss?: Choice }>
    & {
      task: Task | ValuesTask;
      /** Default network. */
      network: string;
    },
): ReturnType<typeof trainModel> {
  const { loss, teacher } = params, folders = foldersOf(inputs);
  const plain = loss === undefined && teacher === undefined && folders.teachers.length === 0;
  const all = [...networks, ...pluginsOf<NetworkDefinition>(context, "network")];
  const training: ModelTraining = {
    tasks: { model: task },
    params,
    network: chooseNetwork(params.network, all, network, params),
    heads: plain ? undefined : ([targets], [task]) => [
      headOf({ loss, weight: 1 }, task, targets, pluginsOf(context, "loss")),
    ],
  };
  return await trainModel(training, folders, context.outputs, context);
}

/** Trains a network with a head for gender and one for age, and writes both models. */
export async function trainJoint(
  inputs: StageInputs,
  { networks, params, context }: StageTraining<
    z.output<z.ZodObject<typeof jointParams>> & { network: Choice; initializer?: Initializer }
  >,
): ReturnType<typeof trainModel> {
  const { weights, heads, age, ageSpread: spread, ageReading: reading } = params;
  const losses: ChosenLoss[] = [
    { loss: heads?.gender?.loss, weight: weights.gender },
    {
      loss: heads?.age?.loss ?? (age === "years" ? "mae" : "ageDistribution"),
      weight: weights.age,
      defaults: { spread, reading },
    },
  ];
  const all = [...networks, ...pluginsOf<NetworkDefinition>(context, "network")];
  const training: ModelTraining = {
    tasks: { gender: classTask("gender"), age: quantityTask("age") },
    params,
    network: chooseNetwork(params.network, all, "deep", { ...params, heads: 2 }),
    heads: (targets, tasks) =>
      losses.map((loss, i) => headOf(loss, tasks[i], targets[i], pluginsOf(context, "loss"))),
  };
  return await trainModel(training, foldersOf(inputs), context.outputs, context);
}

/**
 * Trains a network and writes a `model` artifact of each task.
 * @param outputs output → its folder
 * @returns observations that are not reproducible, such as durations
 */
export async function trainModel(
  training: ModelTraining,
  { teachers: taughtBy = [], ...folders }: InputFolders,
  outputs: Readonly<Record<string, string>>,
  context: TrainingContext,
): Promise<StageResult> {
  const { params, network } = training, { augment: limits, warmup } = params;
  const { seed, signal } = context, info = (message: string) => context.info(message);
  const optimizing = chooseOptimizer(params, pluginsOf(context, "optimizer"));
  const rates = [...schedules, ...pluginsOf<ScheduleDefinition>(context, "schedule")];
  const schedule = chosen(params.schedule, rates, "constant");
  const orders = [...samplings, ...pluginsOf<SamplingDefinition>(context, "sampling")];
  const sampling = chosen(params.sampling, orders, "shuffle");
  using data = await openTrainingData(folders);
  const { images, size, people, calibration } = data;
  if (params.abstain !== undefined && calibration.length === 0) {
    throw new Error(
      `Cannot choose the threshold of abstain ${params.abstain}: it comes from a calibration set, and ` +
        "the splits have none. Set split.calibration, such as 0.2, or remove abstain.",
    );
  }
  const tasks = labelTasks(training.tasks, people, data.rows.train);
  const taught = params.teacher !== undefined || taughtBy.length > 0;
  const rows = rowsOfTasks(tasks, data.rows, taught, info);
  const made = training.heads?.(
    tasks.map(({ labels }) =>
      Array.from(rows.train, (row) => labels[row]).filter((label) => !isNaN(label))
    ),
    tasks.map(({ task }) => task),
  );
  const both = Int32Array.from([...rows.train, ...rows.validation]);
  const masked = tasks.some(({ labels }) => both.some((row) => isNaN(labels[row])));
  await openBackend(context.compute as Backend);
  const artifacts = artifactsOf(context) ?? "";
  const teachers = !taught ? [] : await askTeachers(
    { teacher: params.teacher, folders: taughtBy },
    tasks.map(({ task }, i) => ({ ...task, reading: made?.[i].reading })),
    ...[images, both, { artifacts, signal, info }] as const,
  );
  const [{ task: { classes }, intervals }] = tasks;
  const joint = made ?? (intervals && [quantityHead(1)]);
  const objective = joint
    ? jointHead(joint, { masked, teachers, intervals: tasks.map(({ intervals }) => !!intervals) })
    : classes === null
    ? regression()
    : classification(classes.length);
  const heads = joint ?? [objective as SingleObjective];
  const metrics = chooseMetrics(params.metrics ?? [], pluginsOf(context, "metric"));
  checkMetrics(metrics, tasks);
  const earlyStopping = chooseStopping(params, metrics);
  const warning = batchNormWarmupWarning({ ...params, earlyStopping }, rows.train.length);
  if (warning !== undefined) context.warn(warning);
  for (const { task: { task, classes }, labels } of tasks) {
    const found = new Set(Array.from(rows.train, (row) => labels[row]).filter((one) => one >= 0));
    if (!classes || found.size !== 1 || taught) continue;
    const [only] = [...found].map((label) => classes[label].label);
    context.warn(
      `${task} is ${
        JSON.stringify(only)
      } for all images of the training set: no network can learn ` +
        "it. Add images of another class, or check the labels.",
    );
  }

  const { name, initializer } = network, trunk = network.trunk(size);
  const columns = made?.reduce((sum, head) => sum + head.columns, 0);
  const model = columns === undefined
    ? singleHeadModel(name, trunk, classes?.length ?? null, initializer, seed)
    : multiHeadModel(name, trunk, columns, initializer, seed);
  /** Calls `use` with the network of one task. */
  const withNetwork = async <T>(
    i: number,
    use: (network: LayersModel) => T,
  ): Promise<Awaited<T>> => {
    if (!made) return await use(model);
    const start = made.slice(0, i).reduce((sum, { columns }) => sum + columns, 0);
    const { columns, reading } = made[i], name = tasks[i].task.task;
    const network = extractHead(model, trunk, { name, start, columns, reading });
    try {
      return await use(network);
    } finally {
      network.dispose();
    }
  };
  const initHeads = tasks.map(({ task }, i) => ({
    ...task,
    columns: made?.[i].columns ?? task.classes?.length ?? 1,
  }));
  try {
    const init = params.init === undefined
      ? undefined
      : await applyInit(model, params.init, initHeads, artifacts, tf);
    if (init) info(init.summary);
    for (const i of tasks.keys()) {
      await withNetwork(i, (network) => checkExports(network, params.export));
    }
    const validating = { images, people, rows: rows.validation, signal };
    const { seconds: secondsPerEpoch, computedBy, ...result } = await train({
      ...{ model, objective, images, rows },
      targets: people.flatMap((_, row) => [
        ...tasks.map(({ labels }) => labels[row]),
        ...tasks.flatMap(({ intervals }) => intervals ? intervals[row] ?? [NaN, NaN] : []),
        ...teachers.flatMap((one) =>
          one ? Array.from(one.outputs.subarray(row * one.values, (row + 1) * one.values)) : []
        ),
      ]),
      ...params,
      earlyStopping,
      ...optimizing,
      order: (rows, random) => {
        const names = tasks.map(({ task }) => task.task);
        const given = { person: (row: number) => people[row], random, tasks: names };
        return sampling.definition.order(rows, given, sampling.options);
      },
      schedule: schedule.definition.factor({ warmup, ...schedule.options }),
      augment: limits ? (batch, random) => augment(batch, size, limits, random) : undefined,
      seed,
      trainer: async (options) => {
        const trainer = await chooseTrainer(context)(options);
        info(
          `network ${network.use}: ${model.countParams().toLocaleString("en")} parameters, ` +
            `${multiplyAdds(model).toLocaleString("en")} multiply-adds per image`,
        );
        return trainer;
      },
      checkpoint: join(context.scratch, "checkpoint.safetensors"),
      onEpoch: follow(
        context,
        params.epochs,
        tasks.map(({ output }, i) => ({ output, metric: heads[i].metric })),
      ),
      furtherMetrics: metrics.length === 0
        ? undefined
        : () =>
          Array.fromAsync(tasks.entries(), ([i, task]) => {
            const fitting = metrics.filter((metric) => fits(metric, task));
            if (fitting.length === 0) return {};
            // The predictor's engine does not take frozen layers.
            const slow = init !== undefined && init.frozen.length > 0;
            return withNetwork(
              i,
              (network) => validate(task, fitting, network, { ...validating, slow }),
            );
          }),
      ...{ signal, info, progress: context.progress },
    });
    // The predictor's engine does not take frozen layers.
    for (const name of init?.frozen ?? []) model.getLayer(name).trainable = true;
    const { stoppedEarly, bestEpoch, weightsOfEpoch } = result;
    const { mirror, learningRate } = params;
    const recorded = params.weightDecay === undefined
      ? params
      : { ...params, weightDecay: optimizing.weightDecay };
    const validation: Record<string, Compared> = {};
    for (const [i, one] of tasks.entries()) {
      const { output, task, labels, intervals } = one;
      const { loss, metric } = heads[i] as Pick<TrainingRecord, "loss" | "metric">;
      const history = headHistory(result.history, i);
      const compared = compareWithConstant(
        { task: task.task, metric, learningRate },
        ...[history[weightsOfEpoch - 1], labels, rows, context, intervals] as const,
      );
      await withNetwork(i, async (network) => {
        const record: TrainingRecord = {
          // The order of keys in training.json counts for its digest.
          ...(tasks.length > 1
            ? {}
            : { task: task.task, variant: task.variant, params: recorded, loss, metric }),
          ...{ ...task, loss, metric, params: recorded },
          ...await calibrateTask(one, network, { images, rows: calibration }, params, context),
          input: { size, channels: "RGB", divisor: 255, ...(mirror !== undefined && { mirror }) },
          ...{ preprocessing: data.preprocessing, seed, backend: context.compute },
          counts: { train: rows.train.length, validation: rows.validation.length },
          datasets: data.datasets,
          weights: network.countParams(),
          multiplyAdds: multiplyAdds(network),
          ...{ epochs: history.length, stoppedEarly, bestEpoch, weightsOfEpoch },
          ...(compared.worse && { constantBaseline: compared.constantBaseline }),
        };
        const folder = outputs[output];
        await saveModel(network, folder);
        await writeRecord(folder, record, history);
        await writeExports(network, folder, record, params.export);
      });
      validation[task.task] = compared;
    }
    const { history } = result, epochs = counted(history.length, "epoch");
    const scores = tasks.map(({ task: { task } }, i) =>
      `${tasks.length > 1 ? `${task} ` : ""}val_${heads[i].metric} ` +
      validation[task].val_metric.toPrecision(3)
    );
    info(
      `${stoppedEarly ? "stopped early after" : "trained for"} ${epochs}; weights of epoch ` +
        `${weightsOfEpoch}: val_loss ${history[weightsOfEpoch - 1].val_loss.toPrecision(3)}, ` +
        `${scores.join(", ")}; ${model.countParams().toLocaleString("en")} parameters`,
    );
    return { observed: { secondsPerEpoch, computedBy, validation } };
  } finally {
    model.dispose();
  }
}

/** Returns true if a metric is of what a task predicts. */
function fits({ of }: ChosenMetric, { task: { classes } }: LabelledTask): boolean {
  return of === (classes ? "classes" : "years");
}

/** @throws if a metric is of what no task predicts */
function checkMetrics(metrics: readonly ChosenMetric[], tasks: readonly LabelledTask[]): void {
  const unfit = metrics.find((metric) => !tasks.some((task) => fits(metric, task)));
  if (!unfit) return;
  const names = tasks.map(({ task }) => task.task);
  throw new Error(
    `Cannot train ${names}: metrics names "${unfit.name}", which is of ${unfit.of}, and the ` +
      "network predicts none. Remove it.",
  );
}

/** Returns how training stops early; without the parameter never. @throws if it cannot be monitored */
function chooseStopping(
  { epochs, earlyStopping: written }: TrainingParams,
  metrics: readonly ChosenMetric[],
): EarlyStoppingOptions {
  const { monitor, ...options } = written ??
    { monitor: "val_loss", patience: epochs, restoreBest: false };
  const monitored = metrics.find(({ name }) => monitor === `val_${name}`);
  if (monitored ? !monitored.better : !/^(val_)?(loss|metric)$/.test(monitor)) {
    const further = metrics.flatMap(({ name, better }) => better ? [`val_${name}`] : []);
    const names = ["val_loss", "val_metric", ...further].join(", ");
    throw new Error(
      `Cannot stop early by "${monitor}": it is no metric of this training with a better direction. ` +
        `Name one of ${names}, or add it to metrics.`,
    );
  }
  const better = monitored && { higherIsBetter: monitored.better === "more" };
  return { monitor, ...options, ...better };
}

/** Returns definitions of a kind that plugins brought. */
function pluginsOf<D extends Definition>({ definitions }: TrainingContext, kind: string): D[] {
  return [...definitions?.(kind) ?? []] as D[];
}

/** Returns the optimizer that parameters name, with the options of the loop around it. */
function chooseOptimizer(
  { optimizer: written, weightDecay }: TrainingParams,
  plugins: readonly OptimizerDefinition[],
): { optimizer: ChosenOptimizer; weightDecay: number; averaging?: number } {
  const { definition, options } = chosen(written, [...optimizers, ...plugins], "adamw");
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
    Pick<TrainingParams, "batchSize" | "epochs" | "batchNormMomentum" | "earlyStopping">
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
