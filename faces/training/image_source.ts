/** Images of a file as bytes and tensors. */
import * as tf from "@tensorflow/tfjs-core";

/** Images of one size, such as an open `NpyFile<"uint8">`. */
export interface ImageSource {
  /** [images, height, width, 3] */
  readonly shape: readonly number[];
  /** Reads the bytes of `count` images from image `start` on. */
  read(start: number, count: number): Uint8Array;
}

/** Wraps images in memory; `bytes` has the shape [n, size, size, 3]. */
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
 * Reads the bytes of some images, [rows, height, width, 3]. Memory is bounded by the batch; adjacent
 * images are read at once.
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

/** Flips images horizontally. `bytes` has the shape [n, height, width, 3]. */
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

/**
 * Converts the bytes of images to a tensor, 0 to 1.
 * @param shape [images, height, width, channels]; the number of images follows from the bytes
 */
export function toTensor(bytes: Uint8Array, [, ...shape]: readonly (number | null)[]): tf.Tensor4D {
  const [height, width, channels] = shape as number[];
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) pixels[i] = bytes[i] / 255;
  const images = bytes.length / (height * width * channels);
  return tf.tensor4d(pixels, [images, height, width, channels]);
}
