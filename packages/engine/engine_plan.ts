/**
 * Compiles a network into a plan: the memory layout, and the programs that the kernels' interpreter (packages/engine/assembly/index.ts) runs over it. Nothing is allocated afterwards.
 *
 * A sequence of blocks (convolution or dense, activation, normalization, pooling) has fused kernels.
 * Any other network is planned as a graph, a kernel or a few per layer: plan/graph_plan.ts.
 *
 * Channels and units are padded to multiples of eight, and the padding stays zero: its weights,
 * gammas and biases are zero and so are their gradients. Only the input keeps its channels.
 */
import { type Block, groupIntoBlocks, type Network, UnsupportedNetwork } from "./engine_network.ts";
import { planGraph } from "./plan/graph_plan.ts";
import { layOut, type PlanOptions } from "./plan/layout.ts";
import { layOutAverages } from "./plan/parameters.ts";
import { type Plan, writePrograms } from "./plan/program.ts";
import { product, rowBytes, shapesOf } from "./plan/shapes.ts";
import { inference, penalties, trainingBackward, trainingForward } from "./plan/programs.ts";

export { dropoutSalt } from "./plan/dense_layers.ts";
export type { PlanOptions } from "./plan/layout.ts";
export type { Plan, Tensor } from "./plan/program.ts";

/** Lays out memory and writes the programs. @throws {UnsupportedNetwork} */
export function plan(network: Network, options: PlanOptions): Plan {
  let blocks: Block[];
  try {
    blocks = groupIntoBlocks(network);
  } catch (error) {
    if (!(error instanceof UnsupportedNetwork)) throw error;
    return planGraph(network, options);
  }
  const layout = layOut(network, shapesOf(network, blocks), options);
  const { memory, input, tensors, moments, gradient, labels, head, outColumns: columns } = layout;
  const outside = typeof network.loss === "function";
  const { averages, stages } = layOutAverages(memory, options.averages ? tensors : []);
  const ahead = trainingForward(layout), behind = [...trainingBackward(layout), ...stages];
  const { addresses: [train, infer, penalty, back], counters } = writePrograms(memory, [
    outside ? ahead : [...ahead, ...behind],
    inference(layout),
    [penalties(layout)],
    ...(outside ? [behind] : []),
  ]);
  return {
    ...{ network, batch: options.batch, threads: options.threads, bytes: memory.end },
    ...{ tensors, averages, moments, gradient, labels, penalties: layout.penalties, counters },
    programs: { train, infer, penalty, back },
    input: { ...input, bytes: product(network.input) * (input.floats ? 4 : 1) },
    outputs: {
      ...{ columns, gradient: head.m.gradient },
      ...(outside
        ? { address: head.m.activated, row: rowBytes(head.d.columns) }
        : { address: layout.outputs, row: columns * 4 }),
    },
    heads: { address: layout.headLosses, count: layout.heads.length },
    words: memory.words,
  };
}
