/** From a crop to what a network sees. */
import type { Image } from "./image.ts";
import { fit, scale } from "./scale.ts";

export { fit };
/** The one resampling filter: Lanczos, a = 3, widened by the factor of reduction: no aliasing. */
export const kernel = "lanczos3";

/** A picture as a tensor's bytes: RGB, [size, size, 3]. Crops are square. */
export async function toTensor(image: Image, size: number): Promise<Uint8Array> {
  return await scale(image, size, size, kernel);
}
