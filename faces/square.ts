/** What a detector's network sees of a picture. */
import sharp from "sharp";
import type { Image } from "./image.ts";

/**
 * The square that a network sees: the picture, scaled so that its longer side is `size`, in the
 * upper left corner, and black beside or below it. Bytes, [size, size, 3].
 *
 * Scaling by sharp averages over what it shrinks (TensorFlow's resizeBilinear, which face-api uses,
 * skips pixels), and a big photo never becomes a big tensor.
 */
export async function square(image: Image, size: number): Promise<Uint8Array> {
  const { data, width, height } = image;
  if (width === size && height === size) return data;
  const scale = size / Math.max(width, height);
  const right = Math.max(1, Math.round(width * scale));
  const bottom = Math.max(1, Math.round(height * scale));
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(right, bottom, { kernel: "linear", fit: "fill" })
    .extend({ right: size - right, bottom: size - bottom, background: "#000000" })
    .raw()
    .toBuffer();
}
