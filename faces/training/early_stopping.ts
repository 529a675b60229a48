/** Early stopping, as Keras's EarlyStopping. */
import type { EpochRecord } from "./training_record.ts";

/** Options of early stopping. */
export interface EarlyStoppingOptions {
  monitor: "loss" | "val_loss" | "metric" | "val_metric";
  /** Epochs without improvement before training stops. */
  patience: number;
  /** True to restore the weights of the best epoch. */
  restoreBest: boolean;
}

/** State of early stopping in a checkpoint. */
export interface EarlyStoppingState {
  best: number | null;
  bestEpoch: number;
  wait: number;
  stopped: boolean;
}

/** Monitors a value and stops training when it no longer improves. */
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

  /** Updates the state with an epoch; returns true if it is the best so far. */
  update(epoch: EpochRecord): boolean {
    const value = this.#sign * epoch[this.#monitor];
    const { best, wait } = this.state;
    if (best === null || value < best) {
      this.state = { best: value, bestEpoch: epoch.epoch, wait: 0, stopped: false };
      return true;
    }
    // Keras checks patience from the second epoch on; the first one is always an improvement.
    this.state = { ...this.state, wait: wait + 1, stopped: wait + 1 >= this.#patience };
    return false;
  }
}
