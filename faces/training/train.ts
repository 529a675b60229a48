/** The training loop. */
import type { Progress } from "../../packages/pipeline/stage.ts";
import { random, type Rng } from "../../packages/random/random.ts";
import { ensureInitialized } from "./initialize.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { checkTrainable } from "./forward.ts";
import { type ImageSource, readBytes } from "./image_source.ts";
import type { Schedule } from "./training_definitions.ts";
import type { EarlyStoppingParams } from "./training_params.ts";
import type { FullEpoch } from "./training_record.ts";
import { TfjsTrainer } from "./tfjs_trainer.ts";
import { type BatchResult, gatherTargets, type Trainer, type TrainerOptions } from "./trainer.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { quote } from "../../packages/pipeline/errors.ts";

/**
 * Options of a training. The model receives the trained weights. Its initial weights are drawn from the
 * seed, unless initialize() has drawn them or keepWeights() marks them as trained.
 */
export interface TrainOptions extends TrainerOptions {
  images: ImageSource;
  /** Class or quantity of each image; with several heads, one value per head, image by image. */
  targets: ArrayLike<number>;
  /** Rows of the training set and of the validation set. */
  rows: { train: Int32Array; validation: Int32Array };
  epochs: number;
  /** Default: constant. */
  schedule?: Schedule;
  /** Returns the rows of an epoch, as many as there are; may sort them. Default: in random order. */
  order?: (rows: Int32Array, rng: Rng) => Int32Array;
  /** Augments a batch, [batch, height, width, 3], in place. */
  augment?: (images: Uint8Array, rng: Rng) => void;
  earlyStopping: EarlyStoppingOptions;
  /** Seed of shuffling, augmentation and dropout. */
  seed: number;
  /** Path of the checkpoint. It is written after each epoch; training resumes from it if it exists. */
  checkpoint: string;
  /** Opens the trainer. Default: TensorFlow.js on the open backend. */
  trainer?: (options: TrainerOptions) => Promise<Trainer>;
  /**
   * Called after each epoch, once its checkpoint is written.
   * @param best true if the monitored value is the best so far
   */
  onEpoch?: (history: readonly FullEpoch[], best: boolean) => Promise<void>;
  /**
   * Computes further validation metrics of each head, by column of history.csv. Called after each
   * epoch with its weights in the model.
   */
  furtherMetrics?: () => Promise<Record<string, number | null>[]>;
  signal: AbortSignal;
  /** Logs the removal of a damaged checkpoint. */
  info?(message: string): void;
  progress: Pick<Progress, "start" | "advance">;
}

export interface EarlyStoppingOptions extends EarlyStoppingParams {
  /** For a further metric: true if higher values are better. */
  higherIsBetter?: boolean;
  /** For a further metric: its head, of several. Default: the first */
  head?: number;
}

export interface TrainingResult {
  history: FullEpoch[];
  bestEpoch: number;
  stoppedEarly: boolean;
  /** False if the monitored value is defined in no epoch. */
  monitored: boolean;
  /** The epoch whose weights were kept. */
  weightsOfEpoch: number;
  /** Duration of each epoch, validation included. Not reproducible. */
  seconds: number[];
  /** Implementation that computed the steps and the loss; see Trainer. */
  computedBy: string;
}

/**
 * Trains a network. Each epoch shuffles, steps through the batches, validates and writes a
 * checkpoint. Early stopping ends training after `patience` epochs without improvement.
 *
 * The result depends on the options and the backend alone. An interrupted training resumes from its
 * checkpoint with the same result.
 * @throws if the loss is not finite
 */
