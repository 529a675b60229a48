/** The declaration of a graph's layer. */
import { type Layer, UnsupportedNetwork } from "../../engine_network.ts";
import type { GraphBuilder } from "../graph_builder.ts";
import type { GraphLayer, GraphTensor, LayerOf, Shape } from "../graph_tensor.ts";
import type { Buffer } from "../operations.ts";

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
   * number by which `denseUpdates` finds them.
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
export type LayerDeclaration<K extends Layer["kind"] = Layer["kind"]> = Declaration<LayerOf<K>>;

/** @throws {UnsupportedNetwork} */
export function refuse(layer: Layer, why: string): never {
  const name = "name" in layer ? `"${layer.name}" (${layer.kind})` : layer.kind;
  throw new UnsupportedNetwork(`The fast engine cannot train layer ${name}: it ${why}`);
}
