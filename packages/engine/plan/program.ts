/** Encoding of programs for the kernels' interpreter (packages/engine/assembly/index.ts). */
import { Kernel, RECORD } from "../assembly/abi.ts";
import type { Network } from "../engine_network.ts";
import type { Allocator } from "./allocator.ts";

/** A named weight and its memory. */
export interface Tensor {
  /** `layer/kernel`, `layer/bias`, `layer/gamma`, `layer/beta`, `layer/moving_mean`, `layer/moving_variance`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Trainable tensors have a gradient and moments at fixed byte offsets. */
  readonly trainable: boolean;
  readonly address: number;
  /** Groups of rows (taps, positions), rows per group, padded rows, and columns. */
  readonly groups: number;
  readonly rows: number;
  readonly paddedRows: number;
  readonly columns: number;
}

/** A compiled network: addresses of everything that the engine reads and writes, and the programs. */
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
  /** Moving averages of the tensors, or none. */
  readonly averages: readonly Tensor[];
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

/** A word of a record: an integer, or `[x]` for the bits of a float. */
export type Word = number | readonly [number];

/** A kernel, its first item in the stage, the number of its items, and its own words. */
export type KernelRecord = readonly Word[];

/** Work shared by all threads; a barrier follows it. */
export interface Stage {
  /** True if its items are chunks of images. */
  images: boolean;
  /** Chunks or items. */
  count: number;
  /** Number of images that pass through all kernels at once. */
  range: number;
  kernels: KernelRecord[];
  /**
   * Small kernels that need the whole stage. The thread that finishes the stage runs them before the
   * others continue, which is faster than a separate stage.
   */
  endings: KernelRecord[];
}

/** The words are in the order in which the kernel reads them, from the third. */
export function record(
  kernel: keyof typeof Kernel,
  first: number,
  count: number,
  words: readonly Word[],
): KernelRecord {
  return [Kernel[kernel], first, count, ...words];
}

/** Builds a stage whose kernels each process their own items. */
export function overItems(kernels: KernelRecord[]): Stage {
  const count = Math.max(0, ...kernels.map(([, first, count]) => Number(first) + Number(count)));
  return { images: false, count, range: 0, kernels, endings: [] };
}

const floatBits = new Int32Array(1);
export function bits(word: Word): number {
  if (typeof word === "number") return word | 0;
  new Float32Array(floatBits.buffer)[0] = word[0];
  return floatBits[0];
}

/** Writes programs into memory; returns their addresses and those of their stages' counters. */
export function writePrograms(memory: Allocator, programs: readonly Stage[][]) {
  const count = Math.max(...programs.map((stages) => stages.length));
  const counters = { address: memory.allocate(count * 64), count };
  const addresses = programs.map((stages) => {
    const words: number[] = [];
    for (const [n, { images, count, range, kernels, endings }] of stages.entries()) {
      const head = [
        ...[images ? 1 : 2, count, range, kernels.length, counters.address + n * 64],
        endings.length,
      ];
      for (const line of [head, ...kernels, ...endings]) {
        if (line.length > RECORD) throw new Error("a kernel's record is too long");
        for (let n = 0; n < RECORD; n++) words.push(bits(line[n] ?? 0));
      }
    }
    for (let n = 0; n < RECORD; n++) words.push(0); // the end
    return memory.place(Int32Array.from(words));
  });
  return { addresses, counters };
}