export async function train(options: TrainOptions): Promise<TrainingResult> {
  const { model, objective, images, targets, rows, seed, signal, progress } = options;
  const { batchSize, epochs, learningRate, schedule, averaging, earlyStopping } = options;
  if (rows.train.length === 0 || rows.validation.length === 0) {
    const images = counted(rows.train.length, "image");
    throw new Error(
      `Cannot train on ${images} and validate on ${rows.validation.length}: both need at least one. ` +
        "Change the split, or add data.",
    );
  }
  checkTrainable(model);
  ensureInitialized(model, seed);
  const stopper = new EarlyStopping(earlyStopping, objective.higherIsBetter);
  const trainer = await options.trainer?.(options) ?? new TfjsTrainer(options);
  const { order: orderOf = (rows, rng) => rng.shuffle(rows) } = options;
  const trained = new Set(rows.train);
  const history: FullEpoch[] = [];
  const seconds: number[] = [];
  let best: Float32Array[] = [], running: Promise<BatchResult> | undefined;
  try {
    const saved = await readCheckpoint<State>(options.checkpoint, options.info);
    if (saved !== undefined) {
      history.push(...saved.state.history);
      seconds.push(...saved.state.seconds);
      stopper.state = saved.state.stopper;
      best = trainer.restore(saved.arrays, saved.state.steps);
    } else if (averaging !== undefined) trainer.setAverages(await trainer.weights());

    const stepsPerEpoch = Math.ceil(rows.train.length / batchSize);
    progress.start(epochs * stepsPerEpoch, "steps", history.length * stepsPerEpoch);
    for (let epoch = history.length + 1; epoch <= epochs && !stopper.state.stopped; epoch++) {
      const began = performance.now();
      const order = orderOf(rows.train.slice(), random(seed, "shuffle", epoch));
      checkOrder(order, rows.train.length, trained);
      const mean = trainer.mean();
      const prepare = (step: number) => {
        const batch = order.subarray(step * batchSize, (step + 1) * batchSize);
        const bytes = readBytes(images, batch);
        options.augment?.(bytes, random(seed, "augment", epoch, step));
        const truth = gatherTargets(targets, batch, objective.targets);
        return { images: bytes, targets: truth, rows: batch.length };
      };
      let next = prepare(0);
      for (let step = 0; step < stepsPerEpoch; step++) {
        const batch = next, at = `epoch ${epoch}, step ${step + 1}`;
        if (schedule !== undefined) {
          const from = (epoch - 1) * stepsPerEpoch;
          const factor = schedule(from + step, epochs * stepsPerEpoch, stepsPerEpoch);
          if (!Number.isFinite(factor) || factor < 0) {
            throw new Error(
              `Cannot train: the schedule returns ${quote(factor)} in ${at}. Return a factor of ` +
                "the learning rate, at least 0.",
            );
          }
          trainer.stepper.learningRate = learningRate * factor;
        }
        const drawn = (layer: string) => random(seed, "dropout", epoch, step, layer);
        running = trainer.step(batch.images, batch.targets, drawn);
        // Reads and augments the next batch during the computation of this one.
        if (step < stepsPerEpoch - 1) next = prepare(step + 1);
        const result = await running;
        if (!Number.isFinite(result.loss)) {
          if (epoch > 1 || step > 0) throw diverged(`the loss is ${result.loss} in ${at}`, options);
          throw new Error(
            `Cannot train: the loss of the first batch is ${result.loss}, before any step. Check ` +
              "the loss, the labels and the weights of init.",
          );
        }
        mean.add(result, batch.rows);
        if (step < stepsPerEpoch - 1) progress.advance();
        signal.throwIfAborted();
      }

      const weights = averaging === undefined ? undefined : await trainer.useAverages();
      const validation = await trainer.validate(images, targets, rows.validation, signal);
      if (!Number.isFinite(validation.loss)) {
        throw diverged(`the validation loss is ${validation.loss} in epoch ${epoch}`, options);
      }
      const scores = recordOf(mean.result, validation);
      const last: FullEpoch = { epoch, ...scores, learning_rate: trainer.stepper.learningRate };
      history.push(last);
      if (options.furtherMetrics) {
        trainer.copyWeightsToModel();
        const further = await options.furtherMetrics();
        if (further.length === 1) last.further = further[0];
        last.heads?.forEach((head, h) => head.further = further[h]);
      }
      const better = stopper.update(last);
      if (better) best = await trainer.weights();
      if (weights) trainer.setWeights(weights);
      seconds.push(Math.round(performance.now() - began) / 1000);
      await writeCheckpoint<State>(options.checkpoint, {
        state: { history, seconds, stopper: stopper.state, steps: trainer.stepper.steps },
        arrays: await trainer.save(best),
      });
      await options.onEpoch?.(history, better);
      const losses = `loss ${short(last.loss)} val_loss ${short(last.val_loss)}`;
      progress.advance(1, `epoch ${epoch}/${epochs} ${losses}`);
    }

    const { restoreBest } = earlyStopping;
    if (restoreBest) trainer.setWeights(best);
    else if (averaging !== undefined) await trainer.useAverages();
    trainer.copyWeightsToModel();
    return {
      history,
      bestEpoch: stopper.state.bestEpoch,
      stoppedEarly: stopper.state.stopped && history.length < epochs,
      monitored: stopper.state.best !== UNDEFINED,
      weightsOfEpoch: restoreBest ? stopper.state.bestEpoch : history.length,
      seconds,
      computedBy: trainer.computedBy,
    };
  } finally {
    await running?.catch(() => {}); // it goes on where the next batch cannot be read
    await trainer.close();
  }
}

