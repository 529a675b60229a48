/** Kernel records of losses. */
import { Control } from "../assembly/abi.ts";
import type { Loss } from "../engine_network.ts";
import { type KernelRecord, record } from "./program.ts";

/** Addresses of the last layer's values, `row` floats per image, and of all that a loss computes. */
interface LossPlaces {
  readonly activated: number;
  readonly row: number;
  readonly labels: number;
  readonly outputs: number;
  /** 0: not wanted. */
  readonly gradient: number;
  /** Sum of each head's losses, 8 bytes each. */
  readonly headLosses: number;
}

const HEAD = {
  categoricalCrossentropy: "softCrossEntropy",
  meanAbsoluteError: "absoluteError",
} as const;

/**
 * Returns loss, metric and outputs; in training also the gradient by the last layer's values. None of a
 * custom loss.
 * @param first item of the stage
 */
export function lossRecords(
  loss: Loss,
  columns: number,
  { activated, row, labels, outputs, gradient, headLosses }: LossPlaces,
  first: number,
): KernelRecord[] {
  if (typeof loss === "function") return [];
  if (loss === "categoricalCrossentropy") {
    return [record("crossEntropy", first, 1, [activated, row, columns, labels, outputs, gradient])];
  }
  const [heads, losses] = typeof loss === "string"
    ? [[{ loss, columns, weight: 1 }], Control.loss]
    : [loss, headLosses];
  return heads.map((head, n) => {
    const at = heads.slice(0, n).reduce((sum, { columns }) => sum + columns, 0) * 4;
    return record(HEAD[head.loss], first + n, 1, [
      ...[activated + at, row, head.columns, labels + at, outputs + at, gradient && gradient + at],
      ...[columns, [head.weight] as const, losses + n * 8],
    ]);
  });
}
