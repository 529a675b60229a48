/** Choices that a training's parameters name: optimizer, schedule, order, metrics, early stopping. */
import { counted } from "../../packages/pipeline/causes.ts";
import { chosen, type Definition } from "../../packages/pipeline/define.ts";
import { chooseMetrics, type ChosenMetric } from "./further_metrics.ts";
import type { ChosenOptimizer } from "./optimizer.ts";
import { optimizers } from "./optimizers.ts";
import { samplings } from "./sampling.ts";
import { schedules } from "./schedule.ts";
import type { LabelledTask } from "./tasks.ts";
import type { EarlyStoppingOptions } from "./train.ts";
import type { TrainingContext } from "./training_data.ts";
import type {
  OptimizerDefinition,
  SamplingDefinition,
  ScheduleDefinition,
} from "./training_definitions.ts";
import type { TrainingParams } from "./training_params.ts";

/** Returns the optimizer, schedule and order of images that parameters name. */
export function chooseSteps(params: TrainingParams, context: TrainingContext) {
  const rates = [...schedules, ...pluginsOf<ScheduleDefinition>(context, "schedule")];
  const orders = [...samplings, ...pluginsOf<SamplingDefinition>(context, "sampling")];
  return {
    optimizing: chooseOptimizer(params, pluginsOf(context, "optimizer")),
    schedule: chosen(params.schedule, rates, "constant"),
    sampling: chosen(params.sampling, orders, "shuffle"),
  };
}

/**
 * Returns the further metrics that parameters name, and when training stops.
 * @throws if a metric is of what no task predicts, or the monitored one cannot be
 */
export function chooseMonitoring(
  params: TrainingParams,
  tasks: readonly LabelledTask[],
  context: TrainingContext,
): { metrics: ChosenMetric[]; earlyStopping: EarlyStoppingOptions } {
  const metrics = chooseMetrics(params.metrics ?? [], pluginsOf(context, "metric"));
  const unfit = metrics.find((metric) => !tasks.some((task) => fits(metric, task)));
  if (unfit) {
    const names = tasks.map(({ task }) => task.task);
    throw new Error(
      `Cannot train ${names}: metrics names "${unfit.name}", which is of ${unfit.of}, and the ` +
        "network predicts none. Remove it.",
    );
  }
  return { metrics, earlyStopping: chooseStopping(params, metrics) };
}

/** Returns true if a metric is of what a task predicts. */
export function fits({ of }: ChosenMetric, { task: { classes } }: LabelledTask): boolean {
  return of === (classes ? "classes" : "years");
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

export function pluginsOf<D extends Definition>(
  { definitions }: TrainingContext,
  kind: string,
): D[] {
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
