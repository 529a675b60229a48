/** When to stop, as Keras's EarlyStopping decides it. */
import type { EpochRecord } from "./training_record.ts";

export interface EarlyStoppingOptions {
  monitor: "loss" | "val_loss" | "metric" | "val_metric";
  /** Epochs without a better value that end the training. */
  patience: number;
  /** Whether the weights of the best epoch are kept in the end, instead of the last ones. */
  restoreBest: boolean;
}

/** What a checkpoint keeps of it. */
export interface EarlyStoppingState {
  best: number | null;
  bestEpoch: number;
  wait: number;
  stopped: boolean;
}

export class EarlyStopping {
  state: EarlyStoppingState = { best: null, bestEpoch: 0, wait: 0, stopped: false };
  readonly #monitor: EarlyStoppingOptions["monitor"];
  readonly #patience: number;
  readonly #sign: 1 | -1;

  constructor({ monitor, patience }: EarlyStoppingOptions, metricHigherIsBetter: boolean) {
    this.#monitor = monitor;
    this.#patience = patience;
    this.#sign = this.#monitor.endsWith("metric") && metricHigherIsBetter ? -1 : 1;
  }

  /** Takes an epoch's numbers in; true if it is the best so far. */
  update(epoch: EpochRecord): boolean {
    const value = this.#sign * epoch[this.#monitor];
    const { best, wait } = this.state;
    if (best === null || value < best) {
      this.state = { best: value, bestEpoch: epoch.epoch, wait: 0, stopped: false };
      return true;
    }
    // Keras looks at the patience from the second epoch on, which a first, best one never reaches.
    this.state = { ...this.state, wait: wait + 1, stopped: wait + 1 >= this.#patience };
    return false;
  }
}
