/**
 * Compiles a network into a plan: the memory layout, and the programs that the kernels' interpreter (packages/engine/assembly/index.ts) runs over it. Nothing is allocated afterwards.
 *
 * Channels and units are padded to multiples of eight, and the padding stays zero: its weights,
 * gammas and biases are zero and so are their gradients. Only the input keeps its channels.
 */
import type { Network } from "./engine_network.ts";
import { layOut, type PlanOptions } from "./plan/layout.ts";
import type { Tensor } from "./plan/parameters.ts";
import { writePrograms } from "./plan/program.ts";
import { product, rowBytes } from "./plan/shapes.ts";
import { inference, penalties, trainingBackward, trainingForward } from "./plan/programs.ts";

export { dropoutSalt } from "./plan/dense_layers.ts";
export type { PlanOptions } from "./plan/layout.ts";
export type { Tensor } from "./plan/parameters.ts";

export interface Plan {
  readonly network: Network;
  readonly batch: number;
  readonly threads: number;
  readonly bytes: number;
  readonly programs: {
    /** A whole step, or its part up to a custom loss. */
    readonly train: number;
    /** The part of a step after a custom loss. */
    readonly back?: number;
    readonly infer: number;
    /** L2 penalties only. */
    readonly penalty: number;
  };
  readonly tensors: readonly Tensor[];
  /** Byte offsets from a trainable tensor to its moments and gradient. */
  readonly moments: readonly [number, number];
  readonly gradient: number;
  readonly input: { readonly address: number; readonly bytes: number; readonly floats: boolean };
  readonly labels: number;
  /** `row`: bytes between rows; `gradient`: address of a custom loss's gradient. */
  readonly outputs: {
    readonly address: number;
    readonly columns: number;
    readonly row: number;
    readonly gradient: number;
  };
  /** Sum of each head's losses over the rows, 8 bytes each. */
  readonly heads: { readonly address: number; readonly count: number };
  readonly penalties: { readonly address: number; readonly count: number };
  readonly counters: { readonly address: number; readonly count: number };
  /** Words of the programs, and other nonzero initial values. */
  readonly words: readonly (readonly [address: number, words: Int32Array])[];
}

/** Lays out memory and writes the programs. @throws {UnsupportedNetwork} */
export function plan(network: Network, options: PlanOptions): Plan {
  const layout = layOut(network, options);
  const { memory, input, tensors, moments, gradient, labels, head, outColumns: columns } = layout;
  const outside = typeof network.loss === "function";
  const ahead = trainingForward(layout), behind = trainingBackward(layout);
  const { addresses: [train, infer, penalty, back], counters } = writePrograms(memory, [
    outside ? ahead : [...ahead, ...behind],
    inference(layout),
    [penalties(layout)],
    ...(outside ? [behind] : []),
  ]);
  return {
    ...{ network, batch: options.batch, threads: options.threads, bytes: memory.end },
    ...{ tensors, moments, gradient, labels, penalties: layout.penalties, counters },
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
