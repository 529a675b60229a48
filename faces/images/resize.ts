/** Scales pictures: with code of ours where that gives sharp's very bytes, else with sharp. */
import type { Image } from "./image.ts";
import { type Kernel, resample } from "./resample.ts";

/** Width and height are scaled each on its own. */
export const fit = "fill";

/** Pixels of larger pictures are not copied into the memory of our kernels. */
const most = 4e6;

/** A picture's pixels at another size, RGB bytes, [height, width, 3]. */
export async function resize(
  image: Image,
  width: number,
  height: number,
  kernel: Kernel,
): Promise<Uint8Array> {
  const { data, ...from } = image;
  if (from.width === width && from.height === height) return data;
  // sharp takes several times as long to begin as this takes in all.
  if (width <= from.width && height <= from.height && from.width * from.height <= most) {
    return resample(image, width, height, kernel).data;
  }
  const { default: sharp } = await import("sharp");
  return await sharp(data, { raw: { width: from.width, height: from.height, channels: 3 } })
    .resize(width, height, { kernel, fit })
    .raw()
    .toBuffer();
}
