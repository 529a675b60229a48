/** From images in a file to tensors. */
import * as tf from "@tensorflow/tfjs-core";

/** Many images of one size; an open `NpyFile<"uint8">` is one. */
export interface ImageSource {
  /** [images, height, width, 3] */
  readonly shape: readonly number[];
  /** The bytes of image `start` and of `count - 1` after it. */
  read(start: number, count: number): Uint8Array;
}

/** Images held in memory: `bytes` has the shape [n, size, size, 3]. */
export function imagesInMemory(bytes: Uint8Array, size: number): ImageSource {
  const length = size * size * 3;
  if (bytes.length % length !== 0) {
    throw new Error(`Cannot read ${bytes.length} bytes as RGB images of ${size}×${size} pixels.`);
  }
  return {
    shape: [bytes.length / length, size, size, 3],
    read: (start, count) => bytes.subarray(start * length, (start + count) * length),
  };
}

/**
 * The bytes of the images of the given rows, [rows, height, width, 3]. Nothing else is read: a
 * training holds a batch or two, however many images there are. Neighbours are read at once.
 */
export function readBytes(images: ImageSource, rows: ArrayLike<number>): Uint8Array {
  const length = images.shape.slice(1).reduce((product, size) => product * size, 1);
  const bytes = new Uint8Array(rows.length * length);
  for (let i = 0, count = 1; i < rows.length; i += count, count = 1) {
    while (rows[i + count] === rows[i] + count) count++;
    bytes.set(images.read(rows[i], count), i * length);
  }
  return bytes;
}

/** Images mirrored left to right. `bytes` has the shape [n, height, width, 3]. */
export function flipHorizontally(bytes: Uint8Array, width: number): Uint8Array {
  const mirror = new Uint8Array(bytes.length);
  for (let row = 0; row < bytes.length; row += width * 3) {
    for (let from = row, to = row + (width - 1) * 3; from < row + width * 3; from += 3, to -= 3) {
      mirror[to] = bytes[from];
      mirror[to + 1] = bytes[from + 1];
      mirror[to + 2] = bytes[from + 2];
    }
  }
  return mirror;
}

/** The images of the given rows as a tensor [rows, height, width, 3] of 0 to 1. */
export function readBatch(images: ImageSource, rows: ArrayLike<number>): tf.Tensor4D {
  const [, height, width, channels] = images.shape;
  return toTensor(readBytes(images, rows), [rows.length, height, width, channels]);
}

/** Bytes as a tensor of 0 to 1. */
export function toTensor(bytes: Uint8Array, shape: [number, number, number, number]): tf.Tensor4D {
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) pixels[i] = bytes[i] / 255;
  return tf.tensor4d(pixels, shape);
}
