/** Declaration of a layer of a graph, its values, and records of kernels over them. */
import { Activation, Combine, type Kernel } from "../assembly/abi.ts";
import { type Layer, UnsupportedNetwork } from "../engine_network.ts";
import type { Block } from "./fusion.ts";
import type { GraphBuilder } from "./graph_builder.ts";
import type { Buffer } from "./operations.ts";
import { type KernelRecord, record, type Word } from "./program.ts";

/** A layer or block with all its inputs, and an activation that is fused with it. */
export type GraphLayer = (Layer | Block) & {
  inputs: readonly number[];
  activation?: { kind: Activation; alpha: number };
  /** Keys the dropout mask: the index of the layer in the network, or of the block. */
  salt?: number;
};

type Kind = GraphLayer["kind"];

export type LayerOf<K extends Kind> = Extract<GraphLayer, { kind: K }>;

/** Shape of an output, without the batch. */
export type Shape = readonly number[];

/** Shared by a tensor and others that are the same numbers in memory. */
interface Slot {
  gradient?: Buffer;
  readers: number;
  /** Place from which the gradient of a convolution's output is read. Default: `gradient` */
  view?: GradientView;
}

/** Places of a gradient's pixels: panels of eight channels, or room around and between the pixels. */
export interface GradientView {
  readonly buffer: Buffer;
  readonly height: number;
  readonly width: number;
  /** Offset of the first pixel, and bytes between rows, pixels, and panels of eight channels. */
  readonly places: readonly [first: number, row: number, pixel: number, panel: number];
  /** True once a normalization has written it. */
  filled?: boolean;
  /** True if only the layer itself writes it. */
  own?: boolean;
}

/** Values that their readers compute where they need them. */
export interface Lazy {
  readonly reads: readonly Buffer[];
  /** Returns the kernel that computes them to an image, whose rows are `row` bytes apart. */
  readonly compute: (
    to: Word[],
    size: { inHeight: number; inWidth: number },
    row: number,
  ) => KernelRecord;
  /** Stores them, once. */
  store?: () => void;
}

/** Values of a layer: positions with channels, `step` bytes per position. */
export interface GraphTensor {
  readonly shape: Shape;
  readonly channels: number;
  readonly positions: number;
  readonly step: number;
  readonly value: Buffer;
  readonly slot: Slot;
  /** True if weights before it are trained. */
  readonly trained: boolean;
  readonly lazy?: Lazy;
}

/** Addresses of a layer's weights, 0 if absent, and other numbers that it keeps. */
export type Weights = Record<string, number>;

/** Allocates weights of a layer and returns their addresses. */
export interface WeightDeclarer {
  /** @param packing groups of rows (taps, positions), rows, padded rows, columns */
  parameter(
    name: string,
    shape: number[],
    packing: [groups: number, rows: number, paddedRows: number, columns: number],
    l2?: number,
  ): number;
  /** A number per channel. */
  vector(name: string, length: number, l2?: number): number;
  /**
   * Makes the last weight one whose optimizer steps are panels of eight columns, of `rows`. Returns the
   * number by which its update finds them.
   */
  panels(rows: number): number;
  /** Statistics per channel, whose addresses are known once all layers are declared. */
  moving(weights: Weights, layer: string, names: readonly string[], channels: number): void;
}

interface Declaration<L extends GraphLayer> {
  /** Default: the shape of its input. */
  shape?(layer: L, inputs: readonly Shape[]): Shape;
  /** Default: none. */
  weights?(layer: L, input: Shape, declare: WeightDeclarer): Weights;
  /** True if it reads images whose channels have no padding. */
  unpadded?: true;
  /** Returns true if it computes a normalization before it itself, where it reads. Default: false */
  normalizes?(layer: L): boolean;
  /**
   * Adds its operations: forward at once, backward within `graph.onBackward`.
   * @param value where its output goes, for the last layer
   */
  operations(
    graph: GraphBuilder,
    layer: L,
    inputs: readonly GraphTensor[],
    weights: Weights,
    value?: Buffer,
  ): GraphTensor;
}

/** Everything that the engine needs of these kinds of layers. */
export type LayerDeclaration<K extends Kind = Kind> = Declaration<LayerOf<K>>;

/** @throws {UnsupportedNetwork} */
export function refuse(layer: GraphLayer | Layer, why: string): never {
  const name = "name" in layer ? `"${layer.name}" (${layer.kind})` : layer.kind;
  throw new UnsupportedNetwork(`The fast engine cannot train layer ${name}: it ${why}`);
}

/** Default of a fused activation. */
export const linear = { kind: Activation.linear, alpha: 0 };

/** Returns a record whose operands are buffers. */
export function kernel(
  name: keyof typeof Kernel,
  operands: readonly Buffer[],
  words: readonly Word[],
): KernelRecord {
  return record(name, 0, 0, [...operands.flatMap((buffer) => buffer.words), ...words]);
}

/** dx (+)= factor * d; with a step of 0, d has one position. */
export function copy(
  d: Buffer,
  dx: Buffer,
  positions: number,
  step: number,
  dStep: number,
  factor: number,
  add: number,
): KernelRecord {
  return kernel("combine", [d, d, dx], [positions, step, Combine.copy, dStep, [factor], add]);
}

/** Words of an operand some bytes further. */
export function shifted(buffer: Buffer, bytes: number): Word[] {
  return [buffer.address + bytes, buffer.step, buffer.image];
}
