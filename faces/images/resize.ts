/** Resizes images: with own kernels where they are byte-identical to sharp, else with sharp. */
import type { Image } from "./image.ts";
import { type Kernel, resample } from "./resample.ts";

/** The aspect ratio is not kept. */
export const fit = "fill";

/** Maximum number of pixels for the own kernels. */
const MAX_OWN_PIXELS = 4e6;

/** Resizes an image. @returns RGB bytes, [height, width, 3] */
export async function resize(
  image: Image,
  width: number,
  height: number,
  kernel: Kernel,
): Promise<Uint8Array> {
  const { data, ...from } = image;
  if (from.width === width && from.height === height) return data;
  // The start-up of sharp alone takes several times as long.
  if (width <= from.width && height <= from.height && from.width * from.height <= MAX_OWN_PIXELS) {
    return resample(image, width, height, kernel).data;
  }
  const { default: sharp } = await import("sharp");
  return await sharp(data, { raw: { width: from.width, height: from.height, channels: 3 } })
    .resize(width, height, { kernel, fit })
    .raw()
    .toBuffer();
}
