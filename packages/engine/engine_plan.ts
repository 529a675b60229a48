/**
 * Compiles a network into a plan: the memory layout, and the programs that the kernels' interpreter
 * (packages/engine/assembly/index.ts) runs over it. Nothing is allocated afterwards.
 *
 * A network is a graph: one tensor per layer, gradients added up over its readers. A sequence is a
 * graph of blocks (convolution or dense, activation, normalization, pooling), which have fused
 * kernels.
 *
 * Channels and units are padded to multiples of eight, and the padding stays zero: its weights,
 * gammas and biases are zero and so are their gradients. Only the input keeps its channels.
 */
import { Control, Update } from "./assembly/abi.ts";
import { type Network, UnsupportedNetwork } from "./engine_network.ts";
import { Allocator } from "./plan/allocator.ts";
import { fuse } from "./plan/fusion.ts";
import { GraphBuilder } from "./plan/graph_builder.ts";
import type { GraphTensor } from "./plan/graph_layer.ts";
import { Buffer, Schedule } from "./plan/operations.ts";
import { layOutAverages, optimizerTable } from "./plan/parameters.ts";
import {
  type KernelRecord,
  overItems,
  type Plan,
  record,
  type Stage,
  writePrograms,
} from "./plan/program.ts";
import { product } from "./plan/shapes.ts";

export { dropoutSalt } from "./plan/layers/pointwise.ts";
export type { Plan, Tensor } from "./plan/program.ts";

export interface PlanOptions {
  /** Maximum number of rows in a batch. */
  batch: number;
  threads: number;
  /** Divisor of input bytes; undefined for float input. */
  divisor?: number;
  /** True if gradients are clipped, which takes all of them before the first step. */
  clips?: boolean;
  /** True if moving averages of the weights are kept. */
  averages?: boolean;
}

/**
 * A batch is cut into chunks, for any number of threads: eight, or more of eight images each
 * if it is large, up to as many as there may be threads.
 */
const CHUNKS = { least: 8, images: 8, most: 16 };

function chunksOf(batch: number): number {
  const wanted = Math.min(Math.floor(batch / CHUNKS.images), CHUNKS.most);
  return Math.min(batch, Math.max(CHUNKS.least, wanted));
}

/** Kernels of heads' losses. */
const HEAD = {
  categoricalCrossentropy: "softCrossEntropy",
  meanAbsoluteError: "absoluteError",
} as const;

