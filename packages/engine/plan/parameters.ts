/** Weights, gradients and moments, and the optimizer's table. */
import type { Allocator } from "./allocator.ts";
import { bits, overItems, record, type Stage, type Tensor } from "./program.ts";
import { type SizedBlock, upTo8 } from "./shapes.ts";

/** Addresses of a block's weights; 0 if absent. */
export interface Places {
  readonly kernel: number;
  readonly bias: number;
  readonly gamma: number;
  readonly beta: number;
}

export interface Parameter {
  address: number;
  floats: number;
  l2: number;
  /** True if decoupled weight decay applies: kernels only. */
  decays: boolean;
  /** Block and rows of a dense kernel. */
  dense?: { b: number; rows: number };
}

/** Places of the parts of a gradient that chunks of a batch compute, `bytes` apart. */
export interface Parts {
  address: number;
  bytes: number;
}

export interface Parameters {
  readonly tensors: Tensor[];
  /** Weights by block. */
  readonly places: readonly Places[];
  readonly parameters: readonly Parameter[];
  /** Byte offsets from a weight to its moments and gradient. */
  readonly moments: readonly [number, number];
  readonly gradient: number;
}

/** Allocates weights contiguously; `end` allocates moments and gradients in the same order. */
export function collectParameters(memory: Allocator) {
  const tensors: Tensor[] = [];
  const parameters: Parameter[] = [];
  const start = memory.end;
  const parameter = (
    name: string,
    shape: number[],
    [groups, rows, paddedRows, columns]: [number, number, number, number],
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

/** Allocates the weights of all blocks. */
export function layOutParameters(memory: Allocator, blocks: readonly SizedBlock[]): Parameters {
  const { tensors, parameters, parameter, end } = collectParameters(memory);
  const places = blocks.map(({ b, block: { linear, norm }, conv, dense }) => {
    const columns = linear.kind === "dense" ? linear.units : linear.filters;
    const name = `${linear.name}/kernel`, l2 = linear.l2?.kernel;
    const kernel = dense
      ? parameter(
        name,
        [dense.groups * dense.inChannels, columns],
        [dense.groups, dense.inChannels, dense.inStride, columns],
        l2,
      )
      : parameter(
        name,
        [conv.kh, conv.kw, conv.inChannels, columns],
        [conv.kh * conv.kw, conv.inChannels, conv.inStride, columns],
        l2,
      );
    if (dense) parameters.at(-1)!.dense = { b, rows: dense.inFlat };
    const vector = (suffix: string, layer: string, l2?: number) =>
      parameter(`${layer}/${suffix}`, [columns], [1, 1, 1, columns], l2);
    const bias = linear.bias ? vector("bias", linear.name, linear.l2?.bias) : 0;
    const gamma = norm ? vector("gamma", norm.name) : 0;
    const beta = norm ? vector("beta", norm.name) : 0;
    return { kernel, bias, gamma, beta };
  });
  return { tensors, places, parameters, ...end() };
}

/** Number of floats updated by one item of the optimizer's stage. */
const UPDATE = 4096;

/**
 * Builds the table of packages/engine/assembly/update.ts: each item's weights, and the partial
 * gradients of chunks. Dense kernels come last, an item a panel; `panels`
 * has the first of each block's.
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
  const ordered = [
    ...parameters.filter(({ dense }) => !dense),
    ...parameters.filter(({ dense }) => dense),
  ];
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
