/**
 * Compiles a network into a plan: where everything lies in one memory, and the programs that the
 * kernels' interpreter (engine/assembly/index.ts) runs over it. Nothing is allocated afterwards.
 *
 * Channels and units are padded to multiples of eight, and the padding stays zero: its weights,
 * gammas and biases are zero and so are their gradients. Only the input keeps its channels.
 */
import type { Network } from "./network.ts";
import { layOut, type PlanOptions } from "./plan/layout.ts";
import type { Tensor } from "./plan/parameters.ts";
import { writePrograms } from "./plan/program.ts";
import { product } from "./plan/sizes.ts";
import { inference, penalties, training } from "./plan/stages.ts";

export { dropoutSalt } from "./plan/dense.ts";
export type { PlanOptions } from "./plan/layout.ts";
export type { Tensor } from "./plan/parameters.ts";
export { CONTROL, KERNELS, RECORD } from "./plan/program.ts";

export interface Plan {
  readonly network: Network;
  readonly batch: number;
  readonly threads: number;
  readonly bytes: number;
  readonly programs: {
    readonly train: number;
    readonly infer: number;
    /** L2 penalties only. */
    readonly penalty: number;
  };
  readonly tensors: readonly Tensor[];
  /** Distances from a trainable tensor to its moments and gradient, in bytes. */
  readonly moments: readonly [number, number];
  readonly gradient: number;
  readonly input: { readonly address: number; readonly bytes: number; readonly floats: boolean };
  readonly labels: number;
  readonly outputs: { readonly address: number; readonly columns: number };
  /** For each head the sum of its losses over the rows, 8 bytes. */
  readonly heads: { readonly address: number; readonly count: number };
  readonly penalties: { readonly address: number; readonly count: number };
  readonly counters: { readonly address: number; readonly count: number };
  /** The program's words, and the numbers that are not zero at the start. */
  readonly words: readonly (readonly [address: number, words: Int32Array])[];
}

/** Lays out memory and writes the programs. Throws `UnsupportedNetwork`. */
export function plan(network: Network, options: PlanOptions): Plan {
  const layout = layOut(network, options);
  const { memory, input, tensors, moments, gradient, labels } = layout;
  const { addresses: [train, infer, penalty], counters } = writePrograms(memory, [
    training(layout),
    inference(layout),
    [penalties(layout)],
  ]);
  return {
    ...{ network, batch: options.batch, threads: options.threads, bytes: memory.end },
    ...{ tensors, moments, gradient, labels, penalties: layout.penalties, counters },
    programs: { train, infer, penalty },
    input: { ...input, bytes: product(network.input) * (input.floats ? 4 : 1) },
    outputs: { address: layout.outputs, columns: layout.outColumns },
    heads: { address: layout.headLosses, count: layout.heads.length },
    words: memory.words,
  };
}