/** Lays out memory and writes the programs. @throws {UnsupportedNetwork} */
export function plan(network: Network, options: PlanOptions): Plan {
  const { batch, threads, divisor, clips = false, averages: keeps } = options;
  const { layers, output, logits } = fuse(network);
  const memory = new Allocator(), chunks = chunksOf(batch), sizes = { batch, threads, chunks };
  const pixels = product(network.input), floats = divisor === undefined;
  const input = { address: memory.allocate(batch * pixels * (floats ? 4 : 1)), floats };
  const builder = new GraphBuilder(memory, sizes);
  const { tensors, parameters, moments, gradient } = builder.declare(network.input, layers);

  // The loss reads and writes memory that the caller reads as well.
  const columns = columnsOf(network, builder.shapes[output], logits);
  const width = Math.ceil(columns / 8) * 32;
  const fixed = (address: number) => Object.assign(new Buffer(width, "fixed"), { address });
  const activated = memory.allocate(batch * width), outGradient = memory.allocate(batch * width);
  const labels = memory.allocate(batch * columns * 4);
  const outputs = memory.allocate(batch * columns * 4);
  const heads = typeof network.loss === "object" ? network.loss.length : 0;
  const headLosses = memory.allocate(heads * 8);
  const { loss } = network, custom = typeof loss === "function";
  /** Returns loss and outputs; with an address for it, also the gradient by the last layer's values. */
  const lossRecords = (gradient: number, first: number): KernelRecord[] => {
    if (custom) return [];
    if (loss === "categoricalCrossentropy") {
      const words = [activated, width / 4, columns, labels, outputs, gradient];
      return [record("crossEntropy", first, 1, words)];
    }
    const whole = loss === "meanAbsoluteError";
    const all = whole ? [{ loss, columns, weight: 1 }] : loss;
    const losses = whole ? Control.loss : headLosses;
    return all.map((head, n) => {
      const at = all.slice(0, n).reduce((sum, { columns }) => sum + columns, 0) * 4;
      return record(HEAD[head.loss], first + n, 1, [
        ...[activated + at, width / 4, head.columns, labels + at, outputs + at],
        ...[gradient && gradient + at, columns, [head.weight] as const, losses + n * 8],
      ]);
    });
  };

  const build = (training: boolean) => {
    const schedule = new Schedule();
    const prepared = builder.start(schedule, training);
    const end = fixed(activated), endGradient = fixed(outGradient);
    const rows = layers[0]?.kind === "denseBlock";
    const image = builder.readInput({ ...input, divisor }, network.input, rows);
    const values = new Map<number, GraphTensor>([[-1, image]]);
    for (const [n, layer] of layers.entries()) {
      const value = n === output ? end : undefined;
      values.set(n, builder.forward(layer, layer.inputs.map((i) => values.get(i)!), value));
    }
    if (!custom) {
      schedule.add({
        reads: [end],
        writes: training ? [endGradient] : [],
        items: (first) => lossRecords(training ? outGradient : 0, first),
      });
    }
    // A custom loss is computed by the caller between these levels and those of the backward pass.
    const ahead = schedule.depth;
    if (training) {
      schedule.base = ahead;
      values.get(output)!.slot.gradient = endGradient;
      endGradient.level = ahead;
      builder.backward();
    }
    return { schedule, prepared, ahead };
  };
  const train = build(true), infer = build(false);
  builder.allocateShared();
  // Values share memory where their lives do not overlap; training and inference share all of it.
  const arena = {
    train: train.schedule.place(memory, sizes),
    infer: infer.schedule.place(memory, sizes),
  };
  const start = memory.allocate(Math.max(arena.train.bytes, arena.infer.bytes));

  const partsOf = (address: number) => builder.parts.get(address);
  const optimizer = optimizerTable(memory, parameters, partsOf, chunks, clips);
  const { table, norms, penalties, panels } = optimizer;
  builder.optimizer = { ...optimizer, moments };
  const update = (count: number, kind: Update) =>
    overItems([record("updateWeights", 0, count, [
      ...[table, ...moments, gradient, penalties.address, kind, norms],
    ])]);
  // Dense layers have stepped when their old weights were no longer needed. With clipping, all step
  // once the norm is known.
  const others = update(
    Math.min(penalties.count, ...panels.values()),
    norms === 0 ? Update.step : Update.gather,
  );
  const clip = { ...others, endings: [record("clip", 0, 1, [norms, penalties.count])] };
  const updates = norms === 0 ? [others] : [clip, update(penalties.count, Update.apply)];
  const { averages, stages: averaging } = layOutAverages(memory, keeps ? tensors : []);
  const nonEmpty = (stages: Stage[]) => stages.filter(({ count }) => count > 0);
  const stages = arena.train.stages(start);
  const ahead = nonEmpty([...train.prepared.stages(), ...stages.slice(0, train.ahead).flat()]);
  const behind = nonEmpty([...stages.slice(train.ahead).flat(), ...updates, ...averaging]);
  const { addresses: [trainAt, inferAt, penalty, back], counters } = writePrograms(memory, [
    custom ? ahead : [...ahead, ...behind],
    nonEmpty([...infer.prepared.stages(), ...arena.infer.stages(start).flat()]),
    [update(penalties.count, Update.penaltyOnly)],
    ...(custom ? [behind] : []),
  ]);
  return {
    network,
    batch,
    threads,
    bytes: memory.end,
    tensors,
    moments,
    gradient,
    averages,
    labels,
    penalties,
    counters,
    words: memory.words,
    programs: { train: trainAt, infer: inferAt, penalty, back },
    input: { ...input, bytes: pixels * (floats ? 4 : 1) },
    outputs: {
      columns,
      gradient: outGradient,
      ...(custom ? { address: activated, row: width } : { address: outputs, row: columns * 4 }),
    },
    heads: { address: headLosses, count: heads },
  };
}

/** Checks that the network's end suits its loss. @throws {UnsupportedNetwork} */
function columnsOf({ loss }: Network, shape: readonly number[], logits: boolean): number {
  const refuse = (why: string): never => {
    throw new UnsupportedNetwork(`The fast engine cannot train this network: its end ${why}`);
  };
  if (shape.length !== 1) return refuse(`has the shape ${shape.join(" x ")}, not one axis`);
  const [columns] = shape;
  if (loss === "categoricalCrossentropy" && !logits) return refuse("is not a softmax");
  if (typeof loss === "object") {
    const all = loss.reduce((sum, head) => sum + head.columns, 0);
    if (columns !== all) return refuse(`has ${columns} units for heads of ${all} columns`);
  }
  return columns;
}
