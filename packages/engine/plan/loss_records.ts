/** Kernel records of losses. */
import type { Kernel } from "../assembly/abi.ts";
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

type Kernels = Record<"categoricalCrossentropy" | "meanAbsoluteError", keyof typeof Kernel>;

const WHOLE: Kernels = {
  categoricalCrossentropy: "crossEntropy",
  meanAbsoluteError: "absoluteError",
};
const HEAD: Kernels = {
  categoricalCrossentropy: "softCrossEntropy",
  meanAbsoluteError: "headAbsoluteError",
};

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
  if (typeof loss === "string") {
    return [record(WHOLE[loss], first, 1, [activated, row, columns, labels, outputs, gradient])];
  }
  return loss.map((head, n) => {
    const at = loss.slice(0, n).reduce((sum, { columns }) => sum + columns, 0) * 4;
    return record(HEAD[head.loss], first + n, 1, [
      ...[activated + at, row, head.columns, labels + at, outputs + at, gradient && gradient + at],
      ...[columns, [head.weight] as const, headLosses + n * 8],
    ]);
  });
}
