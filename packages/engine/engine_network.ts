/** Description of a network that the engine can train. */
import { Activation } from "./assembly/abi.ts";

export { Activation };

/** L2 penalties: their sum of squares times this is part of the loss, as in Keras. */
export interface Penalty {
  kernel?: number;
  bias?: number;
}

/** A window that moves over an image. */
export interface Window {
  strides: readonly [number, number];
  padding: "same" | "valid";
}

export type Layer =
  & {
    /** Indices of the layers it reads; -1: the images. Default: the layer before. */
    inputs?: readonly number[];
    /** Its weights do not change; batch normalization uses the moving statistics. */
    frozen?: boolean;
  }
  & (
    | (Window & {
      kind: "conv2d";
      name: string;
      filters: number;
      kernelSize: readonly [number, number];
      bias: boolean;
      l2?: Penalty;
      /** Name of the kernel's weights. Default: "kernel". */
      kernel?: string;
    })
    /** Convolves each channel by itself, to `depthMultiplier` channels. */
    | (Window & {
      kind: "depthwiseConv2d";
      name: string;
      kernelSize: readonly [number, number];
      depthMultiplier: number;
      bias: boolean;
    })
    | { kind: "dense"; name: string; units: number; bias: boolean; l2?: Penalty }
    | { kind: "relu" }
    | { kind: "leakyRelu"; alpha: number }
    /** `alpha` is the maximum of relu6. Default: 6. */
    | { kind: "activation"; function: keyof typeof Activation; alpha?: number }
    /** A slope for negative values per channel, or per position and channel. */
    | { kind: "prelu"; name: string; shape: readonly number[] }
    | { kind: "batchNorm"; name: string; momentum: number; epsilon: number }
    /** Normalizes the channels of each position. */
    | { kind: "layerNorm"; name: string; epsilon: number }
    | (Window & { kind: "maxPool"; poolSize: readonly [number, number] })
    | (Window & { kind: "averagePool"; poolSize: readonly [number, number] })
    | { kind: "globalAveragePool" }
    | { kind: "globalMaxPool" }
    /** Inputs of one shape, or of one value per channel for all positions. */
    | { kind: "add" }
    | { kind: "multiply" }
    /** Joins channels. */
    | { kind: "concatenate" }
    | { kind: "flatten" }
    | { kind: "reshape"; shape: readonly number[] }
    /** The mask is shared along axes where `noiseShape`, which has the batch first, is 1. */
    | { kind: "dropout"; rate: number; noiseShape?: readonly (number | null)[] }
    | { kind: "softmax" }
  );

/**
 * One head: some columns of the last dense layer. Heads own the columns in order.
 */
export interface Head {
  /** `categoricalCrossentropy` compares the columns' softmax with target probabilities. */
  readonly loss: "categoricalCrossentropy" | "meanAbsoluteError";
  readonly columns: number;
  /** Loss weight. */
  readonly weight: number;
}

/**
 * A custom loss, computed by the caller between the engine's forward and backward pass.
 * @param outputs outputs of the last dense layer, before a softmax: [rows, columns]
 * @param labels labels of the step
 * @param gradient in training, receives the gradient of the mean loss by the outputs, [rows, columns]
 * @returns the mean loss over the rows
 */
export type CustomLoss = (
  outputs: Float32Array,
  labels: ArrayLike<number>,
  gradient?: Float32Array,
) => Promise<number>;

/**
 * `categoricalCrossentropy` needs a final softmax, and class indices as labels. Heads need a final
 * dense layer, and rows of probabilities or values as labels. A custom loss accepts either end and any
 * labels.
 */
export type Loss = "categoricalCrossentropy" | "meanAbsoluteError" | readonly Head[] | CustomLoss;

/** A network, its input size and its loss. */
export interface Network {
  /** Height, width, channels. */
  readonly input: readonly [number, number, number];
  readonly layers: readonly Layer[];
  /** Layers whose outputs, side by side, are the network's. Default: the last. */
  readonly outputs?: readonly number[];
  readonly loss: Loss;
}

/** Error: the engine does not support a feature of the network. */
export class UnsupportedNetwork extends Error {
  override name = "UnsupportedNetwork";
}
