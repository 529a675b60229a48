/** Resizes images: with own kernels where they are byte-identical to sharp, else with sharp. */
import type { Image } from "./image.ts";
import { type Kernel, resample } from "./resample.ts";

/** Resizing of crops: sharp's `fit` that ignores the aspect ratio. */
export const FIT = "fill";
/** Filter of downscaled crops: Lanczos (a = 3), widened against aliasing. Libvips enlarges bicubically. */
export const KERNEL = "lanczos3";

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
    .resize(width, height, { kernel, fit: FIT })
    .raw()
    .toBuffer();
}

/** Resizes a square crop to a network input: RGB bytes, [size, size, 3]. */
export async function toNetworkInput(crop: Image, size: number): Promise<Uint8Array> {
  return await resize(crop, size, size, KERNEL);
}

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
