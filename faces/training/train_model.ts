/** Training of a network for one or several tasks, from dataset and splits to stored models. */
import { join } from "node:path";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { z } from "zod";
import type { Choice } from "../../packages/pipeline/define.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import type { StageContext, StageResult } from "../../packages/pipeline/stage.ts";
import { augment } from "./augment.ts";
import { checkTrainable, isSoftmax } from "./forward.ts";
import { type ChosenMetric, orderWarnings } from "./further_metrics.ts";
import { applyInit, headLayerOf } from "./initial_weights.ts";
import {
  type LearnedTask,
  type Learning,
  type ModelTraining,
  prepareLearning,
} from "./learning.ts";
import { type ChosenLoss, headOf } from "./losses.ts";
import { saveModel } from "./model_files.ts";
import { ageBins, type Initializer } from "./network_options.ts";
import {
  chooseNetwork,
  type ChosenNetwork,
  extractHead,
  multiHeadModel,
  multiplyAdds,
  singleHeadModel,
} from "./build_network.ts";
import { checkExports, writeExports } from "./onnx/convert.ts";
import type { NetworkDefinition } from "./training_definitions.ts";
import { calibrateTask, predictClasses, validate } from "./score_task.ts";
import { type Compared, compareWithConstant } from "./constant_baseline.ts";
import { follow, headHistory, openTrainer } from "./open_trainer.ts";
import { jointTasks, type Task, type ValuesTask } from "./tasks.ts";
import { train, type TrainingResult } from "./train.ts";
import {
  batchNormWarmupWarning,
  chooseMonitoring,
  chooseSteps,
  fits,
  noCalibration,
  pluginsOf,
  warnOfBalance,
} from "./training_choices.ts";
import {
  artifactsOf,
  foldersOf,
  type InputFolders,
  openTrainingData,
  type StageInputs,
  type TrainingContext,
} from "./training_data.ts";
import { learnedFrom } from "./trained_on.ts";
import type { jointParams, TrainingParams } from "./training_params.ts";
import { type TrainingRecord, writeRecord } from "./training_record.ts";

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
  warnOfBalance(params, { task: task.task, loss }, context);
  // headOf() standardizes numbers other than ages.
  const plain = loss === undefined && teacher === undefined && folders.teachers.length === 0 &&
    (task.classes !== null || task.task === "age");
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

