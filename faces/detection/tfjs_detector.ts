/** Shared parts of face-api's networks: weights, layers and non-maximum suppression. */
import * as tf from "@tensorflow/tfjs-core";
import type { Detection } from "./detector.ts";
import { iou } from "../images/image.ts";

/** Weights by name; `close` disposes of them. */
export interface Weights {
  <T extends tf.Tensor = tf.Tensor>(name: string): T;
  close(): void;
}

export interface Convolution {
  /** [height, width, channels in, channels out or, if depthwise, 1] */
  readonly filter: tf.Tensor4D;
  /** [channels out] */
  readonly bias: tf.Tensor1D;
}

/** A manifest of weights, as TensorFlow.js writes it. */
type Manifest = readonly { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];

/**
 * Reads the weights beside a manifest: 8-bit quantized, with a scale per tensor.
 * @param url of the manifest
 * @returns float32 tensors
 */
export async function readWeights(url: string): Promise<Weights> {
  const read = async (file: string) => await Deno.readFile(new URL(file, url));
  const manifest: Manifest = JSON.parse(await Deno.readTextFile(new URL(url)));
  const weights: tf.NamedTensorMap = {};
  for (const { paths, weights: specs } of manifest) {
    const bytes = await new Blob(await Promise.all(paths.map(read))).arrayBuffer();
    Object.assign(weights, tf.io.decodeWeights(bytes, specs));
  }
  const get = <T extends tf.Tensor>(name: string) => {
    const tensor = weights[name];
    if (!tensor) throw new Error(`Cannot open the detector: "${url}" has no weights "${name}".`);
    return tensor as T;
  };
  return Object.assign(get, { close: () => tf.dispose(weights) });
}

/** Width and height of the input of the networks that read a face, pixels. */
export const FACE_SIZE = 112;

/** Returns the layers of the networks that read a face, by the names of their weights. */
export function faceLayers(weights: Weights) {
  const convolve = (x: tf.Tensor4D, name: string, filter: string, strides = 1): tf.Tensor4D =>
    tf.fused.conv2d({
      x,
      filter: weights<tf.Tensor4D>(`${name}/${filter}`),
      bias: weights<tf.Tensor1D>(`${name}/bias`),
      strides,
      pad: "same",
    });
  return {
    /** RGB bytes of faces → [n, 112, 112, 3], less the mean of the networks' training images. */
    input(pixels: Uint8Array): tf.Tensor4D {
      const faces = Float32Array.from(pixels);
      const images = tf.reshape<tf.Rank.R4>(faces, [-1, FACE_SIZE, FACE_SIZE, 3]);
      return tf.div(tf.sub(images, [122.782, 117.001, 104.298]), 255);
    },
    convolve: (x: tf.Tensor4D, name: string, strides: number) =>
      convolve(x, name, "filters", strides),
    separable(x: tf.Tensor4D, name: string, strides = 1): tf.Tensor4D {
      const filter = weights<tf.Tensor4D>(`${name}/depthwise_filter`);
      return convolve(tf.depthwiseConv2d(x, filter, strides, "same"), name, "pointwise_filter");
    },
    dense: (x: tf.Tensor2D, name: string): tf.Tensor =>
      tf.add(tf.matMul(x, weights<tf.Tensor2D>(`${name}/weights`)), weights(`${name}/bias`)),
  };
}

/**
 * Non-maximum suppression: drops detections whose IoU with one of a higher score is above `limit`.
 * @returns the others, highest score first
 */
export function nonMaxSuppression(found: readonly Detection[], limit: number): Detection[] {
  const kept: Detection[] = [];
  for (const one of [...found].sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => iou(one.box, other.box) <= limit)) kept.push(one);
  }
  return kept;
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
