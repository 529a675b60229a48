/** From a crop to what a network sees. */
import type { Image } from "./image.ts";
import { fit, resize } from "./resize.ts";

export { fit };
/** The one resampling filter: Lanczos, a = 3, widened by the factor of reduction: no aliasing. */
export const kernel = "lanczos3";

/** A picture as a tensor's bytes: RGB, [size, size, 3]. Crops are square. */
export async function toNetworkInput(image: Image, size: number): Promise<Uint8Array> {
  return await resize(image, size, size, kernel);
}