/** @throws unless an order has rows of the training set alone, as many as there are */
function checkOrder(order: unknown, count: number, trained: ReadonlySet<number>): void {
  const rows = order instanceof Int32Array ? order : undefined;
  const foreign = rows?.find((row) => !trained.has(row));
  if (rows?.length === count && foreign === undefined) return;
  const what = foreign !== undefined
    ? `row ${foreign}, which is not of the training set`
    : rows
    ? `${rows.length} rows`
    : quote(order);
  throw new Error(
    `Cannot train: order() of the sampling returns ${what}. Return an Int32Array of ${count} ` +
      "rows out of those that it gets.",
  );
}

/** State in a checkpoint, in addition to arrays. */
interface State {
  history: FullEpoch[];
  seconds: number[];
  stopper: EarlyStopping["state"];
  steps: number;
}

/** Monitored in place of a metric that is not defined: JSON has no infinity. */
const UNDEFINED = Number.MAX_VALUE;

/** Monitors a value and stops training when it no longer improves. */
export class EarlyStopping {
  state = { best: null as number | null, bestEpoch: 0, wait: 0, stopped: false };
  readonly #sign: 1 | -1;

  constructor(readonly options: EarlyStoppingOptions, metricHigherIsBetter: boolean) {
    const { monitor, higherIsBetter } = options;
    const higher = higherIsBetter ?? (/^(val_)?metric$/.test(monitor) && metricHigherIsBetter);
    this.#sign = higher ? -1 : 1;
  }

  /** Updates the state with an epoch; returns true if it is the best so far. */
  update(epoch: FullEpoch): boolean {
    const { monitor, patience, head = 0 } = this.options;
    const columns: Record<string, unknown> = {
      ...epoch,
      ...(epoch.heads?.[head] ?? epoch).further,
    };
    const column = columns[monitor] as number;
    const value = Number.isFinite(column) ? this.#sign * column : UNDEFINED;
    const { best, wait } = this.state;
    const better = best === null || value < best;
    // Keras checks patience from the second epoch on; the first one is always an improvement.
    this.state = better
      ? { best: value, bestEpoch: epoch.epoch, wait: 0, stopped: false }
      : { ...this.state, wait: wait + 1, stopped: wait + 1 >= patience };
    return better;
  }
}

function recordOf(
  train: BatchResult,
  validation: BatchResult,
): Omit<FullEpoch, "epoch" | "learning_rate"> {
  const heads = train.heads?.map((head, h) => recordOf(head, validation.heads![h]));
  return {
    loss: train.loss,
    metric: train.metric,
    val_loss: validation.loss,
    val_metric: validation.metric,
    ...(heads ? { heads } : {}),
  };
}

/** Formats an epoch as one line; `metrics` names the metric of each head. */
export function epochLine(
  { epoch, learning_rate, heads, ...whole }: FullEpoch,
  { epochs, metrics, best }: { epochs: number; metrics: readonly string[]; best: boolean },
): string {
  const parts = metrics.map((name, i) => ({ name, ...(heads?.[i] ?? whole) }));
  return [
    `epoch ${epoch}/${epochs}`,
    `loss ${short(whole.loss)}`,
    ...parts.map(({ name, metric }) => `${name} ${short(metric)}`),
    `val_loss ${short(whole.val_loss)}`,
    ...parts.flatMap(({ name, val_metric, further = {} }) => [
      `val_${name} ${short(val_metric)}`,
      ...Object.entries(further).map(([column, value]) => {
        const head = parts.length > 1 ? `val_${name.replace(/[^_]*$/, "")}` : "val_";
        return `${column.replace("val_", head)} ${short(value ?? NaN)}`;
      }),
    ]),
    `learning_rate ${Number(learning_rate!.toPrecision(3))}`,
    ...(best ? ["best"] : []),
  ].join(" ");
}

function short(loss: number): string {
  return loss.toPrecision(3);
}

function diverged(what: string, { learningRate, batchSize }: TrainOptions): Error {
  return new Error(
    `Cannot continue training: ${what}. Training diverged: lower learningRate (now ` +
      `${learningRate}), or raise batchSize (now ${batchSize}).`,
  );
}
