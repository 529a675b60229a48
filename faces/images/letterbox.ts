/** Letterboxes images for detectors. */
import type { Image } from "./image.ts";
import { resize } from "./resize.ts";

/**
 * Letterboxes an image: resizes it so that its longer side is `size`, top left, with black padding.
 *
 * The filter averages over all pixels, whereas TensorFlow's resizeBilinear, which face-api uses, skips
 * some. A large photo never becomes a large tensor.
 * @returns an image of `size` by `size` pixels
 */
export async function letterbox(image: Image, size: number): Promise<Image> {
  const { width, height } = image;
  const factor = size / Math.max(width, height);
  const right = Math.max(1, Math.round(width * factor));
  const bottom = Math.max(1, Math.round(height * factor));
  const scaled = await resize(image, right, bottom, "linear");
  if (right === size && bottom === size) return { data: scaled, width: size, height: size };
  const data = new Uint8Array(size * size * 3);
  for (let y = 0; y < bottom; y++) {
    data.set(scaled.subarray(y * right * 3, (y + 1) * right * 3), y * size * 3);
  }
  return { data, width: size, height: size };
}