/** Trains a network with a head for each of several columns, and writes a model of each. */
export async function trainJoint(
  inputs: StageInputs,
  { networks, params, context }: StageTraining<
    z.output<z.ZodObject<typeof jointParams>> & { network: Choice; initializer?: Initializer }
  >,
): ReturnType<typeof trainModel> {
  const { weights, heads = {}, age, ageSpread: spread, ageReading: reading } = params;
  const tasks = jointTasks(params);
  const losses = Object.entries(tasks).map(([column, { classes }]): ChosenLoss => {
    const { loss, weight = 1 } = heads[column] ?? {};
    if (classes) warnOfBalance(params, { task: column, loss }, context);
    if (column === "gender") return { loss, weight: weights.gender };
    if (column !== "age") return { loss, weight };
    return {
      loss: loss ?? (age === "years" ? "mae" : "ageDistribution"),
      weight: weights.age,
      defaults: { spread, reading },
    };
  });
  const all = [...networks, ...pluginsOf<NetworkDefinition>(context, "network")];
  const training: ModelTraining = {
    tasks,
    params,
    network: chooseNetwork(params.network, all, "deep", { ...params, heads: losses.length }),
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
  { teachers = [], ...folders }: InputFolders,
  outputs: Readonly<Record<string, string>>,
  context: TrainingContext,
): Promise<StageResult> {
  const { params, network } = training, { augment: limits, warmup } = params;
  const { seed, signal } = context, info = (message: string) => context.info(message);
  const { optimizing, schedule, sampling, further } = chooseSteps(params, context);
  using data = await openTrainingData(folders);
  const { images, size, people, calibration } = data;
  if (params.abstain !== undefined && calibration.length === 0) {
    throw new Error(noCalibration(params.abstain));
  }
  const learning = await prepareLearning(training, data, teachers, context);
  const { tasks, rows, objective, targets } = learning;
  const { metrics, earlyStopping } = chooseMonitoring(params, tasks, context);
  warnOfLabels(learning, metrics, context);
  const artifacts = artifactsOf(context);
  const sources = await learnedFrom(params, teachers, folders.dataset, data, context);
  const caution = warnOfLeaks(sources, data.test.length, context);

  const { model, withNetwork } = buildNetworks(network, learning, size, seed);
  try {
    checkTrainable(model);
    const warning = model.layers.some((layer) => layer.getClassName() === "BatchNormalization")
      ? batchNormWarmupWarning({ ...params, earlyStopping }, rows.train.length)
      : undefined;
    if (warning !== undefined) context.warn(warning);
    warnOfSecondHead(model, context);
    const init = params.init === undefined
      ? undefined
      : await applyInit(model, params.init, tasks, artifacts);
    if (init) info(init.summary);
    // Building a head's network also finds layers of the trunk that have the names of its own.
    for (const task of tasks) {
      await withNetwork(task, (network) => checkExports(network, params.export));
    }
    // Without the engine, which refused frozen layers once: history.csv keeps its bytes.
    const slow = init !== undefined && init.frozen.length > 0;
    const validating = { images, people, rows: rows.validation, signal, slow };
    const factorOf = schedule.definition.factor({ warmup, ...schedule.options });
    if (typeof factorOf !== "function") {
      throw new Error(
        `Cannot train: factor() of schedule "${schedule.definition.name}" returned no function.`,
      );
    }
    const result = await train({
      model,
      objective,
      images,
      rows,
      targets,
      ...params,
      earlyStopping,
      ...optimizing,
      order: (rows, random) => {
        const names = tasks.map(({ task }) => task.task);
        const given = { person: (row: number) => people[row], random, tasks: names };
        return sampling.definition.order(rows, given, sampling.options);
      },
      schedule: factorOf,
      augment: limits
        ? (batch, random) => augment(batch, size, limits, random, further)
        : undefined,
      seed,
      trainer: async (options) => {
        const trainer = await openTrainer(options, context);
        info(
          `network ${network.use}: ${model.countParams().toLocaleString("en")} parameters, ` +
            `${multiplyAdds(model).toLocaleString("en")} multiply-adds per image`,
        );
        return trainer;
      },
      checkpoint: join(context.scratch, "checkpoint.safetensors"),
      onEpoch: follow(context, params.epochs, tasks),
      furtherMetrics: metrics.length === 0 ? undefined : () =>
        Array.fromAsync(tasks, (task) => {
          const fitting = metrics.filter((metric) => fits(metric, task));
          if (fitting.length === 0) return {};
          return withNetwork(task, (network) => validate(task, fitting, network, validating));
        }),
      signal,
      info,
      progress: context.progress,
    });
    if (!result.monitored && (result.stoppedEarly || earlyStopping.restoreBest)) {
      context.warn(
        `${params.earlyStopping?.monitor} of earlyStopping has a value in no epoch, such as an AUC of one ` +
          `class: the weights of epoch ${result.weightsOfEpoch} were not chosen by it. Monitor ` +
          "val_loss, or change the validation set.",
      );
    }
    for (const name of init?.frozen ?? []) model.getLayer(name).trainable = true;
    const recorded = params.weightDecay === undefined
      ? params
      : { ...params, weightDecay: optimizing.weightDecay };
    const parts = { data, learning, withNetwork, params: recorded, outputs };
    const validation = await writeModels(result, parts, context);
    const { history, stoppedEarly, weightsOfEpoch, seconds: secondsPerEpoch, computedBy } = result;
    const epochs = counted(history.length, "epoch");
    // As `evaluate` returns them.
    const kept = tasks.map(({ output, task: { task }, metric }, i) => {
      const { further = {} } = headHistory(history, i)[weightsOfEpoch - 1];
      const others = Object.entries(further).map(([column, value]) =>
        [column.replace("val_", ""), value ?? NaN] as const
      );
      const all = Object.fromEntries([[metric, validation[task].val_metric], ...others]);
      return [tasks.length > 1 ? `*.${output}` : "*", { validation: all }];
    });
    const scores = tasks.map(({ task: { task }, metric }) =>
      `${tasks.length > 1 ? `${task} ` : ""}val_${metric} ` +
      validation[task].val_metric.toPrecision(3)
    );
    info(
      `${stoppedEarly ? "stopped early after" : "trained for"} ${epochs}; weights of epoch ` +
        `${weightsOfEpoch}: val_loss ${history[weightsOfEpoch - 1].val_loss.toPrecision(3)}, ` +
        `${scores.join(", ")}; ${model.countParams().toLocaleString("en")} parameters`,
    );
    return {
      observed: {
        ...sources.length > 0 && { learnedFrom: sources },
        secondsPerEpoch,
        computedBy,
        validation,
      },
      metrics: Object.fromEntries(kept),
      ...caution !== "" && { caution },
    };
  } finally {
    model.dispose();
  }
}

/** Calls `use` with the network of one task, of all if there is one. */
type WithNetwork = <T>(
  task: LearnedTask,
  use: (network: LayersModel) => T | Promise<T>,
) => Promise<T>;

/** Builds the network that is trained, of which each task's is a part. */
function buildNetworks(
  { name, initializer, trunk: trunkOf }: ChosenNetwork,
  { tasks }: Learning,
  size: number,
  seed: number,
): { model: LayersModel; withNetwork: WithNetwork } {
  const trunk = trunkOf(size), { start, columns, reading, task: { classes } } = tasks.at(-1)!;
  const model = reading === undefined
    ? singleHeadModel(name, trunk, classes?.length ?? null, initializer, seed)
    : multiHeadModel(name, trunk, start + columns, initializer, seed);
  const withNetwork: WithNetwork = async (one, use) => {
    const { task: { task: name }, reading } = one;
    if (reading === undefined) return await use(model);
    const network = extractHead(model, trunk, { ...one, name, reading });
    try {
      return await use(network);
    } finally {
      network.dispose();
    }
  };
  return { model, withNetwork };
}

/** Warns of scores on images that models were trained on; returns the caution of the result. */
function warnOfLeaks(
  sources: Awaited<ReturnType<typeof learnedFrom>>,
  tested: number,
  { warn }: Pick<TrainingContext, "warn">,
): string {
  const all = `${counted(tested, "image")} of the test set`;
  const leaks = sources.flatMap(({ by, model, testImages, testPeople }) => {
    const seen = [
      ...testImages ? [`${testImages} of ${all}`] : [],
      ...testPeople ? [`other photos of the people in ${testPeople} of ${all}`] : [],
    ];
    return seen.length === 0 ? [] : `Scores are too good: ${by} ${quote(model)} was trained, ` +
      `validated or calibrated on ${joinWords(seen)}.`;
  });
  for (const leak of new Set(leaks)) {
    warn(`${leak} Take a model of the same split, such as a stage of this pipeline.`);
  }
  return [...new Set([...leaks, ...sources.flatMap(({ cautions }) => cautions)])].join(" ");
}

/** Warns of a network that ends as whole ones do, such as in a softmax, before the head. */
function warnOfSecondHead(model: LayersModel, { warn }: Pick<TrainingContext, "warn">): void {
  const head = headLayerOf(model), [, outputs] = head.outputShape as number[];
  const [{ shape: [, units], sourceLayer: last }] = head.inboundNodes[0].inputTensors;
  const activation = isSoftmax(last) ? "softmax" : last.getConfig().activation;
  if (!/^(softmax|sigmoid)$/.test(String(activation)) || units! > outputs) return;
  warn(
    `the network ends with "${last.name}", a ${activation} of ${counted(units!, "unit")}, and ` +
      "the stage appends the head to it: so few numbers teach little. Leave out that layer.",
  );
}

/** Warns of a single class, of neighbors without an order, and of ages beyond a distribution. */
function warnOfLabels(
  { tasks, rows, taught }: Learning,
  metrics: readonly ChosenMetric[],
  context: Pick<TrainingContext, "warn">,
): void {
  const oldest = ageBins.at(-1)!;
  for (const { task: { task, classes }, labels, reading } of tasks) {
    const names = classes?.map(({ label }) => label);
    for (const warning of orderWarnings(metrics, task, names)) context.warn(warning);
    const older = rows.train.filter((row) => labels[row] > oldest).length;
    if (older > 0 && reading !== undefined && !["classes", "quantity"].includes(reading)) {
      context.warn(
        `the loss of ${task} learns ages above ${oldest} as ${oldest}: ` +
          `${counted(older, "image")} of the training set. Use mae, mse or huber, or lower ` +
          "matParse.maxAge.",
      );
    }
    const found = new Set(Array.from(rows.train, (row) => labels[row]).filter((one) => one >= 0));
    if (!classes || found.size !== 1 || taught) continue;
    const [only] = [...found].map((label) => quote(classes[label].label));
    context.warn(
      `${task} is ${only} for all images of the training set: no network can learn it. Add images ` +
        "of another class, or check the labels.",
    );
  }
}

/**
 * Writes the model of each task.
 * @returns task → its validation metric beside the constant baseline's
 */
async function writeModels(
  { history, stoppedEarly, bestEpoch, weightsOfEpoch }: TrainingResult,
  { data, learning: { tasks, rows }, withNetwork, params, outputs }: {
    data: Awaited<ReturnType<typeof openTrainingData>>;
    learning: Learning;
    withNetwork: WithNetwork;
    /** Those that the record states. */
    params: TrainingParams;
    outputs: Readonly<Record<string, string>>;
  },
  context: TrainingContext,
): Promise<Record<string, Compared>> {
  const { images, size, calibration, preprocessing, table } = data;
  const origins = Map.groupBy(rows.train, (row) => table.dataset[row]);
  const datasets = Object.fromEntries(
    [...origins.keys()].sort().map((name) => [name, origins.get(name)!.length]),
  );
  const { mirror, learningRate } = params, { seed, compute: backend } = context;
  const validation: Record<string, Compared> = {};
  for (const [i, one] of tasks.entries()) {
    const { output, task, labels, intervals, loss, metric, standardized } = one;
    const own = headHistory(history, i);
    validation[task.task] = await withNetwork(one, async (network) => {
      const compared = await compareWithConstant(
        { task: task.task, metric, learningRate },
        own[weightsOfEpoch - 1],
        labels,
        rows,
        context,
        intervals,
        async (some) => ({
          prediction: await predictClasses(one, network, { images, rows: some }, params, context),
          people: Array.from(some, (row) => table.identity[row]),
        }),
      );
      const record: TrainingRecord = {
        // The order of keys in training.json counts for its digest.
        ...(tasks.length > 1
          ? {}
          : { task: task.task, variant: task.variant, params, loss, metric }),
        ...task,
        loss,
        metric,
        ...(standardized && { standardized }),
        params,
        ...await calibrateTask(one, network, { images, rows: calibration }, params, context),
        input: { size, channels: "RGB", divisor: 255, ...(mirror !== undefined && { mirror }) },
        preprocessing,
        seed,
        backend,
        counts: { train: rows.train.length, validation: rows.validation.length },
        datasets,
        weights: network.countParams(),
        multiplyAdds: multiplyAdds(network),
        epochs: own.length,
        stoppedEarly,
        bestEpoch,
        weightsOfEpoch,
        ...(compared.worse && { constantBaseline: compared.constantBaseline }),
      };
      const folder = outputs[output];
      await saveModel(network, folder);
      await writeRecord(folder, record, own);
      await writeExports(network, folder, record, params.export);
      return compared;
    });
  }
  return validation;
}
