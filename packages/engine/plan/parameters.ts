/** Weights, gradients and moments, and the optimizer's table. */
import type { Allocator } from "./allocator.ts";
import { bits, overItems, record, type Stage, type Tensor } from "./program.ts";
import { upTo8 } from "./shapes.ts";

export interface Parameter {
  address: number;
  floats: number;
  l2: number;
  /** True if decoupled weight decay applies: kernels only. */
  decays: boolean;
  /** Layer and rows of a dense kernel. */
  dense?: { b: number; rows: number };
}

/** Places of the parts of a gradient that chunks of a batch compute, `bytes` apart. */
export interface Parts {
  address: number;
  bytes: number;
}

/** Allocates weights contiguously; `end` allocates moments and gradients in the same order. */
export function collectParameters(memory: Allocator) {
  const tensors: Tensor[] = [];
  const parameters: Parameter[] = [];
  const start = memory.end;
  const parameter = (
    name: string,
    shape: number[],
    [groups, rows, paddedRows, columns]: readonly [number, number, number, number],
    l2 = 0,
    trainable = true,
  ): number => {
    const floats = groups * paddedRows * upTo8(columns);
    const address = memory.allocate(floats * 4);
    tensors.push({ name, shape, trainable, address, groups, rows, paddedRows, columns });
    if (trainable) parameters.push({ address, floats, l2, decays: name.endsWith("kernel") });
    return address;
  };
  const end = () => {
    const span = memory.end - start;
    memory.allocate(3 * span);
    return { moments: [span, 2 * span] as const, gradient: 3 * span };
  };
  return { tensors, parameters, parameter, end };
}

/** Number of floats updated by one item of the optimizer's stage. */
const UPDATE = 4096;

/**
 * Builds the table of packages/engine/assembly/update.ts: each item's weights, and the partial
 * gradients of chunks. Dense kernels come last, an item a panel; `panels`
 * has the first of each layer's.
 */
export function optimizerTable(
  memory: Allocator,
  parameters: readonly Parameter[],
  partsOf: (address: number) => Parts | undefined,
  chunks: number,
  clips: boolean,
): {
  table: number;
  /** Address of each item's sum of squares, 8 bytes each; 0: gradients are not clipped. */
  norms: number;
  penalties: { address: number; count: number };
  panels: ReadonlyMap<number, number>;
} {
  const items: number[] = [];
  const panels = new Map<number, number>();
  const ordered = parameters.toSorted((a, b) => Number(!!a.dense) - Number(!!b.dense));
  for (const { address, floats, l2, decays, dense } of ordered) {
    const part = partsOf(address);
    const most = dense ? dense.rows * 8 : UPDATE;
    if (dense) panels.set(dense.b, items.length / 8);
    for (let done = 0; done < floats; done += most) {
      items.push(
        address + done * 4,
        Math.min(most, floats - done),
        part ? part.address + done * 4 : 0,
        part?.bytes ?? 0,
        part ? chunks : 0,
        bits([l2]),
        Number(decays),
        0,
      );
    }
  }
  const count = items.length / 8;
  const table = memory.place(Int32Array.from(items));
  const penalties = { address: memory.allocate(count * 8), count };
  return { table, penalties, norms: clips ? memory.allocate(count * 8) : 0, panels };
}

/** Allocates moving averages of all weights, and writes the stage that updates them. */
export function layOutAverages(memory: Allocator, tensors: readonly Tensor[]) {
  const items: number[] = [];
  const averages = tensors.map((tensor): Tensor => {
    const floats = tensor.groups * tensor.paddedRows * upTo8(tensor.columns);
    const address = memory.allocate(floats * 4);
    for (let done = 0; done < floats; done += UPDATE) {
      const at = done * 4;
      items.push(tensor.address + at, Math.min(UPDATE, floats - done), address + at);
    }
    return { ...tensor, address };
  });
  const table = memory.place(Int32Array.from(items));
  const stages: Stage[] = items.length > 0
    ? [overItems([record("average", 0, items.length / 3, [table])])]
    : [];
  return { averages, stages };
}
