/** Choices that a training's parameters name: optimizer, schedule, order, metrics, early stopping. */
import { counted } from "../../packages/pipeline/causes.ts";
import { type Choice, chosen, type Definition } from "../../packages/pipeline/define.ts";
import { joinWords, problemsOf } from "../../packages/pipeline/errors.ts";
import type { CheckContext, ParamProblem } from "../../packages/pipeline/stage.ts";
import { augmentations } from "./augment.ts";
import { chooseMetrics, type ChosenMetric } from "./further_metrics.ts";
import { classHead, headOf, quantityHead } from "./losses.ts";
import type { ChosenOptimizer } from "./optimizer.ts";
import { optimizers } from "./optimizers.ts";
import { samplings } from "./sampling.ts";
import { schedules } from "./schedule.ts";
import type { Task, ValuesTask } from "./tasks.ts";
import type { EarlyStoppingOptions } from "./train.ts";
import type { TrainingContext } from "./training_data.ts";
import type {
  AugmentationDefinition,
  LossDefinition,
  OptimizerDefinition,
  SamplingDefinition,
  ScheduleDefinition,
} from "./training_definitions.ts";
import type { TrainingParams } from "./training_params.ts";

/** Choices of plugins. */
type Plugins = Pick<TrainingContext, "definitions">;

/** A task that a stage's network learns, its loss, and the place of that in the parameters. */
export interface TaskLoss {
  readonly task: Task | ValuesTask;
  readonly loss?: Choice | undefined;
  readonly path: readonly string[];
}

/** Finds losses, metrics and a monitored column that do not fit the tasks. */
export async function checkChoices(
  params: TrainingParams,
  tasks: readonly TaskLoss[],
  context: CheckContext,
): Promise<ParamProblem[]> {
  // Heads of plugins may need the targets, which no data has yet.
  const plugins = pluginsOf<LossDefinition>(context, "loss")
    .map((one): LossDefinition => ({
      ...one,
      head: ({ classes }) => classes === null ? quantityHead(1) : classHead(classes, 1),
    }));
  const heads = await problemsOf(tasks.map(({ task: { task, classes }, loss, path }) => {
    const { classWeights = [] } = typeof loss === "object" ? loss : {};
    const known = classes === "values" ? [classWeights].flat() : classes;
    return [path, () => headOf({ loss, weight: 1 }, { task, classes: known }, [], plugins)];
  }));
  const all = { ...params, earlyStopping: undefined };
  const unfit = await problemsOf([[["metrics"], () => chooseMonitoring(all, tasks, context)]]);
  const check = () => chooseMonitoring(params, tasks, context);
  const stopping = unfit[0] ? unfit : await problemsOf([[["earlyStopping", "monitor"], check]]);
  return [...heads, ...stopping];
}

/** Returns the error of `abstain` without a calibration set. */
export function noCalibration(abstain: number): string {
  return `Cannot choose the threshold of abstain ${abstain}: it comes from a calibration set, and the ` +
    "splits have none. Set split.calibration, such as 0.2, or remove abstain.";
}

/** Warns of classes that both the sampling and the loss balance. */
export function warnOfBalance(
  { sampling }: TrainingParams,
  { task, loss }: { task: string; loss: Choice | undefined },
  { warn }: Pick<TrainingContext, "warn">,
): void {
  const order = typeof sampling === "object" ? sampling : { use: sampling };
  const { by = [task] } = order as { by?: string[] };
  const weighted = typeof loss === "object" && loss.classWeights === "balanced";
  if (weighted && order.use === "balanced" && by.includes(task)) {
    warn(`sampling and classWeights both balance the classes of ${task}. Remove one of them.`);
  }
}

/** Returns the optimizer, schedule, order and augmentations of images that parameters name. */
export function chooseSteps(params: TrainingParams, context: TrainingContext) {
  const rates = [...schedules, ...pluginsOf<ScheduleDefinition>(context, "schedule")];
  const orders = [...samplings, ...pluginsOf<SamplingDefinition>(context, "sampling")];
  const changes = [
    ...augmentations,
    ...pluginsOf<AugmentationDefinition>(context, "augmentation"),
  ];
  const { further = [] } = params.augment || {};
  return {
    optimizing: chooseOptimizer(params, pluginsOf(context, "optimizer")),
    schedule: chosen(params.schedule, rates, "constant"),
    sampling: chosen(params.sampling, orders, "shuffle"),
    further: further.map((one) => chosen(one, changes, "")),
  };
}

/**
 * Returns the further metrics that parameters name, and when training stops.
 * @throws if a metric is of what no task predicts, or the monitored one cannot be
 */
export function chooseMonitoring(
  params: TrainingParams,
  tasks: readonly { readonly task: Task | ValuesTask }[],
  context: Plugins,
): { metrics: ChosenMetric[]; earlyStopping: EarlyStoppingOptions } {
  const metrics = chooseMetrics(params.metrics ?? [], pluginsOf(context, "metric"));
  const unfit = metrics.find((metric) => !tasks.some((task) => fits(metric, task)));
  if (unfit) {
    const names = joinWords(tasks.map(({ task }) => task.task));
    throw new Error(
      `Cannot train ${names}: metrics names "${unfit.name}", which is of ${unfit.of}, and the ` +
        "network predicts none. Remove it.",
    );
  }
  return { metrics, earlyStopping: chooseStopping(params, metrics, tasks) };
}

/** Returns true if a metric is of what a task predicts. */
export function fits(
  { of }: ChosenMetric,
  { task: { classes } }: { readonly task: Task | ValuesTask },
): boolean {
  return of === (classes ? "classes" : "years");
}

/** Returns how training stops early; without the parameter never. @throws if it cannot be monitored */
function chooseStopping(
  { epochs, earlyStopping: written }: TrainingParams,
  metrics: readonly ChosenMetric[],
  tasks: readonly { readonly task: Task | ValuesTask }[],
): EarlyStoppingOptions {
  const { monitor, ...options } = written ??
    { monitor: "val_loss", patience: epochs, restoreBest: false };
  // Of several heads that have a metric, each has a name with its task.
  const further = metrics.flatMap((metric) => {
    const { name, better } = metric, heads = tasks.filter((task) => fits(metric, task));
    return !better ? [] : heads.map((one) => ({
      name: heads.length > 1 ? `val_${one.task.task}_${name}` : `val_${name}`,
      monitored: {
        monitor: `val_${name}`,
        higherIsBetter: better === "more",
        head: tasks.indexOf(one),
      },
    }));
  });
  const found = further.find(({ name }) => name === monitor);
  if (!found && !/^(val_)?(loss|metric)$/.test(monitor)) {
    const names = ["val_loss", "val_metric", ...further.map(({ name }) => name)].join(", ");
    throw new Error(
      `Cannot stop early by "${monitor}": it is no metric of this training with a better direction. ` +
        `Name one of ${names}, or add it to metrics.`,
    );
  }
  return { monitor, ...options, ...found?.monitored };
}

export function pluginsOf<D extends Definition>({ definitions }: Plugins, kind: string): D[] {
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
  const lower = batchNormMomentum > 0.9 ? "batchNormMomentum (0.9) or batchSize" : "batchSize";
  return `batch normalization with batchNormMomentum ${batchNormMomentum} needs about ${needed} ` +
    `steps before validation metrics are meaningful. An epoch has ${counted(steps, "step")}, and ` +
    `earlyStopping.patience is ${patience}. Lower ${lower} (now ${batchSize}), or raise ` +
    "earlyStopping.patience.";
}
