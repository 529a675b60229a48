/** What a detector's network sees of a picture. */
import type { Image } from "./image.ts";
import { resize } from "./resize.ts";

/**
 * The square that a network sees: the picture, scaled so that its longer side is `size`, in the
 * upper left corner, and black beside or below it. Bytes, [size, size, 3].
 *
 * Scaling here averages over what it shrinks (TensorFlow's resizeBilinear, which face-api uses,
 * skips pixels), and a big photo never becomes a big tensor.
 */
export async function letterbox(image: Image, size: number): Promise<Uint8Array> {
  const { width, height } = image;
  const factor = size / Math.max(width, height);
  const right = Math.max(1, Math.round(width * factor));
  const bottom = Math.max(1, Math.round(height * factor));
  const scaled = await resize(image, right, bottom, "linear");
  if (right === size && bottom === size) return scaled;
  const data = new Uint8Array(size * size * 3);
  for (let y = 0; y < bottom; y++) {
    data.set(scaled.subarray(y * right * 3, (y + 1) * right * 3), y * size * 3);
  }
  return data;
}
