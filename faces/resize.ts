/** From a crop to what a network sees. */
import sharp from "sharp";
import type { Image } from "./image.ts";
import { resample } from "./resample.ts";

/** The one resampling filter: Lanczos, a = 3, widened by the factor of reduction: no aliasing. */
export const kernel = "lanczos3";
/** Width and height are scaled each on its own; crops are square. */
export const fit = "fill";

/** A picture as a tensor's bytes: RGB, [size, size, 3]. */
export async function toTensor(image: Image, size: number): Promise<Uint8Array> {
  const { data, width, height } = image;
  if (width === size && height === size) return data;
  // The very bytes of sharp, which takes longer to begin than this takes in all.
  if (width >= size && height >= size) return resample(image, size, size, kernel).data;
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(size, size, { kernel, fit })
    .raw()
    .toBuffer();
}
